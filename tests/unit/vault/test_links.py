"""Several names of one file."""

from __future__ import annotations

from vragd.vault.links import Links


def test_every_other_name_of_a_file_is_known_after_a_scan() -> None:
    links = Links()
    links.learn({7: {"a.md", "b/c.md"}, 8: {"x.md"}}, whole=True)
    assert links.others("a.md") == ["b/c.md"]
    assert links.others("x.md") == links.others("never.md") == []
    links.learn({7: {"d.md"}}, whole=False)
    assert links.others("a.md") == ["b/c.md", "d.md"]
    links.learn({}, whole=True)
    assert links.others("a.md") == []


def test_a_name_that_becomes_another_files_is_no_longer_one_of_the_first() -> None:
    links = Links()
    links.learn({7: {"a.md", "b.md"}}, whole=True)
    links.met("a.md", 9, 1)
    assert links.others("b.md") == []


def test_names_nobody_knows_are_asked_for_once() -> None:
    links, asked = Links(), []
    links.on_unknown = lambda: asked.append(1)
    links.learn({7: {"a.md"}}, whole=True)
    links.met("a.md", 7, 2)
    links.met("a.md", 7, 2)
    assert len(asked) == 1, "its other name is outside"
    links.met("a.md", 7, 3)
    assert len(asked) == 2
