"""Names as links mean them: the parts that a whole vault does not show."""

from __future__ import annotations

import time

import pytest

from vragd.catalog.link_names import (
    Candidate,
    Named,
    Vaults,
    asked_by,
    asked_for,
    fold,
    heading_key,
    is_below,
    is_same_place,
    link_key,
    name_key,
    place_keys,
    place_readings,
)


def test_a_file_is_found_by_every_name_a_link_to_it_has() -> None:
    pairs = ("a/B.md", "b"), ("B.md", "B.md"), ("B.md.md", "B.md"), ("B.md.md", "x/B.md.md"), ("P.png", "p.PNG")
    for path, target in pairs:
        assert name_key(path) in asked_by(target)
        assert link_key(target) in asked_for(name_key(path))
    assert name_key("B.markdown") not in asked_by("B")


@pytest.mark.parametrize(
    ("one", "other"), [("Ü", "U\u0308"), ("STRASSE", "straße"), ("İ", "i\u0307"), ("ﬁ", "FI"), ("Å", "\u212b")]
)
def test_case_and_composition_make_no_other_name(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_a_name_that_is_no_text_is_folded_to_text() -> None:
    fold("caf\udce9.md").encode()


def test_headings_are_compared_without_special_characters() -> None:
    assert heading_key("  What's **new**?  (2024)") == heading_key("what s new 2024")
    assert place_keys("One#Two: three") == ("one", "two three")
    assert place_keys("^Block-1") == ("^block-1",)
    assert place_keys("page=3") == ("page 3",)


def test_a_place_may_be_meant_with_fewer_headings_than_it_has_marks() -> None:
    assert list(place_readings("Issue #13#End")) == [
        ("issue", "13", "end"), ("issue", "13 end"), ("issue 13", "end"), ("issue 13 end",),
    ]  # fmt: skip
    assert list(place_readings("#" * 9)) == [()]
    assert list(place_readings("^a#b")) == [("^a#b",)]
    assert len(list(place_readings("#a" * 10_000))) == 2


def test_a_place_is_named_by_its_innermost_headings() -> None:
    assert is_same_place(("b", "c"), ("c",))
    assert is_same_place(("c",), ("a", "b", "c"))
    assert not is_same_place(("b", "c"), ("a", "c"))
    assert not is_same_place((), ("c",))
    assert is_below(("a", "b", "c"), ("a", "c"))
    assert not is_below(("a", "b"), ("b", "a"))
    assert not is_below(("a",), ())


def test_a_vault_inside_or_around_a_source_has_a_root_of_its_own() -> None:
    vaults = Vaults(("in", "in/deeper"), "Above/")
    paths = ("n.md", "in/n.md", "in/deeper/n.md", "inner/n.md")
    assert [vaults.of(path) for path in paths] == ["", "in", "in/deeper", ""]
    assert vaults.within("in/deeper/a/n.md", "in/deeper") == "a/n.md"
    assert vaults.within("n.md", "") == "Above/n.md"


def led(target: str, source: str, *paths: str) -> str | None:
    candidates = [Candidate(fold(path), path, i) for i, path in enumerate(paths) if name_key(path) in asked_by(target)]
    found = Named(candidates).find(target, source)
    return found and found.path


def test_a_match_anywhere_below_the_folder_of_the_linking_note_is_before_a_shorter_path() -> None:
    assert led("t", "p/n.md", "y/t.md", "p/sub/deep/t.md") == "p/sub/deep/t.md"
    assert led("x/t", "p/n.md", "y/x/t.md", "p/sub/x/t.md") == "p/sub/x/t.md"
    assert led("b/t", "a/b/n.md", "a/b/t.md", "a/b/b/t.md") == "a/b/t.md"
    assert led("t", "p/n.md", "t.md", "p/t.md") == "t.md"
    assert led("t", "p/n.md", "p/s/t.md", "p/t.md") == "p/t.md"
    assert led("t", "p/q/n.md", "p/s/t.md", "y/t.md") == "y/t.md"
    assert led("t", "p/n.md", "pq/t.md", "y/t.md") == "y/t.md"


@pytest.mark.parametrize("beside", ["P.png.md", "a/P.png.md", "b/P.png.md"])
def test_a_name_with_its_ending_is_no_note_that_has_one_more(beside: str) -> None:
    assert led("P.png", "a/n.md", beside, "b/P.png") == "b/P.png"
    assert led("b/P.png", "a/n.md", beside, "b/P.png") == "b/P.png"
    assert led("P.png", "a/n.md", beside) == beside
    assert led("Version 1.2", "n.md", "Version 1.2.md", "Version 1.md") == "Version 1.2.md"
    assert led("./P.png", "b/n.md", "b/P.png.md", "b/P.png") == "b/P.png"


def test_ten_thousand_files_of_one_name_are_told_apart_quickly() -> None:
    named = Named(Candidate(f"f{i}/index", f"f{i}/index", i) for i in range(10_000))
    started = time.process_time()
    found = [named.find(f"f{i}/index", "n.md") for i in range(10_000)]
    assert [one.file for one in found if one] == list(range(10_000))
    assert named.find("x/index", "n.md") is None
    assert (shortest := named.find("index", "n.md")) is not None and shortest.path == "f0/index"
    assert (near := named.find("index", "f77/n.md")) is not None and near.path == "f77/index"
    assert all(named.find("index", f"f{i}/deeper/n.md") for i in range(10_000))
    assert time.process_time() - started < 2
