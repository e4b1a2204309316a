"""
Filled homes: a vault of any size, indexed by the real pipeline, without the hours of embedding it.

Chunk i is the section `## i` of some note. Its vector is row i of `text.rows`, the embedding of real text i,
and its words are that text, continued with others to TEXT_CHARS so that it is as long as a chunk of prose.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import xxhash

from bench.text import DIMENSION, cache_dir, corpus, question_rows, questions, rows
from tests.fakes.ollama import FakeOllama
from tests.harness import Vragd
from vragd.backends.faiss.settings import FaissBackend
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.embed.base import Embedder, Space
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.embed.registry import create_embedder
from vragd.notes import chunk
from vragd.search.ask import Target
from vragd.store import opening
from vragd.store.idle import while_idle
from vragd.store.store import Store
from vragd.sync.prepared import Visit
from vragd.terms.settings import EmbedderSettings
from vragd.vault.read import StatKey

CHUNKS_PER_NOTE = 20
NOTES_PER_FOLDER = 50
TEXT_CHARS = 500
MODEL = "bench-embed"
JOBS = 64  # as many as the worker takes for a round
_SECTION = re.compile(r"(\d+)\n")  # a passage is embedded behind its heading, without marks


@dataclass
class Home:
    """A home below `path` with `chunks` chunks of `dim` dimensions, made by `kind`: builtin or ollama."""

    path: Path
    kind: str
    dim: int
    chunks: int

    @property
    def vault(self) -> Path:
        return self.path / "Vault"

    @property
    def folder(self) -> Path:
        """The store's."""
        return self.path / "data/stores/notes"

    @cached_property
    def _made(self) -> tuple[np.ndarray, int]:
        return rows(self.chunks, self.dim)

    @property
    def rows(self) -> np.ndarray:
        """The vector of each chunk, shape (chunks, dim)."""
        return self._made[0]

    @property
    def n_real(self) -> int:
        """How many of the rows, from the first on, are of distinct real texts."""
        return self._made[1]

    @cached_property
    def bank(self) -> Bank:
        return Bank(space_of(self.kind, self.dim), self.rows)

    def store(self, index: str = "auto", embedder: Embedder | None = None) -> Store:
        """The store, open in this process, that embeds by looking up."""
        return open_store(self.vault, self.folder, lambda: embedder or self.bank, index)

    def target(self, store: Store) -> Target:
        """The store as a query sees it."""
        return Target("notes", store.reader, store.backend, store.space, store.embedder.embed_query, {})


class Bank:
    """
    An embedder that looks up: the row of a section `## i`, or any other real row, the same for the same text.

    Takes microseconds, so that everything but the embedder is measured. Counts what it is asked.
    """

    batch_size = 64

    def __init__(self, space: Space, known: np.ndarray) -> None:
        self._space, self._rows = space, known
        self.n_embedded = 0

    @cached_property
    def _questions(self) -> dict[str, np.ndarray]:
        return dict(zip(questions(), question_rows(self._space.dimension), strict=True))

    def space(self, chunker: str) -> Space:
        return self._space

    def still_makes(self, space: Space) -> bool:
        return self.space("").meaning == space.meaning

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        self.n_embedded += len(texts)
        return np.stack([self._row(text) for text in texts])

    def embed_query(self, text: str) -> np.ndarray:
        found = self._questions.get(text)
        return self._row(text) if found is None else found

    def _row(self, text: str) -> np.ndarray:
        section = _SECTION.match(text)
        at = int(section[1]) if section else xxhash.xxh3_64_intdigest(text.encode())
        found: np.ndarray = self._rows[at % len(self._rows)]
        return found

    def close(self) -> None:
        """Nothing is held."""


def random_bank() -> Bank:
    """For what is about how many texts are embedded, not about their vectors."""
    made = np.random.default_rng(0).standard_normal((1_000, DIMENSION), dtype=np.float32)
    space = Space("bench", "random", "1", DIMENSION, "", chunk.VERSION)
    return Bank(space, made / np.linalg.norm(made, axis=1, keepdims=True))


class BankOllama(FakeOllama):
    """An Ollama whose model is a `Bank`: a daemon that asks it holds no model itself."""

    bank: Bank | None = None

    def vector(self, text: str) -> list[float]:
        if self.bank is None:
            return super().vector(text)
        found: list[float] = self.bank.embed_query(text).tolist()
        return found


def ollama(dim: int, bank: Bank | None = None) -> BankOllama:
    """A server, to be used in a `with`."""
    fake = BankOllama(dimension=dim, models={f"{MODEL}:latest"})
    fake.bank = bank
    return fake


def text_of(i: int) -> str:
    """The words of chunk i."""
    texts = corpus()
    parts, at = [texts[i % len(texts)]], i
    while sum(map(len, parts)) < TEXT_CHARS:
        at += 60_013  # a prime: others than its neighbours go with
        parts.append(texts[at % len(texts)][: 2 * TEXT_CHARS])
    return " ".join(parts)[:1_300]


def space_of(kind: str, dim: int) -> Space:
    """The space as the real embedder tells it."""
    if kind == "builtin":
        assert dim == DIMENSION, f"the builtin model has {DIMENSION} dimensions"
        return create_embedder("builtin", BuiltinEmbedder()).space(chunk.VERSION)
    with ollama(dim) as fake:
        embedder = create_embedder("ollama", OllamaEmbedder(type="ollama", model=MODEL, url=url_of(fake)))
        try:
            return embedder.space(chunk.VERSION)
        finally:
            embedder.close()


def url_of(fake: FakeOllama) -> str:
    return f"http://127.0.0.1:{fake.port}"


def open_store(
    vault: Path,
    folder: Path,
    embedder: Callable[[], Any],
    index: str = "auto",
    *,
    is_server: bool = False,
    made_by: EmbedderSettings | None = None,
) -> Store:
    """
    A store, open in this process and connected; `is_server`: its embedder is treated as one that is waited for.
    `made_by` are the embedder's settings, where it is not the builtin one.
    """
    vault.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    settings = StoreSettings(
        sources=(SourceSettings(path=vault),), backend=FaissBackend.model_validate({"type": "faiss", "index": index})
    )
    if is_server:
        made_by = OllamaEmbedder(type="ollama", model=MODEL)
    if made_by is not None:
        settings = settings.model_copy(update={"embedder": made_by})
    store = opening.open_store("notes", settings, folder, LimitSettings(), embedder)
    for source in store.sources.values():
        store.connect(source)
    store.prepare()
    return store


def index_all(store: Store, after_round: Callable[[], object] = lambda: None) -> None:
    """Scan, and apply what is dirty in rounds, as the worker does."""
    (source,) = store.sources.values()
    store.proofs[source.id].ask_scan(confirm=True)
    dirty, _ = store.scan_source(source)
    waiting = [Visit(source, path) for path in sorted(dirty)]
    while waiting:
        report = store.apply(waiting[:JOBS])
        waiting = [*report.deferred, *waiting[JOBS:]]
        assert not report.later, report.later
        after_round()


# -- making --------------------------------------------------------------------------------------------


def scratch(name: str = "") -> tempfile.TemporaryDirectory[str]:
    """A folder on the disk the cache is on: /tmp is memory on some machines, where a sync costs nothing."""
    place = cache_dir() / "tmp"
    place.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=name or "b-", dir=place)


@contextmanager
def filled(kind: str, dim: int, chunks: int, per_note: int = CHUNKS_PER_NOTE) -> Iterator[Home]:
    """
    A home of one's own, of notes with so many chunks each. With VRAGD_BENCH_HOMES, a folder, it is a copy of what is
    made there once.
    """
    with scratch() as place:
        home = Home(Path(place) / "h", kind, dim, chunks)
        if shared := os.environ.get("VRAGD_BENCH_HOMES"):
            each = "" if per_note == CHUNKS_PER_NOTE else f"-{per_note}"
            kept = Home(Path(shared) / f"{kind}-{dim}-{chunks}{each}", kind, dim, chunks)
            if not kept.path.exists():
                _make(home, per_note)
                shutil.copytree(home.path, kept.path)
            else:
                shutil.copytree(kept.path, home.path)
                _restamp(home)
        else:
            _make(home, per_note)
        yield home


def _make(home: Home, per_note: int) -> None:
    write_notes(home.vault, range(home.chunks), per_note=per_note)
    store = home.store()
    index_all(store)
    while while_idle(store):  # or it is done while something else is measured
        pass
    counts = store.reader.counts()
    assert counts.chunks == home.chunks, counts
    store.close()


def write_notes(vault: Path, wanted: range, prefix: str = "", per_note: int = CHUNKS_PER_NOTE) -> None:
    """The notes of these chunks."""
    for first in range(wanted.start, wanted.stop, per_note):
        number = first // per_note
        note = vault / f"{prefix}{number // NOTES_PER_FOLDER:04}/{number:05}.md"
        note.parent.mkdir(parents=True, exist_ok=True)
        sections = (f"## {i}\n\n{text_of(i)}\n" for i in range(first, min(first + per_note, wanted.stop)))
        note.write_text("\n".join(sections), "utf-8")


def _restamp(home: Home) -> None:
    """A copy has other inodes and times: put them into its catalog, as a rescan that reads every note would."""
    db = apsw.Connection(str(home.folder / "catalog.db"))
    paths = [(row_id, os.fsdecode(path)) for row_id, path in db.execute("select id, path from note")]
    stamps = [(*StatKey.of((home.vault / path).stat()), row_id) for row_id, path in paths]
    with db:
        db.executemany("update note set inode = ?, size = ?, mtime_ns = ?, ctime_ns = ?, racy = 0 where id = ?", stamps)
    db.close()


# -- daemons -------------------------------------------------------------------------------------------


@contextmanager
def daemon(home: Home, fake: FakeOllama | None = None, **config: Any) -> Iterator[Vragd]:
    """A daemon on the home, not started; it is killed in the end."""
    store: Mapping[str, Any] = {"sources": [{"path": str(home.vault)}]}
    if fake is not None:
        store = {**store, "embedder": {"type": "ollama", "model": MODEL, "url": url_of(fake)}}
    # questions come in rounds: every one is to be embedded
    limits = {"remembered_questions": 0} | config.pop("limits", {})
    instance = Vragd(home.path, home.vault, stores={"notes": store}, limits=limits, **config)
    try:
        yield instance
    finally:
        with suppress(ProcessLookupError):
            instance.kill()
