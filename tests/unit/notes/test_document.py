"""PDF and Office files, read as they are read in the process of their own."""

from __future__ import annotations

import functools
import io
import zipfile
from importlib.util import find_spec
from itertools import pairwise

import pytest

from tests import documents as made
from vragd.notes.chunk import read_note
from vragd.notes.documents import LIBRARIES, Extracted, Section
from vragd.notes.extract import MAX_UNPACKED, extract
from vragd.notes.model import Note, NotIndexable

pytestmark = pytest.mark.skipif(
    any(find_spec(library) is None for library in LIBRARIES.values()), reason="needs pip install 'vragd[documents]'"
)

Told = list[tuple[tuple[str, ...], tuple[int, int], str]]


def document(data: bytes, suffix: str) -> Note:
    packed = extract(data, suffix).packed()
    return read_note(data, "thing", suffix, found=Extracted.unpacked(packed))


def told(note: Note) -> Told:
    return [(chunk.heading, chunk.lines, chunk.text) for chunk in note.chunks]


def refusal(data: bytes, suffix: str) -> str:
    with pytest.raises(NotIndexable) as caught:
        extract(data, suffix)
    return caught.value.reason


def test_a_passage_of_a_pdf_is_of_one_page_whose_number_is_heading_and_line() -> None:
    note = document(made.pdf(["First page, about\nthe wombat.", "Second."]), ".pdf")
    assert told(note) == [
        (("Page 1",), (1, 1), "First page, about\nthe wombat."),
        (("Page 2",), (2, 2), "Second."),
    ]
    assert (note.title, note.names, note.remarks) == ("thing.pdf", ("thing", "thing.pdf"), ())


def test_a_long_page_is_cut_behind_sentences() -> None:
    page = "\n".join(f"This is sentence {i} of a page that\ngoes on for longer than a passage may." for i in range(30))
    chunks = document(made.pdf([page]), ".pdf").chunks
    assert len(chunks) > 1
    assert all(chunk.text.startswith("This is") and chunk.text.endswith("may.") for chunk in chunks)
    assert "\n".join(chunk.text for chunk in chunks) == page
    assert {chunk.lines for chunk in chunks} == {(1, 1)}


def test_a_pdf_without_text_is_found_by_its_name_and_says_so() -> None:
    note = document(made.pdf([""]), ".pdf")
    assert (note.chunks, note.remarks) == ((), ("no_text",))


def test_a_passage_of_a_word_file_is_below_its_headings_and_its_lines_are_paragraphs() -> None:
    assert told(document(made.docx(), ".docx")) == [
        (("House rules",), (1, 2), "House rules\nNobody smokes in the marmalade cellar."),
        (("House rules", "Kitchen"), (3, 6), "Kitchen\nThe wombat washes up on Fridays.\nwho | what\nAda | floors"),
        (("House rules", "Kitchen", "Oven"), (7, 8), "Oven\nPreheat to 220 degrees."),
    ]


def test_a_merged_cell_of_a_word_file_is_said_once() -> None:
    from docx import Document

    file = Document()
    table = file.add_table(rows=1, cols=3)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "both"
    table.cell(0, 2).text = "one"
    out = io.BytesIO()
    file.save(out)
    assert [text for _, _, text in told(document(out.getvalue(), ".docx"))] == ["both | one"]


def test_a_passage_of_a_deck_is_of_one_slide_with_its_notes() -> None:
    assert told(document(made.pptx(), ".pptx")) == [
        (("Slide 1", "Gardens of the north"), (1, 1), "Gardens of the north"),
        (
            ("Slide 2", "Moss"),
            (2, 2),
            "Moss\nGrows on the shaded side\nheight | two centimetres\nMention the quagga",
        ),
    ]


def test_a_passage_of_a_sheet_has_the_numbers_of_its_rows() -> None:
    assert told(document(made.xlsx(), ".xlsx")) == [
        (("Harvest",), (1, 3), "barrel 1 | 1.5\nbarrel 3 | 4.5"),
        (("Notes",), (2, 2), "picked in the rain"),
    ]
    long = document(made.xlsx(400), ".xlsx").chunks[:-1]
    assert len(long) > 3
    assert long[-1].lines[1] == 400
    assert all(a.lines[1] < b.lines[0] for a, b in pairwise(long))
    for chunk in long:
        first, last = chunk.text.split("\n")[0], chunk.text.split("\n")[-1]
        assert (first.split()[1], last.split()[1]) == tuple(map(str, chunk.lines))


@pytest.mark.parametrize("suffix", sorted(LIBRARIES))
def test_what_is_no_document_has_a_reason(suffix: str) -> None:
    for data in (b"", b"\0" * 300, b"%PDF-1.7\nnothing", b"PK\x03\x04 and then none", b"text"):
        assert refusal(data, suffix).startswith("broken_")


def test_a_damaged_document_has_a_reason_or_what_is_left_of_it() -> None:
    whole = {".pdf": made.pdf(["page one"]), ".docx": made.docx(), ".pptx": made.pptx(), ".xlsx": made.xlsx()}
    for suffix, data in whole.items():
        for at in range(0, len(data), len(data) // 25):
            for damaged in (data[:at], data[:at] + b"\xff" * 40 + data[at + 40 :]):
                try:
                    document(damaged, suffix)
                except NotIndexable as error:
                    assert error.reason.startswith(("broken_", "encrypted", "unpacks_"))


def test_an_encrypted_document_is_said_to_be_one() -> None:
    assert refusal(made.encrypted_pdf(), ".pdf") == "encrypted"
    for suffix in (".docx", ".pptx", ".xlsx"):
        assert refusal(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000), suffix) == "encrypted"


@pytest.mark.parametrize("suffix", [".docx", ".pptx", ".xlsx"])
def test_an_archive_that_says_it_unpacks_to_too_much_is_not_unpacked(suffix: str) -> None:
    assert refusal(too_much(), suffix) == "unpacks_too_large"


@functools.cache
def too_much() -> bytes:
    """An archive that says so, and is true to its word."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for i in range(MAX_UNPACKED // (64 << 20) + 1):
            archive.writestr(f"part{i}", bytes(64 << 20))
    return out.getvalue()


def test_of_a_document_with_more_text_than_anybody_reads_the_beginning_is_read() -> None:
    data = made.pdf([f"page {i} says little" for i in range(50)])
    note = read_note(data, "x", ".pdf", found=extract(data, ".pdf", most=500))
    assert note.remarks == ("text_cut_off",)
    assert 20 < len(note.chunks) < 30
    assert sum(len(chunk.text) for chunk in note.chunks) <= 500


def test_shapes_in_a_group_of_a_deck_are_read() -> None:
    from pptx import Presentation
    from pptx.util import Inches

    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    box = slide.shapes.add_group_shape().shapes.add_group_shape().shapes.add_textbox(*[Inches(1)] * 4)
    box.text_frame.text = "deep inside"
    out = io.BytesIO()
    deck.save(out)
    assert told(document(out.getvalue(), ".pptx")) == [(("Slide 1",), (1, 1), "deep inside")]


def test_what_cannot_be_seen_is_no_text() -> None:
    found = Extracted([Section(("Page 1",), [(1, "a\x00b"), (1, "c")])])
    assert read_note(b"", "x", ".pdf", found=found).chunks
    assert all("\x00" not in line for _, line in extract(made.pdf(["tab\x01le"]), ".pdf").sections[0].lines)


def test_bytes_of_a_document_alone_are_no_note() -> None:
    with pytest.raises(NotIndexable, match="binary"):
        read_note(made.pdf(["x"]), "x", ".pdf")
