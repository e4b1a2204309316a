"""Reading without what is closed: nothing of it is in reach, and BM25 is SQLite's own over the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World
from vragd.catalog.asked import any_of, asked
from vragd.catalog.lookup import Narrow
from vragd.catalog.open_words import Kept, OpenWords
from vragd.catalog.reader import Snapshot
from vragd.catalog.titles import calibrate
from vragd.errors import BackendUnavailable
from vragd.store.titles import embed_titles

WORDS = ["quartz", "lantern", "walrus", "obelisk", "zephyr", "c++", "camelCase"]
SEEN_BY_ALL = {  # nothing of a note, or only by a row of one
    "source", "space", "embedding", "title_embedding", "intent", "store", "own_source", "mount", "hidden",
    "target", "tombstone",
}  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    for n in range(40):
        words = " ".join(WORDS[(n * k + k) % len(WORDS)] for k in range(1, 2 + n % 9))
        world.write(f"{n:02}.md", f"# {WORDS[n % 7]}\n{words}\n\n# Second {n}\n{words * (n % 4)}\n")
    world.write("closed.md", "---\nai: false\n---\nquartz quartz narwhal\n")
    world.apply(*(path.name for path in world.vault.iterdir()))
    yield world
    world.store.close()


@pytest.fixture
def now(world: World) -> Iterator[Snapshot]:
    with world.store.for_assistants.snapshot() as now:
        yield now


def test_every_table_of_notes_is_shadowed(now: Snapshot) -> None:
    """Whoever adds a table has to say which it is."""
    tables = {name for (name,) in now.db.execute("select name from main.sqlite_master where type = 'table'")}
    shadowed = {name for (name,) in now.db.execute("select name from temp.sqlite_master where type = 'view'")}
    of_full_text = {name for name in tables if name.startswith(("chunk_text_", "note_text_"))}
    assert tables - of_full_text - SEEN_BY_ALL == shadowed
    for table in ("chunk_text", "note_text", "note_terms", "word_form"):
        assert list(now.db.execute(f"select * from {table}")) == [], "whoever forgets about it finds nothing"


@pytest.mark.parametrize("table", ["chunk_text", "note_text"])
def test_the_order_of_full_text_is_that_of_a_catalog_without_it(world: World, now: Snapshot, table: str) -> None:
    words = now.lookup.words
    terms = ["quartz", "lantern", "c++", "narwhal"]
    seen = f"select rowid from {words.rows(table)} {words.order(now.db, table, terms)}"
    found = list(now.db.execute(seen, (any_of(terms),)))
    (world.vault / "closed.md").unlink()
    world.apply("closed.md")
    with world.store.reader.snapshot() as whole:
        sql = f"select rowid from {whole.lookup.words.rows(table)} {whole.lookup.words.order(whole.db, table, terms)}"
        assert list(whole.db.execute(sql, (any_of(terms),))) == found
    assert len(found) > 20


class Cleared(dict[str, tuple[float, int]]):
    """What is remembered, where another thread always clears it in between."""

    def __setitem__(self, key: str, value: tuple[float, int]) -> None:
        pass


@pytest.mark.parametrize("table", ["chunk_text", "note_text"])
def test_what_is_remembered_may_be_forgotten_at_any_moment(now: Snapshot, table: str) -> None:
    forgetful = OpenWords(now.lookup.words, now.generation(), Kept(Cleared()))
    assert forgetful.order(now.db, table, ["quartz"]) == now.lookup.words.order(now.db, table, ["quartz"])


def test_nothing_of_it_is_found_counted_or_stands_in(world: World, now: Snapshot) -> None:
    with world.store.reader.snapshot() as whole:
        assert [found.path for found in whole.keyword("narwhal", 10)] == ["closed.md"]
        assert whole.lookup.words.stands(whole.db, "narwhal")
        assert len(whole.selecting.all()) == len(now.selecting.all()) + 1 == 41
    assert now.keyword("narwhal", 10) == now.keyword("narwhals", 10) == []
    assert "closed.md" not in {found.path for found in now.keyword("quartz", 100)}
    assert now.lookup.words.count(now.db, "narwhal", ["narwhal"]) == 0
    assert not now.lookup.words.stands(now.db, "narwhal")
    assert now.lookup.find(asked("narwhal"), (), 10, Narrow()).lone == (set(), set())


def test_as_long_as_nothing_is_closed_it_is_the_same_connection_and_the_same_counts(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("a.md", "quartz\n")
    world.apply("a.md")
    reader = world.store.for_assistants
    with reader.snapshot() as now:
        assert now.lookup.words is world.store.reader.words
    world.write("a.md", "---\nmcp: false\n---\nquartz\n")
    world.apply("a.md")
    with reader.snapshot() as now:
        assert now.keyword("quartz", 1) == []
        assert list(now.db.execute("select id from note")) == []
    assert (reader.counts().notes, reader.counts().chunks, world.store.reader.counts().closed) == (0, 0, 1)
    assert reader.known_closed() == {(world.source.id, "a.md")}
    world.store.close()
    with pytest.raises(BackendUnavailable):
        reader.generation()


def calibrated(home: Path, n_closed: int) -> tuple[World, str | None]:
    """A store of sixty open notes and so many closed ones, and what an assistant's questions use of its cosines."""
    home.mkdir()
    world = World(home)
    for n in range(60 + n_closed):
        mark = "---\nai: false\n---\n" if n >= 60 else ""
        world.write(f"{n}.md", f"{mark}quartz {n}\n")
        world.apply(f"{n}.md")
    while embed_titles(world.store):
        pass
    assert world.store.space is not None
    with world.store.catalog.writing() as db:
        assert calibrate(db, world.store.space)
    with world.store.for_assistants.snapshot() as now:
        said = now.lookup.calibration(world.store.space.fingerprint)
        assert now.lookup.calibration("another") is None
        assert now.lookup.calibration(world.store.space.fingerprint) == said
    return world, said


def test_what_cosines_are_like_is_measured_over_what_is_in_sight(tmp_path: Path) -> None:
    (world, said), (twin, told) = calibrated(tmp_path / "a", 60), calibrated(tmp_path / "b", 0)
    assert said is not None
    assert told is not None
    found, wanted = json.loads(said), json.loads(told)
    assert (found["n"], wanted["n"]) == (60, 60)
    assert found == pytest.approx(wanted)
    world.store.close()
    twin.store.close()
