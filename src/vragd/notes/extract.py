"""
PDF and Office files to the text in them. Only ever called in a process of its own: these libraries grow, hang and crash
on what strangers send.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from vragd.notes.documents import Extracted, Section
from vragd.notes.model import NotIndexable

MAX_CHARS = 4 << 20
"""Of text: about two thousand pages."""
MAX_UNPACKED = 512 << 20
"""Bytes that an Office file, which is a zip archive, may say it unpacks to."""
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # OLE: an encrypted Office file, or one of before 2007
_HYPHEN = re.compile("[\ufffe\x02]\r?\n?")  # how PDFium marks a hyphen at a line's end
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")
_HEADING = re.compile(r"(?:heading|title)\s*(\d*)", re.IGNORECASE)

Line = tuple[tuple[str, ...], int, str]
"""Headings, number, text."""


def extract(data: bytes, suffix: str, most: int = MAX_CHARS) -> Extracted:
    """
    The text of the document in `data`, `most` characters of it. Raises NotIndexable for what is none, or is encrypted.
    """
    if suffix != ".pdf":
        _look_into_archive(data)
    try:
        return _gathered(_READERS[suffix](data), most)
    except (NotIndexable, MemoryError):
        raise
    except Exception:  # each library has errors of its own, and those of what it is built on
        raise NotIndexable(f"broken_{suffix[1:]}") from None


def _gathered(lines: Iterator[Line], most: int) -> Extracted:
    found, size = Extracted(), 0
    for path, number, text in lines:
        for line in _UNSEEN.sub(" ", text.replace("\r\n", "\n")).split("\n"):
            line = line.rstrip().encode("utf-8", "replace").decode()
            size += len(line)
            if size > most:
                found.is_cut = True
                return found
            if not found.sections or found.sections[-1].path != path:
                found.sections.append(Section(path))
            found.sections[-1].lines.append((number, line))
    return found


def _look_into_archive(data: bytes) -> None:
    if data.startswith(_COMPOUND):
        raise NotIndexable("encrypted")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise NotIndexable("broken_archive") from None
    if unpacked > MAX_UNPACKED:
        raise NotIndexable("unpacks_too_large")


def _pdf(data: bytes) -> Iterator[Line]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise NotIndexable("encrypted" if "password" in str(error).lower() else "broken_pdf") from None
    for i in range(len(document)):
        try:
            page = document[i]
            text = page.get_textpage().get_text_bounded()
        except pypdfium2.PdfiumError:
            continue  # a page that is broken: the others are not
        yield (f"Page {i + 1}",), i + 1, _HYPHEN.sub("", text)
        page.close()


def _docx(data: bytes) -> Iterator[Line]:
    import docx
    from docx.table import Table

    path: list[tuple[int, str]] = []
    n = 0
    for block in docx.Document(io.BytesIO(data)).iter_inner_content():
        if isinstance(block, Table):
            for row in block.rows:
                n += 1
                yield tuple(title for _, title in path), n, _row(cell.text for cell in _distinct(row.cells))
            continue
        n += 1
        text = " ".join(block.text.split("\n"))
        if (level := _level(block)) is not None and text.strip():
            path = [*((lv, title) for lv, title in path if lv < level), (level, " ".join(text.split()))]
        yield tuple(title for _, title in path), n, text


def _level(paragraph: Any) -> int | None:
    """Of a heading; 0 for the title."""
    match = _HEADING.fullmatch(paragraph.style.name or "") if paragraph.style is not None else None
    return None if match is None else int(match[1] or 0)


def _pptx(data: bytes) -> Iterator[Line]:
    import pptx

    for number, slide in enumerate(pptx.Presentation(io.BytesIO(data)).slides, 1):
        title = " ".join(slide.shapes.title.text_frame.text.split()) if slide.shapes.title is not None else ""
        path = (f"Slide {number}", *([title] if title else []))
        for text in _shapes(slide.shapes, 0):
            yield path, number, text
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            yield path, number, slide.notes_slide.notes_text_frame.text


def _shapes(shapes: Any, depth: int) -> Iterator[str]:
    for shape in shapes:
        if shape.has_text_frame:
            yield shape.text_frame.text.replace("\v", "\n")
        elif getattr(shape, "has_table", False):
            yield from (_row(cell.text for cell in row.cells) for row in shape.table.rows)
        elif hasattr(shape, "shapes") and depth < 20:
            yield from _shapes(shape.shapes, depth + 1)


def _xlsx(data: bytes) -> Iterator[Line]:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # as they are said to be, a million rows of nothing perhaps
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            if text := _row(str(value) for value in row if value is not None):
                yield (sheet.title,), number, text


def _row(cells: Iterator[str]) -> str:
    return " | ".join(text for cell in cells if (text := " ".join(cell.split())))


def _distinct(cells: Any) -> Iterator[Any]:
    """Each once: a merged one is at every place it covers."""
    before = None
    for cell in cells:
        if before is None or cell._tc is not before:
            yield cell
        before = cell._tc


_READERS: dict[str, Callable[[bytes], Iterator[Line]]] = {".pdf": _pdf, ".docx": _docx, ".pptx": _pptx, ".xlsx": _xlsx}
