"""A store on a folder, and what its proof says of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vragd.backends.memory.settings import MemoryBackend
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.embed.base import Embedder
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.registry import create_embedder
from vragd.store.opening import open_store
from vragd.sync.prepared import Visit
from vragd.sync.proof.proof import Proof

N = 30  # above what the guard lets pass at once
NAMES = [f"n{i}.md" for i in range(N)]


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    made = create_embedder("builtin", BuiltinEmbedder())
    yield made
    made.close()


class World:
    """A store on a folder that is no Obsidian vault, all its notes indexed."""

    def __init__(self, home: Path, embedder: Embedder, *, watch: bool = True) -> None:
        self.folder, self.away = home / "folder", home / "away"
        self._home, self._embedder, self._watch = home, embedder, watch
        self.folder.mkdir()
        for name in NAMES:
            (self.folder / name).write_text(f"note {name}")
        self.open()
        self.apply(*self.scan())

    def open(self) -> None:
        sources = (SourceSettings(path=self.folder, watch=self._watch),)
        settings = StoreSettings(sources=sources, backend=MemoryBackend(type="memory"))
        limits = LimitSettings(min_free_mib=0)
        self.store = open_store("abc", settings, self._home / "store", limits, lambda: self._embedder)
        (self.source,) = self.store.sources.values()
        assert self.store.connect(self.source)
        self.store.prepare()

    def reopen(self) -> None:
        self.store.close()
        self.open()

    def unmount(self) -> None:
        """What an unmount leaves: an empty folder, and not the one we know."""
        self.folder.rename(self.away)
        self.folder.mkdir()
        assert not self.source.healthy()
        assert self.store.connect(self.source)

    def mount(self) -> None:
        shutil.rmtree(self.folder)
        self.away.rename(self.folder)
        assert self.store.connect(self.source)

    def scan(self, folder: str = "", *, asked: bool = False, confirmed: bool = False) -> list[str]:
        if asked or confirmed:
            self.proof.ask_scan(confirm=confirmed)
        return self.store.scan_source(self.source, folder)[0]

    def apply(self, *paths: str) -> int:
        """How many of the paths cannot be decided yet."""
        report = self.store.apply([Visit(self.source, path) for path in paths])
        later = len(report.later)
        while report.deferred:
            report = self.store.apply(report.deferred)
            later += len(report.later)
        return later

    @property
    def notes(self) -> int:
        return self.store.reader.counts().notes

    @property
    def proof(self) -> Proof:
        return self.store.proofs[self.source.id]


Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path, embedder: Embedder) -> Iterator[Make]:
    made: list[World] = []

    def make(**how: bool) -> World:
        made.append(World(tmp_path, embedder, **how))
        return made[-1]

    yield make
    for world in made:
        world.store.close()


@pytest.fixture
def world(make: Make) -> World:
    return make()
