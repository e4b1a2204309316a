"""What was found in a PDF or Office file, to a note: below its pages, slides, sheets or headings."""

from __future__ import annotations

from collections.abc import Sequence

from vragd.notes.documents import Extracted
from vragd.notes.machine import strip_machine_text
from vragd.notes.model import Note, NotIndexable
from vragd.notes.outline import Rows, Stretch
from vragd.notes.plain import Plain

_ENDS = (".", "!", "?", ":", "。", "！", "？")


def read(data: bytes, stem: str, suffix: str, found: Extracted | None) -> Note:
    """The document, called by its file's name; the lines of a chunk are numbers of pages, slides, rows, paragraphs."""
    if found is None:  # its bytes are read elsewhere
        raise NotIndexable("binary")
    lines: list[str] = []
    numbers: list[int] = []
    stretches: list[Stretch] = []
    for section in found.sections:
        first = len(lines)
        lines += (line for _, line in section.lines)
        numbers += (number for number, _ in section.lines)
        texts = lines[first:]
        parts = _sentences(texts, first) if suffix == ".pdf" else [(row, row) for row in range(first, len(lines))]
        stretches.append(Stretch(section.path, parts))
    kept, gone, machine = strip_machine_text(lines)
    page = Plain(["" if i in gone else line for i, line in enumerate(kept)], numbers)
    chunks = page.chunks(stretches)
    title = f"{stem}{suffix}"
    remarks = (*(["no_text"] if not chunks else []), *(["text_cut_off"] if found.is_cut else []))
    left_out = (*machine.told("machine_text"), *page.left_out())
    return Note(title, tuple(chunks), names=(stem, title), left_out=left_out, remarks=remarks)


def _sentences(lines: Sequence[str], first: int) -> list[Rows]:
    """Lines of a page up to one with which a sentence ends: a PDF knows no paragraphs."""
    parts: list[Rows] = []
    begin = first
    for row, line in enumerate(lines, first):
        if not line or line.endswith(_ENDS):
            parts.append((begin, row))
            begin = row + 1
    if begin < first + len(lines):
        parts.append((begin, first + len(lines) - 1))
    return parts
