"""What filters found is kept as long as it is true, and no longer."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np

from tests.world import World
from vragd.catalog.selected import Selected
from vragd.search.ask import Place, Target, ask
from vragd.search.asking import understood
from vragd.search.grammar.tree import And, Node, Scope, Within, Word


def target(world: World, withheld: Callable[[str], bool] | None = None, *, assistant: bool = False) -> Target:
    store, source = world.store, world.source
    places = {source.label: Place(source.uid, source.path, in_obsidian=False, withheld=withheld)}
    reader = store.reader_for(assistant=assistant)
    return Target(
        store.name, reader, store.backend, store.space, world.embedder.embed_query, places, assistant=assistant
    )


def found(of: Target, where: str, now: datetime | None = None, text: str = "alpha") -> list[str]:
    question = replace(understood(text=text, where=where, weak=True), now=now)
    return sorted(hit.path for hit in ask(of, question).hits)


def kept(world: World, *parts: Node) -> list[int] | None:
    """What the reader keeps of these filters."""
    with world.store.reader.snapshot() as now:
        assert now.selected is not None
        ids = now.selected.get(now.generation(), (world.store.name, And(parts), ()))
        return None if ids is None else ids.tolist()


RED = Within(Scope.CONTENT, Word("red"))


def test_what_a_filter_found_is_kept_until_the_next_save(world: World) -> None:
    world.write("a.md", "alpha red")
    world.write("b.md", "alpha blue")
    world.apply("a.md", "b.md")
    assert kept(world, RED) is None
    assert found(target(world), "content:red") == ["a.md"]
    assert len(kept(world, RED) or ()) == 1
    assert found(target(world), "content:red", text="alpha red") == ["a.md"]
    world.write("b.md", "alpha red two")
    world.apply("b.md")
    assert kept(world, RED) is None
    assert found(target(world), "content:red") == ["a.md", "b.md"]
    (world.vault / "a.md").unlink()
    world.apply("a.md")
    assert found(target(world), "content:red") == ["b.md"]


def test_properties_and_tags_alone_are_a_change(world: World) -> None:
    world.write("a.md", "---\ntags: [x]\nn: 1\n---\nalpha")
    world.apply("a.md")
    assert found(target(world), "tag:x [n]") == ["a.md"]
    world.write("a.md", "---\ntags: [y]\nm: 1\n---\nalpha")
    world.apply("a.md")
    assert found(target(world), "tag:x") == found(target(world), "[n]") == []
    assert found(target(world), "tag:y [m]") == ["a.md"]


def test_what_depends_on_the_clock_is_looked_for_each_time(world: World) -> None:
    world.write("a.md", "---\ndate: 2026-03-01\nn: today\n---\nalpha red")
    world.apply("a.md")
    for day, wanted in ((2, ["a.md"]), (20, []), (3, ["a.md"])):
        now = datetime.fromisoformat(f"2026-03-{day:02}T12:00")
        assert found(target(world), "content:red after:7d", now) == wanted
        assert found(target(world), "-(content:blue OR before:7d)", now) == wanted
        assert found(target(world), "date > today() - '7d'", now) == wanted
    assert len(kept(world, RED) or ()) == 1, "the part of it that does not"


def test_dates_are_read_once_until_something_is_saved_or_names_are_read_by_another_format(world: World) -> None:
    world.write("2026-03-01 a.md", "alpha one")
    world.write("20.03.26.md", "---\ndate: 0001-01-01\n---\nalpha two")
    world.write("21.03.26.md", "alpha three")
    world.apply("2026-03-01 a.md", "20.03.26.md", "21.03.26.md")
    of = target(world)
    (place,) = of.places.values()
    by_name = replace(of, places={"vault": replace(place, types=(("", (("", "DD.MM.YY"),)),))})
    for _ in range(2):
        assert found(of, "before:2026-03-10") == ["20.03.26.md", "2026-03-01 a.md"]
        assert found(of, "on:2026-03-21") == []
        assert found(by_name, "on:2026-03-21") == ["21.03.26.md"]
        assert found(by_name, "alpha on:2026-03-21 OR on:2026-03-01") == ["2026-03-01 a.md", "21.03.26.md"]
    with world.store.reader.snapshot() as now:
        assert now.selected is not None
        types = (("vault", (("", (("", "DD.MM.YY"),)),)),)
        kept = now.selected.rows(now.selecting.written(), (types, ("times", "date")))
        assert kept is not None
        assert kept[1].shape == (3, 2)
    (world.vault / "21.03.26.md").rename(world.vault / "22.03.26.md")
    world.apply("21.03.26.md", "22.03.26.md")
    assert found(by_name, "after:2026-03-21 before:2026-04") == ["22.03.26.md"]
    assert found(target(world, lambda path: "a" in path), "before:2026-03-10") == ["20.03.26.md"]


def day_of(of: Target) -> dict[str, str]:
    """By path the day that filters find each note on, of those in March."""
    return {path: f"{day:02}" for day in range(1, 32) for path in found(of, f"on:2026-03-{day:02}", text="alpha")}


def test_a_date_is_read_anew_of_what_was_written_and_of_nothing_else(world: World) -> None:
    names = [f"2026-03-{day:02}.md" for day in range(1, 9)]
    for name in names:
        world.write(name, f"alpha {name}")
    world.apply(*names)
    of, everywhere = target(world), ((), ("times", "date"))
    assert day_of(of) == {name: name[8:10] for name in names}
    with world.store.reader.snapshot() as now:
        assert now.selected is not None
        at = now.selecting.written()
        kept = now.selected.rows(at, everywhere)
        assert kept is not None
        planted = kept[1] + [0, 20 * 86_400_000_000]  # as nothing says: who reads the names again finds that out
        now.selected.keep_rows(at, everywhere, planted)
    world.write("2026-03-02.md", "---\ndate: 2026-03-11\n---\nalpha")
    world.apply("2026-03-02.md")
    (world.vault / "2026-03-03.md").rename(world.vault / "2026-03-12.md")
    (world.vault / "2026-03-08.md").unlink()
    world.apply("2026-03-03.md", "2026-03-12.md", "2026-03-08.md")
    with world.store.reader.snapshot() as now:
        changed = [entry.path for entry in now.selecting.entries(now.selecting.changed_since(at))]
    assert sorted(changed) == ["2026-03-02.md", "2026-03-12.md"]
    untouched = {name: f"{int(name[8:10]) + 20}" for name in names if name[8:10] not in ("02", "03", "08")}
    assert day_of(of) == {"2026-03-02.md": "11", "2026-03-12.md": "12"} | untouched


def test_the_date_of_a_note_follows_its_file_its_name_its_properties_and_the_format(world: World) -> None:
    noon = datetime.fromisoformat("2026-03-04T12:00").astimezone().timestamp()
    world.write("plain.md", "alpha one")
    os.utime(world.vault / "plain.md", (noon, noon))
    world.write("09-03-2026.md", "alpha two")
    os.utime(world.vault / "09-03-2026.md", (noon, noon))
    world.apply("plain.md", "09-03-2026.md")
    assert day_of(target(world)) == {"plain.md": "04", "09-03-2026.md": "04"}
    os.utime(world.vault / "plain.md", (noon + 86_400, noon + 86_400))  # its text is as it was
    world.apply("plain.md")
    assert day_of(target(world)) == {"plain.md": "05", "09-03-2026.md": "04"}
    (place,) = target(world).places.values()
    daily = replace(target(world), places={"vault": replace(place, types=(("", (("", "DD-MM-YYYY"),)),))})
    assert day_of(daily) == {"plain.md": "05", "09-03-2026.md": "09"}
    (world.vault / "09-03-2026.md").unlink()  # its row is the last: the next note may have its number
    world.apply("09-03-2026.md")
    world.write("10-03-2026.md", "alpha three")
    os.utime(world.vault / "10-03-2026.md", (noon, noon))
    world.apply("10-03-2026.md")
    assert day_of(target(world)) == {"plain.md": "05", "10-03-2026.md": "04"}
    assert day_of(daily) == {"plain.md": "05", "10-03-2026.md": "10"}
    world.restart()
    world.write("plain.md", "---\ndate: 2026-03-20\n---\nalpha one")
    world.apply("plain.md")
    assert day_of(target(world)) == {"plain.md": "20", "10-03-2026.md": "04"}
    world.write("plain.md", "---\nother: 2026-03-20\n---\nalpha one")
    os.utime(world.vault / "plain.md", (noon, noon))
    world.apply("plain.md")
    assert day_of(target(world)) == {"plain.md": "04", "10-03-2026.md": "04"}


def test_a_folder_may_be_given_by_its_place_on_the_disk(world: World) -> None:
    world.write("Work/Sub/a.md", "alpha")
    world.write("Workshop/b.md", "alpha beta")
    world.apply("Work/Sub/a.md", "Workshop/b.md")
    of = target(world)
    for folder in ("Work", "vault/Work", f"{world.vault}/Work", f"{world.vault}/Work/", f"{world.vault}/Work/Sub"):
        assert [hit.path for hit in ask(of, understood(text="alpha", folder=folder, weak=True)).hits] == [
            "Work/Sub/a.md"
        ], folder
        assert found(of, f'file.inFolder("{folder}")') == ["Work/Sub/a.md"]
    assert found(of, f'file.inFolder("{world.vault}")') == ["Work/Sub/a.md", "Workshop/b.md"]
    assert ask(of, understood(text="alpha", folder=f"{world.vault}/Wor")).unknown[0].kind == "folder"


def test_a_note_that_there_is_not_is_said_where_its_links_are_asked_for(world: World) -> None:
    world.write("Plan.md", "alpha [[Later]]")
    world.write("Alone.md", "alpha")
    world.apply("Plan.md", "Alone.md")
    of = target(world)
    for typed in ("linksto:[[Plam]]", "linkedfrom:Plam", 'file.hasLink("Plam")'):
        (unknown,) = ask(of, understood(text="alpha", where=typed)).unknown
        assert (unknown.kind, unknown.name, unknown.nearest) == ("note", "Plam", "vault/Plan.md"), typed
    for typed in ("linksto:Plan", "linkedfrom:Alone", "linksto:[[Later]]", "-linksto:[[Plam]]"):
        assert ask(of, understood(text="alpha", where=typed)).unknown == (), typed


def test_when_a_file_was_modified_is_compared_to_the_moment_and_as_far_as_dates_go(world: World) -> None:
    midnight = datetime.fromisoformat("2026-03-02T00:00").astimezone().timestamp()
    for name, seconds in (("before.md", -1), ("at.md", 0), ("long_ago.md", -3_000_000_000)):
        world.write(name, f"alpha {name}")
        os.utime(world.vault / name, (midnight + seconds, midnight + seconds))
    world.apply("before.md", "at.md", "long_ago.md")
    now = datetime.fromisoformat("2026-03-05T12:00")
    for where, wanted in {
        "modified:2026-03-02": ["at.md"],
        "modified:2026-03-01": ["before.md"],
        "modified:2026-03-01..": ["at.md", "before.md"],
        "modified:..2026-03-01": ["before.md", "long_ago.md"],
        "modified:..9999-12-31": ["at.md", "before.md", "long_ago.md"],
        "modified:0001-01-01..1800-01-01": [],
        "-modified:4d": ["long_ago.md"],
    }.items():
        assert found(target(world), where, now) == wanted, where


def test_what_is_withheld_now_is_in_no_answer_though_it_was_in_one_before(world: World) -> None:
    world.write("a.md", "alpha red")
    world.apply("a.md")
    assert found(target(world), "content:red") == ["a.md"]
    assert found(target(world, lambda path: True), "content:red") == []
    assert found(target(world), "content:red") == ["a.md"]


def test_what_people_were_answered_is_not_what_assistants_are(world: World) -> None:
    world.write("a.md", "---\nmcp: false\n---\nalpha red")
    world.write("b.md", "alpha red two")
    world.apply("a.md", "b.md")
    for _ in range(2):
        assert found(target(world), "content:red") == ["a.md", "b.md"]
        assert found(target(world, assistant=True), "content:red") == ["b.md"]


# -- the sets themselves ----------------------------------------------------------------------------


def ids(*them: int) -> np.ndarray:
    return np.array(them, dtype=np.int64)


def test_nothing_of_another_generation_is_given() -> None:
    selected = Selected()
    selected.put(2, "a", ids(1))
    selected.put(1, "a", ids(9))  # by a question that began before the commit
    assert selected.get(1, "a") is None
    assert selected.get(2, "a") is not None
    selected.put(3, "b", ids(2))
    assert selected.get(2, "a") is None
    assert selected.get(3, "a") is None


def test_rows_of_every_note_are_kept_for_later_commits_and_of_few_kinds() -> None:
    selected = Selected()
    selected.keep_rows(2, "a", ids(1))
    selected.keep_rows(1, "a", ids(9))  # by a question that began before the commit
    assert selected.rows(1, "a") is None
    for written in (2, 3):
        kept = selected.rows(written, "a")
        assert kept is not None
        assert (kept[0], kept[1].tolist()) == (2, [1])
    for kind in "bcde":
        selected.keep_rows(3, kind, ids(1))
    assert selected.rows(3, "a") is None
    assert selected.rows(3, "e") is not None


def test_of_too_many_ids_the_sets_asked_for_last_are_kept() -> None:
    selected = Selected(most_ids=5)
    selected.put(1, "a", ids(1, 2))
    selected.put(1, "b", ids(1, 2))
    selected.get(1, "a")
    selected.put(1, "c", ids(1, 2))
    assert [selected.get(1, by) is not None for by in "abc"] == [True, False, True]
    selected.put(1, "all", ids(*range(6)))
    assert [selected.get(1, by) is not None for by in ("a", "c", "all")] == [False, False, False]
