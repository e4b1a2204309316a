"""What was seen to be withdrawn is hidden until the index says the same."""

from __future__ import annotations

from vragd.vault.hidden import Hidden


def among(hidden: Hidden, *paths: str) -> set[str]:
    return {path for path in paths if path in hidden}


def test_each_is_hidden_until_it_is_settled() -> None:
    hidden = Hidden()
    assert not hidden
    hidden.add(["a.md", "b.md"])
    hidden.settled(["a.md", "c.md"])
    assert among(hidden, "a.md", "b.md", "c.md") == {"b.md"} and hidden
    hidden.settled(["b.md"])
    assert not hidden


def test_a_scan_shows_again_what_it_finds_as_it_was_indexed_in_its_folder_alone() -> None:
    hidden = Hidden()
    hidden.add(["a/1.md", "a/2.md", "ab/1.md", "b.md"])
    hidden.found(["a/3.md"], {"a/2.md", "a/3.md"}, "a")
    assert among(hidden, "a/1.md", "a/2.md", "a/3.md", "ab/1.md", "b.md") == {"a/2.md", "a/3.md", "ab/1.md", "b.md"}
    hidden.found(["b.md"], {"b.md"})
    assert among(hidden, "a/2.md", "a/3.md", "ab/1.md", "b.md") == {"b.md"}
