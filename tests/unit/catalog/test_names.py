"""Names that begin with what was typed: found by steps through indexes, however many notes have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw

from tests.unit.catalog.conftest import Opened
from vragd.catalog.facts import Facts as Said
from vragd.catalog.model import NoteChange
from vragd.catalog.names import MOST_STEPS, PROPERTIES, TAGS, Names
from vragd.catalog.reader import Reader
from vragd.catalog.writer import Catalog


def put(catalog: Catalog, *paths: str, tags: tuple[str, ...] = (), opted_out: bool = False, **properties: str) -> None:
    state, reason = ("skipped", "opted_out") if opted_out else ("indexed", None)
    catalog.commit(1, [
        NoteChange(1, path, catalog.next_seq(), (1, 2, 3, 4), False, b"d", path, 1, state, reason,  # type: ignore[arg-type]
                   facts=None if opted_out else Said("text", "", tags, properties), links=())
        for path in paths
    ])  # fmt: skip


def names(reader: Reader, ask: Callable[[Names], list[str]], limit: int = 100, withheld: str = "") -> list[str]:
    with reader.snapshot() as now:
        return ask(Names(now.db, limit, (lambda _, path: path == withheld) if withheld else None))


def test_tags_and_properties_are_found_in_whatever_case_and_written_as_they_are(opened: Opened) -> None:
    catalog, reader = opened
    put(catalog, "a.md", tags=("Work", "work/deep", "Über", "z"), status='"open"', Start='"x"')
    put(catalog, "b.md", tags=("work",), status='"done"')
    assert names(reader, lambda n: n.facts(TAGS, "WO")) == ["Work", "work/deep"]
    assert names(reader, lambda n: n.facts(TAGS, "ube")) == ["Über"]
    assert names(reader, lambda n: n.facts(TAGS, "")) == ["Über", "Work", "work/deep", "z"]
    assert names(reader, lambda n: n.facts(TAGS, "wör")) == ["Work", "work/deep"]
    assert names(reader, lambda n: n.facts(PROPERTIES, "St")) == ["status"]
    assert names(reader, lambda n: n.facts(TAGS, "x")) == []


def test_paths_go_on_by_one_part_and_notes_are_called_as_links_call_them(opened: Opened) -> None:
    catalog, reader = opened
    put(
        catalog,
        "Inbox.md",
        "Daily/2026/a.md",
        "Daily/2026/b.md",
        "Daily/c.md",
        "Daily notes.md",
        "Dä/x.md",
        "drawing.canvas",
    )
    put(catalog, "Secret/own.md", "Secret.md", opted_out=True)
    below = [
        ("", False, ["Daily notes.md", "Daily/", "Dä/", "Inbox.md", "drawing.canvas"]),
        ("", True, ["Daily/", "Dä/"]),
        ("Dai", False, ["Daily notes.md", "Daily/"]),
        ("Daily/", False, ["Daily/2026/", "Daily/c.md"]),
        ("Daily/2026/b", False, ["Daily/2026/b.md"]),
        ("Secret", False, []),
        ("Nope/", False, []),
    ]  # fmt: skip
    for prefix, folders, found in below:
        assert names(reader, lambda n, p=prefix, f=folders: n.below("vault", p, folders=f)) == found, prefix  # type: ignore[misc]
    assert names(reader, lambda n: n.below("other", "", folders=False)) == []
    assert names(reader, lambda n: n.called("da")) == ["Daily notes"]
    assert names(reader, lambda n: n.called("dr")) == ["drawing.canvas"]
    assert names(reader, lambda n: n.called("sec")) == []


def test_what_is_withheld_is_named_by_nothing(opened: Opened) -> None:
    catalog, reader = opened
    put(catalog, "A/hidden.md", tags=("both", "only"), own='"x"')
    put(catalog, "A/seen.md", tags=("both",))
    put(catalog, "B/hidden.md")
    for ask, found in (
        (lambda n: n.facts(TAGS, ""), ["both"]),
        (lambda n: n.facts(PROPERTIES, ""), []),
        (lambda n: n.below("vault", "A/", folders=False), ["A/seen.md"]),
        (lambda n: n.called("hid"), ["hidden"]),  # the other one of that name
    ):  # fmt: skip
        assert names(reader, ask, withheld="A/hidden.md") == found


def test_a_limit_is_kept_and_said(opened: Opened) -> None:
    catalog, reader = opened
    put(catalog, *(f"{i}.md" for i in range(9)), tags=tuple("abcdefghi"))
    with reader.snapshot() as now:
        for ask in (
            lambda n: n.facts(TAGS, ""), lambda n: n.called(""), lambda n: n.below("vault", "", folders=False),
        ):  # fmt: skip
            for limit, whole in ((5, False), (9, True), (10, True)):
                asked = Names(now.db, limit)
                assert (len(ask(asked)), asked.whole) == (min(limit, 9), whole), limit


def test_the_cost_is_that_of_the_names_not_of_the_notes(opened: Opened, tmp_path: Path) -> None:
    catalog, reader = opened

    def cost(ask: Callable[[Names], list[str]]) -> int:
        """In steps of SQLite's machine."""
        n_steps = 0

        def step() -> bool:
            nonlocal n_steps
            n_steps += 1
            return False

        with reader.snapshot() as now:
            now.db.set_progress_handler(step, 1)
            try:
                found = ask(Names(now.db, 50))
            finally:
                now.db.set_progress_handler(None)
        assert found
        return n_steps

    asks: list[Callable[[Names], list[str]]] = [
        lambda n: n.facts(TAGS, "t"),
        lambda n: n.facts(PROPERTIES, "st"),
        lambda n: n.below("vault", "", folders=True),
        lambda n: n.below("vault", "Folder/n1.", folders=False),
        lambda n: n.called("ind"),
    ]
    put(catalog, *(f"Folder/n{i}.md" for i in range(20)), tags=("tag", "two"), status='"x"')
    put(catalog, *(f"Folder/{i}/index.md" for i in range(20)))
    few = [cost(ask) for ask in asks]
    put(catalog, *(f"Folder/n{i}.md" for i in range(20, 1500)), tags=("tag", "two"), status='"x"')
    put(catalog, *(f"Folder/{i}/index.md" for i in range(20, 1500)))
    many = [cost(ask) for ask in asks]
    assert all(now <= 2 * before for before, now in zip(few, many, strict=True)), (few, many)


def test_of_a_flat_folder_only_so_many_notes_are_passed_over_for_its_folders(opened: Opened) -> None:
    catalog, reader = opened
    with apsw.Connection(str(catalog.path)) as db:
        db.execute(
            "with recursive n(value) as (select 1 union all select value + 1 from n where value < ?)"
            " insert into note(source_id, path, inode, size, mtime_ns, ctime_ns, racy, title, state, attempts, seq,"
            " changed_at, link_name, named) select 1, cast('n' || value as blob), 1, 1, 1, 1, 0, '', 'indexed', 0, 0,"
            " 0, 'n' || value, 1 from n",
            (MOST_STEPS + 10,),
        )
    put(catalog, "z/a.md")
    with reader.snapshot() as now:
        asked = Names(now.db, 100)
        assert (asked.below("vault", "", folders=True), asked.whole) == ([], False)
        asked = Names(now.db, 100)
        assert (asked.below("vault", "z", folders=True), asked.whole) == (["z/"], True)
