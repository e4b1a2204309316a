"""
One life of a store, in a process of its own which may be ended at any failpoint.

A life keeps a journal beside the vault: in which setup it opened the store, what the vault held, what was indexed.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

import vragd.backends.faiss.collection
import vragd.backends.lucene.backend
import vragd.backends.lucene.writing
import vragd.backends.pgvector.tables
import vragd.backends.pgvector.writing
import vragd.backends.s3vectors.backend
import vragd.backends.s3vectors.wire
import vragd.sync.order
import vragd.vault.source
from tests.backends import keys, values
from tests.faults import crash_plants, crash_replica
from tests.faults.crash_halts import HOOKS
from tests.faults.crash_migrations import count_chunks, keep_sizes
from tests.world import WordEmbedder, without
from vragd.backends.base import Batch, VectorBackend
from vragd.backends.faiss.collection import Tuning
from vragd.backends.faiss.settings import FaissBackend
from vragd.backends.pgvector.tables import PgvectorBackend as OnPostgres
from vragd.backends.registry import create_backend
from vragd.backends.s3vectors.settings import S3VectorsBackend
from vragd.backends.settings import BackendSettings
from vragd.catalog.schema import MIGRATIONS
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings
from vragd.embed.base import Embedder
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.errors import VectorsRefused
from vragd.notes.page import embedded
from vragd.store.idle import while_idle
from vragd.store.opening import open_store
from vragd.store.replica import Replica
from vragd.store.store import Store
from vragd.stores.elsewhere import Place
from vragd.stores.registry import Registry
from vragd.sync.pace import Pace
from vragd.sync.prepared import Visit
from vragd.system import failpoints
from vragd.system.files import private_dir, sweep_temporary
from vragd.system.sqlite import open_read_write

NAME, BUCKET, MOST_S = "notes", "crashes", 60
ON_DISK, SEGMENTS = ("sqlite", "file"), ("file", "bucket")
KNOWN = len(MIGRATIONS)
AS_IT_WAS = """
insert into main.space(id, fingerprint, identity, dimension, collection)
    select s.id, fingerprint, s.identity, dimension, t.collection
    from now.space s join now.target t on t.space_id = s.id;
insert into main.intent select collection, key from now.intent join now.target t on t.id = target;
update main.meta set value = (select generation from now.store) where key = 'generation';
insert into main.meta select 'machine', machine from now.store where machine is not null;
insert into main.meta select 'space', fingerprint from now.space where id = (select space_id from now.store);
insert into main.meta select 'answers', fingerprint from now.space where id = (select answers_id from now.store);
insert into main.meta select 'uids', json_group_array(uid) from now.own_source;
insert into main.meta select 'opened ' || collection, identity from now.target;
"""
"""What has other tables and columns by now, as the first schema had it."""
SMALL = (
    (vragd.backends.faiss.collection, "TUNING", Tuning(flush_at_least=1, flush_share=0.0)),
    (vragd.backends.lucene.backend, "KEYS", 3),
    (vragd.backends.lucene.writing, "ROWS", 6),
    (vragd.backends.pgvector.tables, "ROWS", 6),
    (vragd.backends.pgvector.tables, "KEYS", 3),
    (vragd.backends.pgvector.writing, "COPY_FROM", 5),
    (vragd.backends.s3vectors.backend, "DELETE_KEYS", 3),
    (vragd.backends.s3vectors.wire, "PUT_VECTORS", 6),
    (vragd.sync.order, "BATCH", 4),
    (vragd.vault.source, "stamp_resolution_s", lambda _: 0.0),  # else what is done depends on how long it takes
)
HASTY = Pace(round_s=0.0, fill_slice=8)
"""So that a handful of notes takes several batches of everything, one a round."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How a store is opened. `named`: the settings name the model, so that questions can be put to the one before."""

    backend: str = "faiss"
    model: str = "1"
    named: bool = False
    grown: bool = False
    """Whether this version knows migrations that the one before did not."""
    refuses: str = ""
    """The backend refuses chunks with this in their text."""
    text: bool = False
    """A remote backend keeps texts: another than before puts everything again."""
    replica: bool = False
    """There is one, in a SQLite file."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a process is to do. `hook`: ("log", file), ("kill", place, n) or ("halt", points, connection)."""

    home: Path
    endpoint: str
    hook: tuple[Any, ...] = ()
    plant: str = ""


Script = Callable[["Life"], None]


def live(task: Task, script: Script) -> None:
    """The whole of a process. What went wrong is left in the file `error`."""
    try:
        for module, name, value in SMALL:
            setattr(module, name, value)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        crash_plants.plant(task.plant)
        life = Life(task)
        if task.hook:
            failpoints.install(HOOKS[task.hook[0]](*task.hook[1:]))
        script(life)
    except BaseException:
        (task.home / "error").write_text(traceback.format_exc())
        os._exit(1)


class Choosy:
    """A backend that refuses chunks with a word in their text, once all others of the batch were put."""

    def __init__(self, word: str, inner: VectorBackend) -> None:
        self._word, self._inner = word, inner

    @classmethod
    def make(cls, word: str, kind: str, settings: Any, data_dir: Path) -> Any:
        return cls(word, create_backend(kind, settings, data_dir))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        bad = {i for i, told in enumerate(batch.payload) if self._word in str(told.get("content"))}
        self._inner.put_vectors(name, without(batch, bad), visible=visible)
        if bad:
            raise VectorsRefused("cursed", keys=tuple(batch.keys[i] for i in sorted(bad)), part="values")


def go_on(life: Life) -> None:
    """A start after a crash: what it finds, what it makes of it, left in the file `seen`."""
    last = Setup(**[line["opened"] for line in journal(life.home) if "opened" in line][-1])
    life.open(last, note=False)
    seen: dict[str, Any] = {"prepared": life.answers(), "opened": life.before}
    life.sync(note=False)
    if last.backend in SEGMENTS:  # what nobody names is swept
        life.flush()
    store = life.store
    assert store.space is not None
    collection, live_keys = store.space.collection, store.catalog.live_keys(store.space.id)
    seen |= {
        "final": life.answers(),
        "keys": set(keys(store.backend, collection)),
        "live": live_keys,
        "vectors": {key: row.tolist() for key, row in values(store.backend, collection, live_keys).items()},
        "collection": collection,
        "collections": store.backend.list_collections(),
        "model": life.embedder.digest,
        "backend": last.backend,
        "refuses": last.refuses,
        "problems": store.catalog.check(),
    }
    life.close()
    (life.home / "seen").write_bytes(pickle.dumps(seen))


def journal(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "journal").read_text().splitlines()]


class Life:
    """The store of one home, as the worker and the keeper drive it."""

    def __init__(self, task: Task) -> None:
        self.home, self._endpoint = task.home, task.endpoint
        self.vault, self.data = task.home / "vault", task.home / "data"
        self.before: dict[str, Any] | None = None

    def _note(self, **line: Any) -> None:
        with (self.home / "journal").open("a") as file:
            file.write(json.dumps(line) + "\n")

    # -- the vault ---------------------------------------------------------------------------------

    def edit(
        self,
        write: Mapping[str, str] | None = None,
        rename: Sequence[tuple[str, str]] = (),
        delete: Sequence[str] = (),
    ) -> None:
        """Change the vault, then say so: no failpoint lies in between."""
        change(self.vault, write or {}, rename, delete)
        self._note(vault=vault_of(self.vault))

    # -- the store ---------------------------------------------------------------------------------

    def open(self, setup: Setup, *, note: bool = True) -> None:
        """What a start does, up to the first scan."""
        if note:
            self._note(opened=asdict(setup))
        if setup.grown:
            MIGRATIONS[KNOWN:] = [count_chunks, keep_sizes]
        config = Config(limits=LimitSettings(min_free_mib=0))
        private_dir(self.data)
        sweep_temporary(self.data)
        self.registry = Registry(Loaded(config, None, self.data, self.home / "socket"))
        private_dir(self.registry.root)
        self.registry.sweep()
        wanted = self._settings(setup)
        entry = self.registry.entries().get(NAME)
        if entry is None or entry.settings != wanted:
            self.registry.create(NAME, wanted)
        self.embedder = embedder_of(setup.model)
        self.store: Store = open_store(
            NAME,
            wanted,
            self.registry.folder(NAME),
            config.limits,
            lambda: self.embedder,
            recorded=recorded if setup.named else lambda _: None,
            make_backend=partial(Choosy.make, setup.refuses) if setup.refuses else create_backend,
            pace=HASTY,
        )
        self.replica = Replica("second", NAME, wanted, self.store.folder, pace=HASTY) if setup.replica else None
        self.before = (
            None if self.store.backend.traits.networked else self.answers()  # that one was not asked anything yet
        )
        if wanted.backend.shared:
            self.registry.remember_remote(NAME, wanted.backend.where())
        (self.source,) = self.store.sources.values()
        assert self.store.connect(self.source)
        self.store.prepare()

    def _settings(self, setup: Setup) -> StoreSettings:
        named = OllamaEmbedder(type="ollama", model=f"words-{setup.model}")
        return StoreSettings(
            sources=(SourceSettings(path=self.vault),),
            embedder=named if setup.named else BuiltinEmbedder(),
            backend=self._backend(setup),
            replicas=crash_replica.settings(self.data) if setup.replica else {},
        )

    def _backend(self, setup: Setup) -> BackendSettings:
        if setup.backend == "faiss":
            return FaissBackend()
        if setup.backend == "s3":
            where = self._endpoint or None
            return S3VectorsBackend(type="s3vectors", bucket=BUCKET, endpoint_url=where, remote_text=setup.text)
        url = f"{setup.backend}:{self._endpoint}" if setup.backend in ON_DISK else self._endpoint
        return Place.named(url, {"remote_text": str(setup.text).lower()}).settings

    def sync(self, *, note: bool = True) -> None:
        """Scan and work until the index is the vault, in the order of the worker's steps."""
        store = self.store
        dirty, found = store.scan_source(self.source)
        if withheld := store.closed_since(self.source, found.changed):
            store.withhold([(self.source.id, path) for path in withheld])
            self._note(withheld=[*withheld])
        visits = [Visit(self.source, path, patient=False) for path in sorted(dirty)]
        while visits or store.behind:
            if store.behind:
                store.fill()
            if visits:
                report = store.apply(visits)
                assert not report.later, report.later
                visits = report.deferred
        while while_idle(store):
            pass
        store.sweep()
        if self.replica is not None:
            crash_replica.feed(store, self.replica)
        if note:
            self._note(synced=True)

    def flush(self) -> None:
        self.store.flush()
        if isinstance(self.store.backend, OnPostgres):
            self.store.backend.builder.wait(MOST_S)

    def close(self) -> None:
        if self.replica is not None:
            self.replica.close()
        self.store.close()

    def answers(self) -> dict[str, Any] | None:
        """The keys a query by vector can find, and whether they may be fewer than all; None before there is a space."""
        store = self.store
        if store.answering is None:
            return None
        held = store.answering.space
        partial = store.behind or (store.rebuilding and store.space == held)
        old_space = held.fingerprint if held != store.space else ""
        return {"keys": set(keys(store.backend, held.collection)), "partial": partial, "old_space": old_space}

    # -- ends, and what somebody else does between two lives ---------------------------------------

    def delete(self) -> None:
        """What `vragd store delete` does."""
        self._note(deleted=True)
        self.store.forget()
        self.store.close()
        self.registry.delete(NAME)

    def lose_catalog(self) -> None:
        """Somebody removes it while nobody runs."""
        self._note(deleted=True)
        for file in self.registry.folder(NAME).glob("catalog.db*"):
            file.unlink()

    def damage_cache(self) -> None:
        """A byte of the cache file falls over while nobody runs."""
        (file,) = self.registry.folder(NAME).glob("index/*/vectors.faiss")
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 0xFF
        file.write_bytes(data)

    def downgrade(self) -> None:
        """The catalog as the first version of the schema had it."""
        file = self.registry.folder(NAME) / "catalog.db"
        first = file.with_name("first.db")
        db = open_read_write(first, MIGRATIONS[:1])
        db.execute("pragma foreign_keys = off")
        db.execute("attach ? as now", (str(file),))
        for table in ("source", "note", "chunk", "embedding"):
            names = ", ".join(row[1] for row in db.execute(f"pragma main.table_info({table})"))
            db.execute(f"insert into main.{table} ({names}) select {names} from now.{table}")
        db.execute(AS_IT_WAS)
        for text_hash, text in list(db.execute("select text_hash, text from main.chunk")):
            vector = self.embedder.embed_query(embedded(text)).astype("<f4").tobytes()
            db.execute("update main.embedding set vector = ? where text_hash = ?", (vector, text_hash))
        db.execute(
            "insert into chunk_text(rowid, title, heading, text)"
            " select c.id, n.title, c.heading, c.text from main.chunk c join main.note n on n.id = c.note_id"
        )
        db.close()
        first.replace(file)


def change(vault: Path, write: Mapping[str, str], rename: Sequence[tuple[str, str]], delete: Sequence[str]) -> None:
    for path in delete:
        (vault / path).unlink()
    for old, new in rename:
        (vault / new).parent.mkdir(parents=True, exist_ok=True)
        (vault / old).rename(vault / new)
    for path, text in write.items():
        (vault / path).parent.mkdir(parents=True, exist_ok=True)
        (vault / path).write_text(text)


def vault_of(vault: Path) -> dict[str, str]:
    return {str(file.relative_to(vault)): file.read_text() for file in sorted(vault.rglob("*.md"))}


def embedder_of(model: str) -> WordEmbedder:
    embedder = WordEmbedder()
    embedder.digest, embedder.batch_size = model, 7
    return embedder


def recorded(record: str) -> Embedder | None:
    """The embedder of settings as they once were, as `Embedders.recorded`."""
    model = json.loads(record).get("model", "words-1")
    return embedder_of(model.removeprefix("words-"))


def clear_home(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    (home / "vault").mkdir(parents=True)
    (home / "journal").touch()
