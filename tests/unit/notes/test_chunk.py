"""Chunks: exact lines, full cover, bounded size, and an edit that stays where it is made."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from tests.depth import examples
from vragd.notes.chunk import MAX_CHARS, read_note
from vragd.notes.markdown import decode, front_matter
from vragd.notes.model import Chunk
from vragd.notes.properties import load

WORDS = [
    "river",
    "stone",
    "bread",
    "salt",
    "morning",
    "window",
    "letter",
    "garden",
    "copper",
    "quiet",
    "seldom",
    "orchard",
    "engine",
    "winter",
    "harbour",
]


def chunks(text: str) -> tuple[Chunk, ...]:
    return read_note(text.encode(), "n").chunks


def texts(text: str) -> list[str]:
    return [chunk.text for chunk in chunks(text)]


def paragraph(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words)).capitalize() + f" {rng.randrange(10**6)}."


def note(rng: random.Random, paragraphs: int = 300) -> list[str]:
    return [paragraph(rng, rng.randrange(10, 90)) for _ in range(paragraphs)]


# --- what holds for any note -------------------------------------------------------------------------

line = st.one_of(
    st.sampled_from(["", " ", "\t", "---", "...", "# A", "## B", "###### deep", "```", "~~~~", "```py", "| a | b |"]),
    st.sampled_from(["- item", "> quote", "    # code", "title: x", "vragd: true", "#", "\u3000", "\x0c", "a\x85b"]),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r\0"), max_size=60),
    st.builds(lambda word, n: (word + " ") * n, st.sampled_from(WORDS), st.integers(1, 400)),
    st.builds(lambda word, n: (word + ". ") * n, st.sampled_from([*WORDS, "日本語。", "3.14"]), st.integers(1, 900)),
    st.builds(lambda char, n: char * n, st.sampled_from("aé日😀.!#`|-"), st.integers(1, 4_000)),
)
notes = st.builds(
    lambda lines, end, mark: (mark + end.join(lines)).encode(),
    st.lists(line, max_size=60),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", "\ufeff", "---\ntags: x\n---\n"]),
)
any_note = examples(40, 80, suppress_health_check=[HealthCheck.too_slow])


def body_of(data: bytes) -> list[str]:
    """The lines of a note as they are shown: without blanks at their ends, nothing where the properties are."""
    lines = [line.rstrip() for line in decode(data)[0].split("\n")]
    body = front_matter(lines)
    if body and load("\n".join(lines[1 : body - 1])) is not None:
        lines[:body] = [""] * body
    elif body:
        lines[0] = lines[body - 1] = ""
    return lines


@any_note
@given(notes)
@example(("Visit www.example.com, 3.14 times!Now.  Two blanks.   " * 60).encode())
@example(("Eins。Zwei！Drei？" * 400).encode())
@example(b"```\n" + b"x = 1.5\n\n\n" * 700)
def test_every_chunks_text_stands_in_exactly_its_lines(data: bytes) -> None:
    lines = body_of(data)
    for chunk in read_note(data, "n").chunks:
        first, last = chunk.lines
        assert 1 <= first <= last <= len(lines)
        assert chunk.text in "\n".join(lines[first - 1 : last])
        assert lines[first - 1]  # no line too many
        assert lines[last - 1]


@any_note
@given(notes)
def test_every_line_with_a_word_is_in_a_chunk_or_said_to_be_left_out(data: bytes) -> None:
    note = read_note(data, "n")
    covered: set[int] = set()
    for chunk in note.chunks:
        covered.update(range(chunk.lines[0] - 1, chunk.lines[1]))
    lost = [i for i, text in enumerate(body_of(data)) if text and i not in covered]
    assert len(lost) <= sum(left.n_lines for left in note.left_out)


@any_note
@given(notes)
def test_no_character_that_is_not_blank_is_lost_or_doubled(data: bytes) -> None:
    note = read_note(data, "n")
    there = Counter("".join("".join(body_of(data)).split()))
    kept = Counter("".join("".join(chunk.text for chunk in note.chunks).split()))
    assert not kept - there
    left_out = sum(left.n_bytes for left in note.left_out)
    assert sum((there - kept).values()) <= left_out
    assert left_out or there == kept


@any_note
@given(notes)
def test_blanks_at_line_ends_change_nothing(data: bytes) -> None:
    lines = decode(data)[0].split("\n")
    body = front_matter(lines)
    spaced = "\n".join([*lines[:body], *(line + " \t " for line in lines[body:])])
    assert read_note(spaced.encode(), "n").chunks == read_note("\n".join(lines).encode(), "n").chunks


@any_note
@given(notes)
def test_what_is_embedded_is_words_of_what_is_shown(data: bytes) -> None:
    for chunk in read_note(data, "n").chunks:
        assert any(map(str.isalnum, chunk.embed_text))
        assert len(chunk.embed_text) <= len(chunk.text)


@any_note
@given(notes)
def test_no_chunk_is_empty_or_over_the_limit(data: bytes) -> None:
    for chunk in read_note(data, "n").chunks:
        assert 0 < len(chunk.text) <= MAX_CHARS
        assert chunk.text == chunk.text.strip()


@any_note
@given(notes)
def test_chunks_are_in_order_and_the_same_every_time(data: bytes) -> None:
    found = read_note(data, "n").chunks
    assert [chunk.lines for chunk in found] == sorted(chunk.lines for chunk in found)
    assert read_note(data, "n") == read_note(data, "n")


@any_note
@given(st.binary(max_size=3_000))
def test_any_bytes_give_chunks_or_the_reason_why_not(data: bytes) -> None:
    try:
        read_note(data, "n")
    except Exception as error:
        assert type(error).__name__ == "NotIndexable"


# --- what belongs together -----------------------------------------------------------------------------


def test_a_short_note_is_one_chunk_with_its_lines_and_heading() -> None:
    assert chunks("# A\n\none\ntwo\n\nthree\n") == (
        Chunk("# A\n\none\ntwo\n\nthree", ("A",), (1, 6), "A\none\ntwo\nthree"),
    )


def test_sections_are_never_joined() -> None:
    assert [(c.heading, c.lines) for c in chunks("# A\none\n# B\ntwo")] == [
        (("A",), (1, 2)),
        (("B",), (3, 4)),
    ]


@pytest.mark.parametrize("text", ["", "\n\n", " \t\n", "---\n---\n", "---\n\n---\n\n"])
def test_a_note_without_text_has_no_chunks(text: str) -> None:
    assert chunks(text) == ()


def test_properties_are_in_no_chunk_and_words_of_the_note() -> None:
    front = "---\ntags: [a, b]\nsource: x\n---"
    note = read_note(f"{front}\n# A\ntext\n# B\nmore".encode(), "n")
    assert note.chunks == (
        Chunk("# A\ntext", ("A",), (5, 6), "A\ntext"),
        Chunk("# B\nmore", ("B",), (7, 8), "B\nmore"),
    )
    assert note.words.split("\n") == ["a", "b", "x"]
    assert chunks(front + "\n") == ()
    assert chunks("---\n\n---\ntext") == (Chunk("text", (), (4, 4)),)


LIST = "\n".join(f"- item {i} socks charger towel passport" for i in range(60))
TABLE = "| a | b |\n|---|---|\n" + "\n".join(f"| row {i} | value {i} |" for i in range(90))
CODE = "```py\n" + "\n".join(f"x{i} = {i}  # why" for i in range(120)) + "\n```"
LINE = "It is said that somebody was here. " * 80


@pytest.mark.parametrize("below", [LIST, TABLE, CODE, LINE, "word " * 900, "x" * 5_000, "日本語" * 900])
@pytest.mark.parametrize("heading", ["## Packing list\n", "## Packing list\n\n", "# A\n## B\n\n", "Packing\n---\n"])
def test_a_heading_stays_with_the_beginning_of_its_text(heading: str, below: str) -> None:
    found = texts(f"# Norway\n\nWe go in June.\n\n{heading}{below}\n\n## Ferry\n\nBook early.\n")
    heads = [text for text in found if heading.split("\n")[0] in text.split("\n")]
    assert len(heads) == 1
    assert len(heads[0]) > len(heading) + (0 if heading.startswith("Pack") else 3)
    assert all(len(text) <= MAX_CHARS for text in found)
    assert not any(re.fullmatch(r"(#.*|Packing|---)(\n+(#.*|---))*", text) for text in found)


LONG = " ".join(paragraph(random.Random(seed), 30) for seed in range(12))
EMPTY = "\n".join(f"## {word} of {other}" for word in WORDS for other in WORDS[:8])


@pytest.mark.parametrize("heading", [f"{LONG}\n---", LONG.lower().replace(".", "") + "\n---", f"## {LONG}", EMPTY])
@pytest.mark.parametrize("at_the_end", [False, True])
def test_headings_that_leave_no_room_cut_nothing_of_the_text_beside_them(heading: str, at_the_end: bool) -> None:
    text = "A line that is short. It has two sentences.\n\n| a | b |\n|---|---|\n| c | d |"
    found = texts(f"{text}\n\n{heading}" if at_the_end else f"{heading}\n{text}")
    assert any(text in each for each in found)
    assert all(len(each) > 40 for each in found)
    assert {word for each in found for word in each.split()} == {*text.split(), *heading.split()}


def test_headings_at_the_end_with_nothing_below_go_with_the_section_before() -> None:
    assert [(c.text, c.heading) for c in chunks("# A\none\n\n# B\n\n## C\n")] == [("# A\none\n\n# B\n\n## C", ("A",))]


def test_a_heading_above_marks_only_goes_with_what_follows() -> None:
    assert [(c.text, c.heading) for c in chunks("# A\n%%c%%\n\n---\n\n## B\ntext\n\n# C\n***\n")] == [
        ("# A\n%%c%%\n\n---\n\n## B\ntext\n\n# C\n***", ("A", "B")),
    ]


@pytest.mark.parametrize("language", ["dataview", "tasks", "query", "base"])
def test_a_query_of_a_plugin_is_not_embedded_and_words_of_the_note(language: str) -> None:
    block = f"```{language}\nTABLE file.name\n```"
    assert [chunk.embed_text for chunk in chunks(f"text\n\n{block}\n\nmore")] == ["text\nmore"]
    alone = read_note(block.encode(), "n")
    assert (alone.chunks, alone.words) == ((), block)


def test_a_note_of_headings_only_is_one_chunk_under_what_they_share() -> None:
    assert [(c.heading, c.lines) for c in chunks("# House\n## Kitchen\n## Bath\n### Tiles\n")] == [(("House",), (1, 4))]
    assert [c.heading for c in chunks("# A\n# B\n")] == [()]
    assert [c.heading for c in chunks("# A\n## B\n")] == [("A",)]
    assert [c.heading for c in chunks("# A\n")] == [("A",)]


def test_blank_lines_that_hold_blanks_make_no_chunk_larger_than_said() -> None:
    found = texts("word " * 140 + "\n" + (" " * 300 + "\n") * 20 + "word " * 140 + "\n")
    assert max(map(len, found)) <= MAX_CHARS


def test_a_table_that_fits_is_kept_whole_among_long_paragraphs() -> None:
    rng = random.Random(1)
    table = "\n".join(["| bean | grind |", "|---|---|", *(f"| bean {i} | {i} clicks |" for i in range(40))])
    for seed in range(20):
        around = note(random.Random(seed), 8)
        found = texts("\n\n".join([*around[:4], table, *around[4:], paragraph(rng, 90)]))
        assert sum(table in text for text in found) == 1


def test_fenced_code_that_fits_is_kept_whole_blank_lines_included() -> None:
    code = "```python\n" + "\n\n".join(f"x{i} = {i}  # comment" for i in range(40)) + "\n```"
    for seed in range(20):
        around = note(random.Random(seed), 8)
        assert sum(code in text for text in texts("\n\n".join([*around[:4], code, *around[4:]]))) == 1


def test_a_long_block_is_cut_between_lines() -> None:
    rows = [f"| row {i} | {'x' * 40} |" for i in range(200)]
    for chunk in chunks("\n".join(rows)):
        assert chunk.text.split("\n") == rows[chunk.lines[0] - 1 : chunk.lines[1]]


def test_a_long_line_is_cut_between_sentences_and_nowhere_else() -> None:
    rng = random.Random(2)
    sentences = [f"See www.example.com/v1.2 for {paragraph(rng, 12)}" for _ in range(60)]
    found = texts(" ".join(sentences))
    assert len(found) > 3
    assert all(text.startswith("See www.example.com/v1.2 for ") and text.endswith(".") for text in found)
    assert " ".join(found) == " ".join(sentences)


def test_a_line_without_sentences_is_cut_between_words() -> None:
    line = " ".join(f"word{i}" for i in range(1_000))
    found = texts(line)
    assert " ".join(found) == line
    assert len(found) > 4


def test_a_line_without_blanks_is_cut_wherever_and_an_edit_in_it_stays_local() -> None:
    rng = random.Random(4)
    line = "".join(rng.choice("天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏") for _ in range(20_000))
    found = chunks(line)
    assert "".join(chunk.text for chunk in found) == line
    assert {chunk.lines for chunk in found} == {(1, 1)}
    assert max(len(chunk.text) for chunk in found) <= MAX_CHARS
    edited = line[:9_000] + "閏餘成歲" + line[9_000:]
    assert changed([chunk.text for chunk in found], texts(edited)) <= 2


# --- locality --------------------------------------------------------------------------------------------


def changed(before: list[str], after: list[str]) -> int:
    """How many texts of `after` would have to be embedded."""
    return sum((Counter(after) - Counter(before)).values())


def edits(kind: str, seed: int) -> list[int]:
    """What each of 75 edits of a note of one long section costs."""
    rng = random.Random(seed)
    paragraphs = note(rng)
    before = texts("\n\n".join(paragraphs))
    assert len(before) > 50
    counts = []
    for i in range(0, 300, 4):
        edited = list(paragraphs)
        words = edited[i].split()
        if kind == "word":
            words[rng.randrange(len(words))] = "zanzibar"
            edited[i] = " ".join(words)
        elif kind == "sentence":
            edited[i] += " " + paragraph(rng, 12)
        elif kind == "paragraph":
            edited[i] = paragraph(rng, rng.randrange(10, 90))
        counts.append(changed(before, texts("\n\n".join(edited))))
    assert min(counts) >= 1
    return counts


@pytest.mark.parametrize(("kind", "mean"), [("word", 1.1), ("sentence", 1.2), ("paragraph", 1.6)])
def test_an_edit_changes_hardly_more_than_its_own_chunk(kind: str, mean: float) -> None:
    counts = [count for seed in range(2) for count in edits(kind, seed)]
    assert sum(counts) / len(counts) <= mean
    assert sum(count > 2 for count in counts) <= 0.1 * len(counts)
    assert max(counts) <= 4


@pytest.mark.parametrize("how", ["inserted", "deleted"])
def test_a_paragraph_inserted_at_the_top_or_deleted_leaves_the_rest(how: str) -> None:
    counts = []
    for seed in range(40):
        rng = random.Random(seed)
        paragraphs = note(rng, 120)
        after = [paragraph(rng, 40), *paragraphs] if how == "inserted" else paragraphs[1:]
        counts.append(changed(texts("\n\n".join(paragraphs)), texts("\n\n".join(after))))
    assert sum(counts) / len(counts) < 2


def test_an_edit_in_one_long_line_stays_local_too() -> None:
    counts = []
    for seed in range(20):
        rng = random.Random(seed)
        sentences = [paragraph(rng, 15) for _ in range(300)]
        before = texts(" ".join(sentences))
        sentences[rng.randrange(300)] = paragraph(rng, 15)
        counts.append(changed(before, texts(" ".join(sentences))))
    assert sum(counts) / len(counts) < 2


def test_a_line_without_sentences_that_is_parted_in_two_keeps_its_other_chunks() -> None:
    counts = []
    for seed in range(20):
        rng = random.Random(seed)
        words = [rng.choice(WORDS) for _ in range(3_000)]  # each stands there two hundred times
        at = rng.randrange(300, 2_700)
        before = texts(" ".join(words))
        counts.append(changed(before, texts(" ".join(words[:at]) + "\n" + " ".join(words[at:]))))
    assert sum(counts) / len(counts) <= 2.5


def test_moved_sections_keep_their_chunks() -> None:
    rng = random.Random(3)
    parts = [f"# Section {i}\n\n" + "\n\n".join(note(rng, 12)) for i in range(8)]
    before = texts("\n\n".join(parts))
    rng.shuffle(parts)
    assert changed(before, texts("\n\n".join(parts))) == 0
