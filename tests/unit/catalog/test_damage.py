"""A catalog that is damaged, newer, or whole: what a store on a hundred notes and more makes of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from tests.depth import at, deeper
from tests.world import WordEmbedder, World, sql
from vragd.catalog.check import move_aside
from vragd.catalog.model import ChunkRow, NoteChange
from vragd.catalog.writer import Catalog
from vragd.errors import BackendUnavailable, CatalogCorrupt, NewerFormat
from vragd.store.opening import replace_catalog
from vragd.sync.prepared import Visit

pytestmark = deeper
N_NOTES = at(100, 300)
TABLES = ("note", "chunk", "source", "space", "store", "target", "own_source", "intent")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """What is at the disk once all is indexed; nobody has it open."""
    world = World(tmp_path_factory.mktemp("damage"))
    for i in range(N_NOTES):
        world.write(f"n{i}.md", f"# Title {i}\n\n" + f"word{i} " * 50)
    world.apply(*(f"n{i}.md" for i in range(N_NOTES)))
    world.store.close()
    shutil.copytree(world.folder, world.folder.with_name("kept"))
    return world


@pytest.fixture
def filled(indexed: World) -> Iterator[World]:
    """With the same vault, which no test here changes, and a store of its own."""
    world = indexed
    shutil.rmtree(world.folder)
    shutil.copytree(world.folder.with_name("kept"), world.folder)
    world.embedder = WordEmbedder()
    world.restart()
    world.store.prepare()
    assert len(world.texts()) == N_NOTES
    yield world
    world.store.close()


def blot(file: Path, table: str) -> None:
    """Garbage over the first page of a table's tree."""
    db = apsw.Connection(str(file))
    ((page,),) = db.execute("pragma page_size")
    ((root,),) = db.execute("select rootpage from sqlite_master where name = ?", (table,))
    db.close()
    with file.open("r+b") as raw:
        raw.seek((root - 1) * page)
        raw.write(b"\xa5" * 200)


def halve(file: Path, _: str) -> None:
    with file.open("r+b") as raw:
        raw.truncate(file.stat().st_size // 2)


@pytest.mark.parametrize(
    ("damage", "table"),
    [*((blot, table) for table in TABLES), (halve, "")],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_a_store_with_a_damaged_catalog_opens_and_indexes_anew(
    filled: World, damage: Callable[[Path, str], None], table: str
) -> None:
    filled.store.close()
    file = filled.folder / "catalog.db"
    damage(file, table)
    filled.open()
    filled.store.prepare()
    index_until_whole(filled)
    assert len(list(filled.folder.glob("catalog.db.corrupt-*"))) == 1
    assert filled.is_sound()
    assert filled.store.catalog.check() == []


def index_until_whole(world: World) -> None:
    """As the worker does: what fails on a damaged catalog leads to another, and that to a scan."""
    for _ in range(3):
        try:
            world.apply(*world.scan())
            world.store.reader.counts()
        except CatalogCorrupt as error:
            world.store = replace_catalog(world.store, error)
            world.store.prepare()
    assert len(world.texts()) == N_NOTES


def test_a_catalog_that_is_damaged_while_it_is_open_is_begun_anew_with_the_same_sources(filled: World) -> None:
    catalog = filled.store.catalog
    sql(filled.folder, "pragma wal_checkpoint(truncate)")
    blot(filled.folder / "catalog.db", "chunk")
    catalog._db.execute("pragma shrink_memory")
    chunk = ChunkRow("key", b"hash", (), (1, 2), "x")
    change = NoteChange(1, "n1.md", catalog.next_seq(), (1, 2, 3, 4), False, b"d", "t", 1, "indexed", chunks=(chunk,))
    with pytest.raises(CatalogCorrupt) as caught:
        for read in (lambda: catalog.live_keys(1), lambda: catalog.commit(1, [change])):
            read()
    source, reader = filled.source, filled.store.reader
    filled.store = replace_catalog(filled.store, caught.value)
    assert filled.store.sources == {source.id: source}
    assert filled.store.catalog.sources()[0].identity is not None
    with pytest.raises(BackendUnavailable):
        reader.counts()
    filled.store.prepare()
    index_until_whole(filled)
    assert filled.is_sound()


def test_what_the_backend_holds_of_a_catalog_that_is_gone_goes_too(filled: World) -> None:
    filled.embedder.dimension, filled.embedder.digest = 16, "2"
    filled.store.prepare()
    assert len(filled.backend.list_collections()) == 2
    filled.store.lasting.spared_at = filled.store.given.clock.steady()  # it seemed damaged a moment ago
    filled.store = replace_catalog(filled.store, CatalogCorrupt("as if"))
    filled.store.prepare()
    assert filled.backend.list_collections() == ["sss"]
    index_until_whole(filled)
    assert filled.is_sound()


def test_a_kill_while_the_damaged_file_is_moved_leaves_no_old_log_for_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "catalog.db"
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).write_bytes(b"old")

    def killed_at_the_file(source: Path, to: Path) -> None:
        if source == file:
            raise KeyboardInterrupt
        source.rename(to)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("vragd.catalog.check.os.replace", killed_at_the_file)
        move_aside(file)
    assert [path.name for path in tmp_path.glob("catalog.db*") if "corrupt" not in path.name] == ["catalog.db"]
    move_aside(file)
    assert len(list(tmp_path.glob("catalog.db.corrupt-*"))) == 3


def test_a_file_of_a_newer_vragd_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.db")
    sql(tmp_path, "pragma user_version = 99")
    catalog.close()
    before = (tmp_path / "catalog.db").read_bytes()
    with pytest.raises(NewerFormat):
        Catalog(tmp_path / "catalog.db")
    assert (tmp_path / "catalog.db").read_bytes() == before


def test_text_that_is_no_longer_utf8_counts_as_damage(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.db")
    catalog.register_space("sss", "f" * 32, "{}", 4)
    sql(tmp_path, "insert into intent values (1, cast(x'ff' as text))")
    with pytest.raises(CatalogCorrupt):
        catalog.intents(1)
    catalog.close()


def test_a_note_that_moves_between_spaces_leaves_the_first(filled: World) -> None:
    filled.embedder.digest = "2"
    filled.store.prepare()
    first, second = filled.store.catalog.spaces()
    assert filled.store.catalog.any_outside(second.id)
    filled.store.apply([Visit(filled.source, "n1.md")])
    assert len(filled.store.catalog.live_keys(first.id)) == N_NOTES - 1
    assert len(filled.store.catalog.live_keys(second.id)) == 1
