"""Folding: what a reader takes for one folds to one, in every script, and the same however it is encoded."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vragd.catalog.asked import asked
from vragd.catalog.fold import fold, name_key, numbers, pairs, parts, runs, spaced, symbols
from vragd.catalog.stems import terms
from vragd.terms.bounds import MAX_QUERY_CHARS


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Résumé", "resume"), ("THÉÂTRE", "theatre"), ("İstanbul", "istanbul"), ("ıssız", "issiz"),
        ("Straße", "strasse"),
        ("ﬁnal oﬃce", "final office"), ("ＡＰＩ ｋｅｙ", "api key"), ("infra\u00adstructure", "infrastructure"),
        ("super\u200bcali", "supercali"), ("Œuvre, smørrebrød", "oeuvre, smorrebrod"), ("Ёлка", "елка"),
        ("Йога", "йога"),
        ("ガイド", "ガイド"), ("ｶﾞｲﾄﾞ", "ガイド"), ("한국어", "한국어"), ("Ελλάς", "ελλασ"), ("שָׁלוֹם", "שלום"),
        ("हिन्दी", "हिन्दी"),
    ],
)  # fmt: skip
def test_what_a_reader_takes_for_one_is_one_composed_and_decomposed(written: str, folded: str) -> None:
    assert fold(written) == folded
    assert fold(unicodedata.normalize("NFD", written)) == folded
    assert fold(unicodedata.normalize("NFC", written)) == folded


@given(st.text())
def test_folding_twice_is_folding_once_and_all_of_it_ends(text: str) -> None:
    assert fold(fold(text)) == fold(text) or fold(fold(fold(text))) == fold(fold(text))
    spaced(fold(text))
    parts(text), symbols(text), name_key(text)


def test_a_run_without_blanks_is_pairs_and_its_last_character() -> None:
    assert runs("我喝咖啡, and ラーメン 2") == ["我喝咖啡", "and", "ラーメン", "2"]
    assert pairs("图书馆") == ["图书", "书馆"]
    assert spaced("喝咖啡 x").split() == ["喝咖", "咖啡", "啡", "x"]
    assert spaced("กาแฟ").split() == ["กา", "าแ", "แฟ", "ฟ"]
    assert pairs("茶") == ["茶"]


def test_parts_of_what_is_written_together_and_symbols_are_found() -> None:
    assert parts("getUserName test1user HTTPServer plain 2024") == [
        "get",
        "user",
        "name",
        "test",
        "user",
        "http",
        "server",
    ]
    assert symbols("C++ and c# are no #tag, nor note#heading 🚀") == ["c++", "c#", "🚀"]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("v1.2.3-beta", [("1", "2", "3")]), ("1.2.3rc1", [("1", "2", "3")]), ("v1.2.3rc1", [("1", "2", "3")]),
        ("2024-04-09T10:00", [("2024", "04", "09"), ("10", "00")]), ("python3.11", [("3", "11")]), ("1.2.3", []),
        ("x86", []), ("a1b2", []), ("版本v1.2", [("1", "2")]), ("1.a2.3", [("2", "3")]),
        ("9" * 100 + ".1a", [("9" * 39, "1")]),
    ],
)  # fmt: skip
def test_numbers_with_a_letter_at_one_end_are_a_sequence_of_their_own(
    written: str, found: list[tuple[str, ...]]
) -> None:
    assert numbers(written) == found
    assert all(number in parts(written) for some in found for number in some)


def test_a_name_is_the_same_with_hyphens_underscores_and_curly_marks() -> None:
    assert name_key("Zooko’s Triangle") == name_key("zooko's  triangle")
    assert name_key("stash-a_single file") == name_key("Stash a single file")
    assert name_key("C++") != name_key("C")


@pytest.mark.parametrize(
    "text",
    [
        "मैं चाय पीता हूँ।", "বাংলা ভাষা।", "བོད་ཡིག་", "ދިވެހި ބަސް", "ᠮᠣᠩᠭᠣᠯ", "ܠܫܢܐ ܣܘܪܝܝܐ", "ߒߞߏ ߞߊ߲ߜߍ", "தமிழ் மொழி", "ꦧꦱꦗꦮ",
        "සිංහල භාෂාව෴", "naïve Zu\u0308rich", "1.2.3 snake_case c++", "日本語とEnglish。", "กาแฟ ฿50",
        "launch🥳 at ₽500, ₿2", "a⏻b 🫠ok",
    ],
)  # fmt: skip
def test_a_question_has_the_words_the_index_cuts_the_same_text_into(text: str) -> None:
    asked_for = [term for run in runs(fold(text)) for term in (spaced(run).split())]
    assert asked_for == terms(text)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["9", "a9", "1.", "1.a", "v1.2.3-"])
def test_a_question_as_long_as_may_be_asked_takes_no_longer_than_it_is_long(unit: str) -> None:
    asked(unit * (MAX_QUERY_CHARS // len(unit)) + "a")
