"""A store on a vault, blocking and in this process, with everything that can be turned."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.backends import keys
from tests.catalogs import beside
from vragd.backends.base import Batch
from vragd.backends.memory.backend import MemoryBackend
from vragd.config.settings import DEFAULT_INCLUDE, DocumentSettings, LimitSettings, SourceSettings, StoreSettings
from vragd.embed.base import Embedder, Space
from vragd.embed.settings import EmbedderSettings
from vragd.errors import BackendUnavailable, EmbedderRejected, EmbedderUnavailable, VectorsRefused
from vragd.store.opening import open_store
from vragd.sync.pace import PACE, Pace
from vragd.sync.prepared import Visit
from vragd.system.clock import SYSTEM, Clock


class WordEmbedder:
    """A vector from the hash of a text; remembers what it was asked."""

    batch_size = 8

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.dimension, self.digest = 32, "1"
        self.down = False
        self.chunker = ""
        """Said to have cut the texts, if that is another than ours."""
        self.claims: int | None = None
        """The dimension it says it has, if that is not the truth."""
        self.poison: str | None = None
        """Refused, and with it every batch it is in."""
        self.deadly: str | None = None
        """A text with this word crashes the model, which looks like an outage."""

    def space(self, chunker: str) -> Space:
        if self.down:
            raise EmbedderUnavailable("down")
        return Space("test", "words", self.digest, self.claims or self.dimension, "", self.chunker or chunker)

    def still_makes(self, space: Space) -> bool:
        return self.space("").meaning == space.meaning

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        if self.down or (self.deadly is not None and any(self.deadly in text for text in texts)):
            raise EmbedderUnavailable("down")
        if self.poison and any(self.poison in text for text in texts):
            raise EmbedderRejected("poison")
        self.texts += texts
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> np.ndarray:
        return _row(self.digest + text, self.dimension).copy()

    def close(self) -> None: ...


@functools.lru_cache(20_000)
def _row(text: str, dimension: int) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    row = np.random.default_rng(seed).normal(size=dimension)
    return (row / np.linalg.norm(row)).astype(np.float32)


def without(batch: Batch, bad: Collection[int]) -> Batch:
    """A batch without these of its entries."""
    good = [i for i in range(len(batch)) if i not in bad]
    columns = ([column[i] for i in good] for column in (batch.metadata, batch.payload, batch.versions))
    return Batch([batch.keys[i] for i in good], None if batch.values is None else batch.values[good], *columns)


class Recording(MemoryBackend):
    """Fails before or after a step when told to, and writes down the order of things."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.fail = ""
        self.refuses: str | None = None
        """Chunks with this in their text are refused, once all others of the batch were put."""
        self.after_query: Callable[[], None] = lambda: None
        """Happens between the answer and whatever is made of it."""

    def _step(self, name: str) -> None:
        self.log.append(name)
        if self.fail == name:
            raise BackendUnavailable(f"failed at {name}")

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        self._step("before put")
        bad = {i for i, told in enumerate(batch.payload) if self.refuses and self.refuses in str(told.get("content"))}
        super().put_vectors(name, without(batch, bad), visible=visible)
        if bad:
            keys = tuple(batch.keys[i] for i in sorted(bad))
            raise VectorsRefused("what a backend says of them", keys=keys, part="values")
        self._step("after put")

    def query(self, *args: Any, **named: Any) -> Any:
        if self.fail == "before query":
            raise BackendUnavailable("out")
        matches = super().query(*args, **named)
        self.after_query()
        return matches

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        self._step("before delete")
        super().delete_vectors(name, keys)
        self._step("after delete")


def sql(folder: Path, statement: str, *values: Any) -> list[Any]:
    """What the catalog in `folder` answers to somebody else's connection."""
    with beside(folder / "catalog.db", write=True) as db:
        return list(db.execute(statement, values))


class World:
    """A store on a vault, with everything that can be turned."""

    def __init__(
        self, home: Path, pace: Pace = PACE, other: Embedder | None = None, clock: Clock = SYSTEM,
        settings: EmbedderSettings | None = None,
    ) -> None:  # fmt: skip
        self.vault = home / "vault"
        self.vault.mkdir()
        self.folder = home / "store"
        self.embedder, self.backend, self._pace = WordEmbedder(), Recording(), pace
        self._clock = clock
        self.other = other
        """Embeds instead of `embedder`, if there is one."""
        self._settings = settings or StoreSettings.model_fields["embedder"].get_default(call_default_factory=True)
        self.include: tuple[str, ...] = DEFAULT_INCLUDE
        self.documents = DocumentSettings()
        self.open()
        self.store.prepare()

    def open(self, **limits: int) -> None:
        """The store as it is after a start, before the embedder was asked anything."""
        sources = (SourceSettings(path=self.vault, include=self.include),)
        settings = StoreSettings(sources=sources, embedder=self._settings)
        self.store = open_store(
            "sss", settings, self.folder, LimitSettings(**{"min_free_mib": 0} | limits),
            lambda: self.other or self.embedder, make_backend=lambda *_: self.backend, documents=self.documents,
            pace=self._pace, clock=self._clock,
        )  # fmt: skip
        (self.source,) = self.store.sources.values()
        self.store.connect(self.source)
        self.store.scan_source(self.source)  # a directory that was just opened proves nothing before

    def restart(self, **limits: int) -> None:
        self.store.close()
        self.backend = Recording()
        self.open(**limits)

    def write(self, path: str, text: str) -> None:
        (self.vault / path).parent.mkdir(parents=True, exist_ok=True)
        (self.vault / path).write_text(text)

    def scan(self) -> list[str]:
        """The paths a scan finds dirty."""
        return sorted(self.store.scan_source(self.source)[0])

    def apply(self, *paths: str, patient: bool = True, embed: bool = True) -> Any:
        report = self.store.apply([Visit(self.source, path, patient) for path in paths], embed=embed)
        while report.deferred:
            report = self.store.apply(report.deferred, embed=embed)
        return report

    @property
    def collection(self) -> str:
        assert self.store.space is not None
        return self.store.space.collection

    def texts(self) -> list[tuple[str, str]]:
        """(path, text) of every chunk that a query by vector could find."""
        found = self.store.reader.join(keys(self.backend, self.collection)).values()
        return sorted((chunk.path, chunk.text) for chunk in found)

    def is_sound(self) -> bool:
        assert self.store.space is not None
        live = self.store.catalog.live_keys(self.store.space.id)
        held = set(keys(self.backend, self.collection))
        return live == held and not self.store.catalog.intents(self.store.space.target)
