"""Excerpts: what matched, in the note's own spelling, without marks of formatting, with exact places."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vragd.catalog.asked import asked
from vragd.catalog.resolve import Column, Resolved
from vragd.search.excerpt import MAX_CHARS, Cut, Matched, excerpt


def matched(question: str) -> Matched:
    found = asked(question)
    return Matched.of(found, Resolved(tuple(Column((word.term,), 1.0, 1, about=word.about) for word in found.words)))


def shown(text: str, first_line: int, matches: Matched, *, marks: bool = True) -> Cut:
    return excerpt(text, (first_line, first_line + text.count("\n")), matches, marks=marks)


def marked(text: str, question: str) -> list[str]:
    cut = shown(text, 1, matched(question))
    return [cut.text[start:end] for start, end in cut.spans]


def test_the_sentence_that_matched_is_shown_with_its_lines() -> None:
    text = (
        "## Holidays\n\n"
        + "Please read the general part first. " * 20
        + "\n\nEmployees get twenty-eight days of paid leave."
    )
    cut = shown(text, 9, matched("twenty-eight days paid leave"))
    assert "twenty-eight days of paid leave" in cut.text
    assert len(cut.text) <= MAX_CHARS + 2
    assert cut.lines[1] == 13
    assert [cut.text[a:b] for a, b in cut.spans] == ["twenty", "eight", "days", "paid", "leave"]


def test_marks_of_formatting_are_left_out_and_words_stay() -> None:
    text = (
        "# Title\n> [!note] Mind\n- [ ] **bold** and [[Target|shown]] or [text](https://x.y/z_(1)) ![[pic.png]] `code`"
        "\n%%hidden%% snake_case ==lit== a*b <b>html</b> ^block-1\n```python\nx = 1\n```"
    )
    cut = shown(text, 1, matched("nothing"))
    assert cut.text == "Title Mind bold and shown or text code snake_case lit a*b html x = 1"


def test_an_address_that_was_asked_for_is_shown_where_a_link_leads_to_it() -> None:
    address = "https://www.example.org/docs/static/citext.html"
    text = "On citext, of the docs.\n\n" + "The extension citext is in contrib. " * 12 + f"\n\n- [source]({address})\n"
    cut = shown(text, 3, matched(address))
    assert address in cut.text
    assert cut.lines[1] == 7
    assert "https" not in shown(text, 3, matched("citext source")).text


def test_what_stands_between_two_rules_is_shown() -> None:
    cut = shown("---\n\nHello wombat\n\n---\n\nWorld here", 5, matched("wombat"))
    assert (cut.text, cut.lines) == ("Hello wombat World here", (7, 11))
    assert [cut.text[a:b] for a, b in cut.spans] == ["wombat"]


@pytest.mark.parametrize(
    ("text", "question", "words"),
    [
        ("Mon résumé est prêt", unicodedata.normalize("NFD", "resume"), ["résumé"]),
        (unicodedata.normalize("NFD", "Mon résumé"), "résumé", [unicodedata.normalize("NFD", "résumé")]),
        ("我今天早上喝了一杯咖啡，然后", "咖啡", ["咖啡"]),
        ("วันนี้ฉันดื่มกาแฟที่ร้าน", "กาแฟ", ["กาแฟ"]),
        ("templates in C++ and C", "C++", ["C++", "C"]),
        ("version 1.2.3 of it", "1.2.3", ["1", "2", "3"]),
        ("at 10.0.0.1, 3 of 2, then 1.2.3", "1.2.3", ["1", "2", "3"]),
        ("été 2024, 4 à 9; le 2024-04-09", "2024-04-09", ["2024", "04", "09"]),
        ("2 days and 1.2.3", "1.2.3 days", ["days", "1", "2", "3"]),
        ("ＡＰＩ ｋｅｙ", "api", ["ＡＰＩ"]),
        ("tag v1.2.3-beta, not v1.2.34 or 11.2.3a", "1.2.3", ["1.2.3"]),
        ("at 2024-04-09T10:00", "2024-04-09", ["2024-04-09T10"]),
        ("needs python3.11 and 3.12", "Python3.11", ["python3.11"]),
    ],
)
def test_what_matched_is_marked_in_the_spelling_of_the_note(text: str, question: str, words: list[str]) -> None:
    assert marked(text, question) == words


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("how do I know what gardens are", ["gardens"]),
        ("what do I know", ["I", "what", "I", "know"]),
        ('"what" gardens', ["what", "gardens"]),
    ],
)
def test_what_a_question_is_made_of_and_not_about_is_marked_only_where_it_is_all(
    question: str, words: list[str]
) -> None:
    assert marked("I write down what I know of gardens.", question) == words


@pytest.mark.parametrize(
    "text",
    ["Here.\n\n%%wombat%% there", "See [this](https://x.y/wombat) now", "Look: ![[wombat.png]]", "<!-- wombat -->"],
)
def test_what_stands_where_nothing_is_shown_is_shown_as_it_is_written(text: str) -> None:
    assert marked(text, "wombat") == ["wombat"]
    assert marked(f"A wombat. {text}", "wombat") == ["wombat"], "and not where it is shown elsewhere"


@given(st.text(max_size=600), st.text(min_size=1, max_size=20))
def test_spans_are_in_order_and_inside(text: str, question: str) -> None:
    cut = shown(text, 1, matched(question))
    at = 0
    for start, end in cut.spans:
        assert at <= start < end <= len(cut.text)
        at = end


@pytest.mark.parametrize(
    ("text", "question", "expected"),
    [
        ("شربت القَهْوَة هنا", "القهوة", ["القَهْوَة"]),
        ("ספר שָׁלוֹם עולם", "שלום", ["שָׁלוֹם"]),
        ("a co\u00adoper\u00adate b é", "cooperate", ["co\u00adoper\u00adate"]),
        ("with 👨\u200d👩\u200d👧 and", "👩", ["👩"]),
        ("by ㍿ abc", "株式", ["㍿"]),
        ("使用㌔の", "キロ", ["㌔"]),
    ],
)
def test_what_is_marked_is_whole_characters_with_their_marks_and_no_more(
    text: str, question: str, expected: list[str]
) -> None:  # fmt: skip
    assert marked(text, question) == expected


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a wombat[^1] here", "a wombat here"),
        ("[^note-a]: the wombat", "the wombat"),
        ("![A wombat|50](b.png) and", "A wombat and"),
        ("![A wombat\\|50x20](b.png) and", "A wombat and"),
        ("[A wombat|50](b.md)", "A wombat 50"),
        ("wombat [^ no note]", "wombat [^ no note]"),
    ],
)
def test_footnotes_and_sizes_of_images_are_not_shown(text: str, seen: str) -> None:
    assert shown(text, 1, matched("wombat")).text == seen


def test_of_nested_brackets_the_inner_link_is_one() -> None:
    assert shown("See [[A [[Target|wombat]] C]] there", 1, matched("wombat")).text == "See [[A wombat C]] there"


def test_what_looks_like_a_mark_in_code_is_none() -> None:
    text = "def __init__(self, *args, **kwargs):\n    x = a[[1]] * b `c`"
    assert (
        shown(text, 1, matched("kwargs"), marks=False).text == "def __init__(self, *args, **kwargs): x = a[[1]] * b `c`"
    )


def test_of_a_page_or_rows_with_gaps_all_lines_are_told() -> None:
    text = "first row\nsecond row\nthird row with wombat"
    assert excerpt(text, (7, 7), matched("wombat")).lines == (7, 7)
    assert excerpt(text, (7, 12), matched("wombat")).lines == (7, 12)
