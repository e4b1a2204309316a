"""What links to what, as somebody asks it: by whatever a note is called, of a place in it, of everything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.graphs import Linked as Store
from vragd.errors import NotFound, UsageError
from vragd.search.grammar.tree import Link
from vragd.search.links import Linked, Root, Told, find, find_as_seen, near, notes_linked, of_all, of_file

COFFEE_MD = """---
aliases: [Java]
title: A cup
---
# Brewing
## French press
[[Beans#Roast]] [[Nowhere]]
# End
[[#Brewing]] ![[cup.png]]
"""
BEANS_MD = """# Roast
See [[coffee#Brewing#French press|how]].
## Dark
[[Java]] and [[coffee#^b1]], [[nowhere]]
"""
NOTES = {
    "Kitchen/Coffee.md": COFFEE_MD,
    "Kitchen/Beans.md": BEANS_MD,
    "Other/Beans.md": "[[Kitchen/Beans]] [[Gone]]",
    "Alone.md": "[[#here]] nothing else",
    "100%.md": "[[Coffee]]",
    "a#b.md": "x",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    vault = tmp_path / "vault"
    for path, text in NOTES.items():
        (vault / path).parent.mkdir(parents=True, exist_ok=True)
        (vault / path).write_text(text)
    (vault / "Kitchen" / "cup.png").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(vault) + b"/caf\xe9.md")).write_text("[[Beans]]")
    made = Store(vault, tmp_path / "store")
    made.look()
    yield made
    made.close()


def linked(store: Store, hidden: tuple[str, ...] = (), sources: tuple[str, ...] = ()) -> Linked:
    root = Root((str(store.vault),), withheld=lambda path: path in hidden)
    return Linked("notes", store.store.reader, {"vault": root}, frozenset(sources))


def called(store: Store, text: str) -> list[tuple[str, str]]:
    return [(asked.file.path, asked.place) for asked in find(linked(store), text)]


COFFEE = [("Kitchen/Coffee.md", "")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vault/Kitchen/Coffee.md", COFFEE),
        ("vault/Kitchen/Coffee.md:12-30", COFFEE),
        ("vault/Kitchen/Coffee.md:7", COFFEE),
        ("vault/Kitchen/coffee", COFFEE),
        ("vault/Coffee", COFFEE),
        ("Kitchen/Coffee.md", COFFEE),
        ("kitchen/COFFEE", COFFEE),
        ("Coffee", COFFEE),
        ("  coffee.md ", COFFEE),
        ("[[Coffee|a drink]]", COFFEE),
        ("java", COFFEE),
        ("A cup", COFFEE),
        ("{vault}/Kitchen/Coffee.md", COFFEE),
        ("obsidian://open?vault=vault&file=Kitchen%2FCoffee", COFFEE),
        ("obsidian://open?vault=vault&file=Kitchen%2FCoffee%23Brewing", [("Kitchen/Coffee.md", "Brewing")]),
        ("file://{vault}/Kitchen/Coffee.md", COFFEE),
        ("coffee#Brewing#French press", [("Kitchen/Coffee.md", "Brewing#French press")]),
        ("[[Coffee#^b1]]", [("Kitchen/Coffee.md", "^b1")]),
        ("cup.png", [("Kitchen/cup.png", "")]),
        ("a#b.md", [("a#b.md", "")]),
        ("100%", [("100%.md", "")]),
        ("vault/caf%E9.md", [("caf\udce9.md", "")]),
        ("beans", [("Kitchen/Beans.md", ""), ("Other/Beans.md", "")]),
        ("Other/Beans", [("Other/Beans.md", "")]),
        ("cup", []),
        ("Nowhere", []),
        ("", []),
        ("#", []),
        ("/", []),
        ("obsidian://[", []),
        ("[[]]", []),
    ],
)
def test_a_note_is_meant_by_whatever_it_is_called(store: Store, text: str, expected: list[tuple[str, str]]) -> None:
    assert called(store, text.replace("{vault}", str(store.vault))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vault/Alone.md", [("Alone.md", "")]),
        ("vault/Alone.md#here", [("Alone.md", "here")]),
        ("vault/Alone", [("Alone.md", "")]),
        ("vault/vault/Alone.md", [("vault/Alone.md", "")]),
        (" led.md", [(" led.md", "")]),
        (" led.md:1-2", [(" led.md", "")]),
        (" led.md#a", [(" led.md", "a")]),
        ("vault/ led.md", [(" led.md", "")]),
    ],
)
def test_a_folder_called_as_its_vault_and_a_blank_before_a_name_hide_nothing(
    store: Store, text: str, expected: list[tuple[str, str]]
) -> None:
    (store.vault / "vault").mkdir()
    (store.vault / "vault/Alone.md").write_text("deeper")
    (store.vault / " led.md").write_text("# a\nled by a blank")
    store.look()
    assert called(store, text) == expected


SEEN = "\u2764\ufe0f Health\u200b.md"


@pytest.mark.parametrize(
    "text", ["vault/Kitchen/\u2764 Health.md", "Kitchen/\u2764 health", "\u2764 Health#Sleep", "[[\u2764 Health]]"]
)
def test_a_name_is_found_as_it_is_seen_though_it_has_characters_that_nobody_sees(store: Store, text: str) -> None:
    (store.vault / "Kitchen" / SEEN).write_text("# Sleep\nlong\n")
    store.look()
    assert not find(linked(store), text)
    (asked,) = find_as_seen(linked(store), text)
    assert (asked.file.path, asked.place) == (f"Kitchen/{SEEN}", "Sleep" if "#" in text else "")
    assert not find_as_seen(linked(store, hidden=(f"Kitchen/{SEEN}",)), text)
    assert not find_as_seen(linked(store), "Health")
    assert not find_as_seen(linked(store), "Coffee"), "nothing of it is unseen: `find` has it"


def test_what_is_nowhere_is_near_to_what_is_spelled_so(store: Store) -> None:
    assert near(linked(store), "Cofee") == ["vault/Kitchen/Coffee.md"]
    assert near(linked(store, hidden=("Kitchen/Coffee.md",)), "Cofee") == []
    assert near(linked(store, sources=("other",)), "Cofee") == []
    assert near(linked(store), "zzzzzz") == []
    assert near(linked(store), "offers") == [], "a few letters in common are not near"
    assert (
        near(linked(store), "[[Cofee#Brewing|x]]")
        == near(linked(store), "x/Cofee.md:3-9")
        == ["vault/Kitchen/Coffee.md"]
    )


def told_of(store: Store, text: str, hidden: tuple[str, ...] = ()) -> Told:
    target = linked(store, hidden)
    (asked,) = find(target, text)
    return of_file(target, asked)


def paths_of(store: Store, wanted: Link) -> set[str]:
    target = linked(store)
    with target.reader.snapshot() as now:
        rows = notes_linked(target, now.db, wanted)
        return {entry.path for entry in now.selecting.entries(np.array(sorted(rows), dtype=np.int64))}


def test_of_a_note_all_is_told_with_where_it_stands_and_leads(store: Store) -> None:
    told = told_of(store, "Coffee")
    assert told.note is not None
    assert (told.note.store, told.note.source) == ("notes", "vault")
    assert (told.note.path, told.note.title) == ("Kitchen/Coffee.md", "A cup")
    assert [(link.line, link.heading, link.how, link.to and link.to.path, link.subpath) for link in told.out] == [
        (7, ("Brewing", "French press"), "path", "Kitchen/Beans.md", "Roast"),
        (9, ("End",), "self", "Kitchen/Coffee.md", "Brewing"),
        (9, ("End",), "path", "Kitchen/cup.png", ""),
    ]
    assert [(link.target, link.to) for link in told.unresolved] == [("Nowhere", None)]
    assert [(link.of.path, link.line, link.how, link.subpath, link.alias) for link in told.back] == [
        ("100%.md", 1, "path", "", ""),
        ("Kitchen/Beans.md", 2, "path", "Brewing#French press", "how"),
        ("Kitchen/Beans.md", 4, "alias", "", ""),
        ("Kitchen/Beans.md", 4, "path", "^b1", ""),
    ]
    assert (told.counts["links"], told.counts["none"], told.counts["alias"]) == (8, 1, 1)
    assert [(link.of.path, link.subpath) for link in (*told.out, *told.back) if link.missing] == [
        ("Kitchen/Beans.md", "^b1")
    ]


@pytest.mark.parametrize(
    ("place", "out", "back"),
    [
        ("#French press", ["Beans"], [2]),
        ("#brewing", ["Beans"], []),
        ("#Brewing#french PRESS!", ["Beans"], [2]),
        ("#End", ["", "cup.png"], []),
        ("#^b1", [], [4]),
    ],
)
def test_of_a_place_what_stands_below_it_and_what_leads_there(
    store: Store, place: str, out: list[str], back: list[int]
) -> None:
    told = told_of(store, f"Coffee{place}")
    assert told.place == place[1:]
    assert [link.target for link in told.out] == out
    assert [link.line for link in told.back] == back


@pytest.mark.parametrize("place", ["C# tips", "C tips", "Issue #13 fix#C# tips"])
def test_a_heading_with_a_mark_of_its_own_has_links(store: Store, place: str) -> None:
    (store.vault / "Marks.md").write_text("# Issue #13 fix\n\n## C# tips\n\n[[Alone]]\n\n# Else\n\n[[100%]]\n")
    (store.vault / "Back.md").write_text("[[Marks#C tips]]\n[[Marks#Else]]\n")
    store.look()
    told = told_of(store, f"Marks#{place}")
    assert [link.target for link in told.out] + [link.target for link in told.unresolved] == ["Alone"]
    assert [link.line for link in told.back] == [1]
    assert paths_of(store, Link("to", f"Marks#{place}")) == {"Back.md"}
    assert paths_of(store, Link("from", f"Marks#{place}")) == {"Alone.md"}


def test_a_note_that_links_to_itself_is_none_of_those_that_filters_find(store: Store) -> None:
    (store.vault / "Self.md").write_text("[[Self]] [[#Here]] [[Alone]]\n")
    store.look()
    assert paths_of(store, Link("to", "Self")) == set()
    assert paths_of(store, Link("from", "Self")) == {"Alone.md"}


def test_a_place_that_a_note_has_not_and_no_link_names_is_said(store: Store) -> None:
    for place, said, hint in (
        ("#Never", "has no heading #Never", "vragd outline NOTE lists its headings"),
        ("#Frensh press", "has no heading", "did you mean #French press?"),
        ("#^never", "has no block #\\^never", "vragd outline NOTE lists its headings"),
    ):
        with pytest.raises(NotFound, match=said) as error:
            told_of(store, f"Coffee{place}")
        assert error.value.hint == hint
    with pytest.raises(UsageError, match="there are no lines 900 to 900"):
        told_of(store, "Coffee:900")


def test_of_lines_what_stands_in_them_and_what_leads_to_a_place_in_them(store: Store) -> None:
    (store.vault / "Steps.md").write_text("# One\n[[Tea]]\n# Two\n[[Beans]] ^two\n")
    (store.vault / "Back.md").write_text("[[Steps]]\n[[Steps#One]]\n[[Steps#Two]]\n[[Steps#^two]]\n[[Steps#Three]]\n")
    store.look()
    for place, out, back in ((":1-2", ["Tea"], [2]), (":3-9", ["Beans"], [3, 4]), ("#^two", ["Beans"], [4])):
        told = told_of(store, f"Steps{place}")
        assert [link.target for link in (*told.out, *told.unresolved)] == out
        assert [link.line for link in told.back] == back
    assert told_of(store, "Steps:3-9").lines == (3, 4)


def test_of_everything_names_that_lead_nowhere_are_counted_and_notes_nobody_links_to(store: Store) -> None:
    told = of_all(linked(store), unresolved=True, orphans=True)
    assert told.names == {"nowhere": 1, "Nowhere": 1, "Gone": 1}
    assert [link.of.path for link in told.unresolved] == ["Kitchen/Beans.md", "Kitchen/Coffee.md", "Other/Beans.md"]
    assert [file.path for file in told.orphans] == ["100%.md", "Alone.md", "a#b.md", "caf%E9.md"]
    assert told.orphans[-1].path_b64 is not None
    assert [(link.of.path, link.target, link.subpath) for link in told.misplaced] == [
        ("Alone.md", "", "here"), ("Kitchen/Beans.md", "coffee", "^b1")
    ]  # fmt: skip
    counts = {name: told.counts[name] for name in ("links", "path", "alias", "self", "none", "notes", "orphans")}
    assert counts == {
        "links": 13, "path": 7, "alias": 1, "self": 2, "none": 3, "notes": 7, "orphans": 4
    }  # fmt: skip
    bare = of_all(linked(store), unresolved=False, orphans=False)
    assert (bare.counts, bare.names, bare.unresolved, bare.orphans) == (told.counts, told.names, [], [])
    assert bare.misplaced == []
    assert of_all(linked(store, sources=("other",)), unresolved=True, orphans=True).counts["links"] == 0


def test_a_note_that_is_gone_since_it_was_found_has_no_links(store: Store) -> None:
    (asked,) = find(linked(store), "Coffee")
    (store.vault / "Kitchen" / "Coffee.md").unlink()
    store.look()
    told = of_file(linked(store), asked)
    assert (told.out, told.back, told.unresolved) == ([], [], [])


def test_what_is_withheld_is_named_by_nothing(store: Store) -> None:
    hidden = ("Kitchen/Beans.md", "Kitchen/cup.png")
    told = told_of(store, "Coffee", hidden)
    assert [link.of.path for link in told.back] == ["100%.md"]
    leads = [(link.target, link.to and link.to.path) for link in told.out]
    assert leads == [("Beans", "Other/Beans.md"), ("", "Kitchen/Coffee.md")]
    assert find(linked(store, hidden), "Kitchen/Beans") == find(linked(store, hidden), "cup.png") == []
    whole = of_all(linked(store, hidden), unresolved=True, orphans=True)
    said = [link.of.path for link in whole.unresolved] + [file.path for file in whole.orphans]
    assert not {*hidden} & {*said}


PLACES_MD = """---
title: "# No heading"
---
# One: two & three
## Deep [[Alone|thing]] `code`
Text ^Block-1

> ## In a quote
> words
> ^quoted

- item
  - inner ^i2
    ```
    # In code ^c3
    ```
- # In a list

%%
# Hidden ^h4
%%
# 🚀 Launch
Under
=====
text[^Note]

| a | b |
|---|---|
| 1 | 2 |

^table

[^Note]: said
## Deep
"""


THERE = [
    "One: two & three", "one two three", "Deep Alone thing code", "Under#Deep", "In a quote", "In a list",
    "🚀 Launch", "^block-1", "^quoted", "^I2", "^table", "[^note]", "&",
]  # fmt: skip
GONE = [
    "One two", "Deep thing code", "One two three#Deep", "Deep#Under", "In code", "Hidden", "No heading", "🚀",
    "Launch", "^c3", "^h4", "^tab", "[^2]",
]  # fmt: skip
ELSEWHERE = ["cup.png#here", "b.canvas#here", "Never#here", "a#b#x"]


def test_a_place_is_missing_where_obsidian_finds_no_such_heading_or_block(store: Store) -> None:
    (store.vault / "Places.md").write_text(PLACES_MD)
    (store.vault / "b.canvas").write_text("{}")
    links = [*(f"Places#{place}" for place in (*THERE, *GONE)), *ELSEWHERE]
    (store.vault / "From.md").write_text("".join(f"[[{one}]]\n" for one in links))
    store.look()
    told = told_of(store, "From")
    missing = {links[link.line - 1]: link.missing for link in (*told.out, *told.unresolved)}
    assert missing == {one: one.removeprefix("Places#") in GONE for one in links}
