"""Which names are one name."""

from __future__ import annotations

import unicodedata

import pytest

from vragd.search.folder import spellings
from vragd.vault.fold import same_name_key

WORDS = ["Trésor", "Ångström", "한국어", "ガイド", "Việt Nam", "नमस्ते", "ﬁn é"]


@pytest.mark.parametrize("word", WORDS)
def test_a_name_composed_and_decomposed_is_one_name(word: str) -> None:
    composed, decomposed = unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word)
    assert same_name_key(composed) == same_name_key(decomposed)
    assert same_name_key(f"A/{composed}/x.md") == same_name_key(f"A/{decomposed}/x.md")
    assert {composed, decomposed} <= set(spellings(word))


@pytest.mark.parametrize(
    ("one", "other"),
    [("Private", "PRIVATE"), ("STRASSE", "straße"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("E\u0301t", "ét"), ("ﬁn", "FIN")],
)
def test_case_counts_only_where_it_is_said_to(one: str, other: str) -> None:
    assert same_name_key(one, ignore_case=True) == same_name_key(other, ignore_case=True)
    assert same_name_key(one) != same_name_key(other)


def test_names_that_people_tell_apart_stay_apart() -> None:
    assert same_name_key("ﬁ") != same_name_key("fi")  # of like looks, but not the same text
    assert same_name_key("e") != same_name_key("é")
    assert same_name_key("²") != same_name_key("2")


def test_bytes_that_are_no_text_are_kept() -> None:
    assert same_name_key("bad\udcff.md") == "bad\udcff.md"
    assert same_name_key("bad\udcff\udcc3.md", ignore_case=True) == "bad\udcff\udcc3.md"
    assert spellings("plain") == ("plain",)
