"""A store as a released vragd left it, killed in the middle of things: it answers the same, embeds nothing again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.world import WordEmbedder
from vragd.backends.faiss.settings import FaissBackend
from vragd.catalog.reader import Reader
from vragd.catalog.schema import MIGRATIONS
from vragd.catalog.writer import Catalog
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.embed.base import Embedder
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.search.ask import Place, Question, Target, ask
from vragd.store.opening import open_store
from vragd.store.verify import compare_backend, compare_vault
from vragd.sync.prepared import Visit
from vragd.system.machine import machine_id

MADE = Path(__file__).parents[2] / "data" / "schema_4"


def embedder_of(digest: str) -> WordEmbedder:
    embedder = WordEmbedder()
    embedder.digest = digest
    return embedder


def recorded(record: str) -> Embedder | None:
    return embedder_of(json.loads(record)["model"].removeprefix("words-"))


class Old:
    """A copy of that store, with its sources."""

    def __init__(self, home: Path) -> None:
        shutil.copytree(MADE, home, dirs_exist_ok=True)
        self.home, self.embedder = home, embedder_of("2")
        self.catalog = home / "store" / "catalog.db"
        db = apsw.Connection(str(self.catalog))
        db.execute("update meta set value = ? where key = 'machine'", (machine_id(),))  # else it was copied here
        db.close()
        folders = {"vault": True, "folder": False}
        settings = StoreSettings(
            sources=tuple(SourceSettings(path=home / "sources" / name, watch=watch) for name, watch in folders.items()),
            embedder=OllamaEmbedder(type="ollama", model="words-2"),
            backend=FaissBackend(),
        )
        limits = LimitSettings(min_free_mib=0)
        self.store: Any = None
        self._given = ("notes", settings, home / "store", limits, lambda: self.embedder)

    def open(self) -> None:
        self.store = open_store(*self._given, recorded=recorded)
        for source in self.store.sources.values():
            assert self.store.connect(source)

    def answers(self) -> dict[str, Any]:
        store, answering = self.store, self.store.answering
        assert answering is not None
        places = {row.label: Place(row.uid, row.path, row.in_obsidian) for row in store.sources.values()}
        target = Target(store.name, store.reader, store.backend, answering.space, answering.embed_query, places)
        found: dict[str, Any] = {}
        for asked in json.loads((MADE / "answers.json").read_text()):
            mode, text = asked.split(": ", 1)
            hits = ask(target, Question(text=text, mode=mode, top_k=20, chunks=True, weak=True)).hits
            found[asked] = [[hit.path, list(hit.lines), hit.title, round(float(hit.score), 4)] for hit in hits]
        return found

    def work(self) -> None:
        self.store.prepare()
        visits = [
            Visit(source, path, patient=False)
            for source in self.store.sources.values()
            for path in sorted(self.store.scan_source(source)[0])
        ]
        while visits:
            visits = self.store.apply(visits).deferred


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Old]:
    old = Old(tmp_path)
    yield old
    if old.store is not None:
        old.store.close()


def found(hits: list[list[Any]]) -> set[tuple[Any, ...]]:
    """The passages, whatever their scores: those are of another scale since."""
    return {(path, *lines, title) for path, lines, title, _ in hits}


def test_it_finds_what_it_did_and_embeds_nothing(old: Old) -> None:
    old.open()
    old.store.attach()
    told = json.loads((MADE / "answers.json").read_text())
    assert {asked: found(hits) for asked, hits in old.answers().items()} == {
        asked: found(hits) for asked, hits in told.items()
    }
    assert old.embedder.texts == []


def test_it_finishes_what_was_begun_embeds_nothing_and_has_no_problem(old: Old) -> None:
    old.open()
    assert old.store.rebuilding
    old.work()
    assert old.embedder.texts == []
    assert not old.store.rebuilding
    problems = [
        problem for source in old.store.sources.values() for problem in compare_vault(old.store, source, frozenset())
    ]
    assert [*problems, *compare_backend(old.store)] == []
    space = old.store.space
    assert space is not None
    assert old.store.catalog.intents(space.target) == []
    assert [row.fingerprint for row in old.store.catalog.spaces()] == [space.fingerprint]


def test_everything_it_remembered_has_a_column_now(old: Old) -> None:
    before = apsw.Connection(str(old.catalog), flags=apsw.SQLITE_OPEN_READONLY)
    meta = dict(before.execute("select key, value from meta"))
    intents = sorted(key for (key,) in before.execute("select key from intent"))
    before.close()
    catalog = Catalog(old.catalog)
    vault, folder = catalog.sources()
    spaces = {row.id: row for row in catalog.spaces()}
    written, answers = catalog.chosen_spaces()
    assert written is not None and answers is not None
    assert (spaces[written].fingerprint, spaces[answers].fingerprint) == (meta["space"], meta["answers"])
    assert (spaces[written].collection, spaces[answers].collection) == ("notes.0d673a64", "notes")
    assert sorted(catalog.intents(spaces[written].target)) == intents
    reader = Reader(old.catalog)
    assert reader.generation() == int(meta["generation"])
    reader.close()
    assert catalog.own_uids() == set(json.loads(meta["uids"])) == {vault.uid, folder.uid}
    assert (catalog.was_asked(vault.uid), catalog.was_asked(folder.uid)) == (False, True)
    assert catalog.mounts(vault.uid) == json.loads(meta[f"mounts {vault.uid}"]) == ["mounted"]
    assert catalog.machine() == meta["machine"]
    catalog.close()


def test_a_catalog_of_s3_vectors_goes_on_filling_where_it_was() -> None:
    """As `meta` said it: place, collection and identity in a line; the place may have the collection's name in it."""
    for filled, filling, expected in (
        ("s3vectors notes notes arn:notes", "", ("s3vectors notes", None, True)),
        ("", "s3vectors notes notes arn:notes", ("s3vectors notes", "key", False)),
        ("s3vectors notes notes arn:of another", "s3vectors notes notes arn:of another", ("", None, False)),
        ("", "", ("", None, False)),
    ):
        db = apsw.Connection(":memory:")
        for step in MIGRATIONS[:4]:
            step(db)
        db.execute("insert into space values (1, 'f', '{}', 4, 'notes', '')")
        db.execute("insert into space values (2, 'abcdefghij', '{}', 4, 'gone.abcdefgh', '')")
        meta = {"space": "f", "answers": "f", "opened notes": "arn:notes", "filled": filled, "filling": filling}
        meta |= {"filled_to": "key", "unswept": "" if expected[2] else "1", "words_swept": "12.5", "opened left": "x"}
        db.executemany("insert into meta values (?, ?)", meta.items())
        db.execute("insert into intent values ('notes', 'a'), ('of nobody', 'b')")
        with db:
            MIGRATIONS[4](db)
        sql = "select place, filled_to, swept, collection, identity, space_id from target order by collection desc"
        assert list(db.execute(sql)) == [
            (*expected[:2], int(expected[2]), "notes", "arn:notes", 1), ("", None, 1, "left", "x", None),
        ]  # fmt: skip
        assert list(db.execute("select target.collection, key from intent join target on target.id = target")) == [
            ("notes", "a")
        ]
        assert list(db.execute("select words_swept, space_id, answers_id from store")) == [(12.5, 1, 1)]
        db.close()
