"""
One life of the daemon in the model test: what its keeper and worker do with a store, without their event loop.

Ends by `stop`, or as kill -9 would end it: `abandon` lets nothing be written where the next life looks.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw

from tests.backends import delete
from tests.faults.model_vault import ERA_S, MAX_BYTES, Part, Vault, Version, in_order
from tests.world import WordEmbedder
from vragd.backends.faiss.backend import FaissBackend
from vragd.backends.faiss.collection import Tuning
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.errors import EmbedderChanged, EmbedderUnavailable, VragdError
from vragd.search.ask import Hit, Place, Question, Target, ask
from vragd.store.idle import while_idle
from vragd.store.opening import open_store
from vragd.sync.pace import Pace
from vragd.sync.prepared import Visit
from vragd.system.files import sweep_temporary

COMMON = "lantern"
"""Stands in every chunk that the model writes, so that one question by words brings them all."""
MOST = 100
MOST_ROUNDS = 100
HASTY = Pace(round_s=0.0, guard_at_least=3, guard_confirm_s=0.0)
"""A handful of notes passes its thresholds, and long notes take several rounds: one batch each."""


def _faiss(_: str, settings: Any, folder: Path) -> FaissBackend:
    """With thresholds that a handful of chunks passes."""
    tuning = Tuning(flush_at_least=3, flush_share=0.01, compact_at_least=4, scan_from=16)
    return FaissBackend(settings.index, folder, tuning)


class Process:
    """A store in `folder`, opened by `start`."""

    def __init__(self, folder: Path, vault: Vault, embedder: WordEmbedder) -> None:
        self.folder, self._vault, self.embedder = folder, vault, embedder
        self.queue: dict[str, bool] = {}
        """Paths to look at, and whether to be patient with them."""
        self.later: dict[str, bool] = {}
        self.parked: dict[str, bool] = {}
        """Of those the ones that wait for the embedder."""
        self.prepared = False
        self.is_up = False
        self.n_changes = 0
        """Notes changed or removed by `work`."""
        settings = StoreSettings(sources=(SourceSettings(path=vault.root),))
        limits = LimitSettings(min_free_mib=0, max_file_bytes=MAX_BYTES)
        self.store: Any = None
        """Not before it is open: a crash may come first."""
        self._open = lambda: open_store(
            "sss", settings, folder, limits, lambda: embedder, make_backend=_faiss, pace=HASTY
        )

    def start(self) -> None:
        """Open, connect, look at everything, as each start does."""
        if self.folder.exists():
            sweep_temporary(self.folder)
        self.store = self._open()
        (self.source,) = self.store.sources.values()
        self.source.clock, self.source.resolution_s = self._vault.clock, lambda _: ERA_S
        self.proof = self.store.proofs[self.source.id]
        self.is_up = True
        self.check()

    # -- what the keeper does ------------------------------------------------------------------------

    def check(self) -> None:
        """A heartbeat: a root that went away or came back is taken, and scanned."""
        if self.source.healthy() and self.source.state == "ok":
            return
        is_first = self.source.state == "new"
        root = self.proof.find()
        if root is None:
            self._forget()
            return
        if self.proof.take(root) and not is_first:
            self._forget()
        self.scan()

    def _forget(self) -> None:
        self.queue.clear()
        self.later.clear()
        self.parked.clear()

    def scan(self, folder: str = "") -> None:
        """What differs from the catalog is queued."""
        if not self.source.healthy():
            self.check()
            return
        if not folder:
            self.source.refresh_rules()
        paths, found = self.store.scan_source(self.source, folder)
        self.hint(*paths)
        if not folder and not found.stopped and "" not in found.unreadable:
            self.proof.remember()

    def hint(self, *paths: str) -> None:
        """As an event does."""
        self.queue.update(dict.fromkeys(paths, True))

    def rules_changed(self) -> None:
        """What Obsidian excludes was changed, as an event says."""
        self.check()
        if self.source.refresh_rules():
            self.scan()

    def time_passes(self) -> None:
        """Whatever was to be tried again later is due."""
        self.queue.update(self.later)
        self.later.clear()

    def look_and_work(self, limit: int) -> None:
        self.scan()
        self.work(limit)

    # -- what the worker does ------------------------------------------------------------------------

    def work(self, limit: int) -> None:
        """Apply at most `limit` of what is queued. Nothing else than an embedder that is out may be in the way."""
        self._prepare()
        visits = [Visit(self.source, path, patient) for path, patient in list(self.queue.items())[:limit]]
        for _ in range(MOST_ROUNDS):
            if not visits:
                while while_idle(self.store):
                    pass
                return
            visits = self._round(visits)
        raise AssertionError(f"after {MOST_ROUNDS} rounds {[visit.path for visit in visits]} is still deferred")

    def _out(self, error: EmbedderUnavailable) -> None:
        self.prepared = False
        assert self.embedder.down or isinstance(error, EmbedderChanged), error

    def _prepare(self) -> None:
        if self.prepared:
            return
        try:
            self.store.prepare()
        except EmbedderUnavailable as error:
            self._out(error)
            return
        self.prepared = True
        self.queue.update(self.parked)
        self.parked.clear()
        if self.store.rebuilding and self.source.state == "ok":
            assert self.store.space is not None
            self.hint(*(path for _, path in self.store.catalog.notes_outside(self.store.space.id)))

    def _round(self, visits: list[Visit]) -> list[Visit]:
        try:
            report = self.store.apply(visits, embed=self.prepared)
        except EmbedderUnavailable as error:
            self._out(error)
            report = self.store.report
        for visit in visits:
            self.queue.pop(visit.path, None)
            self.parked.pop(visit.path, None)
        self.parked.update({visit.path: visit.patient for visit in report.parked})
        self.queue.update({visit.path: visit.patient for visit in report.deferred})
        self.later.update({visit.path: visit.patient for visit, _ in report.later})
        self.n_changes += report.n_changed + report.n_removed
        return report.deferred

    # -- what is answered ----------------------------------------------------------------------------

    def by_words(self) -> dict[str, Version]:
        """By path all that can be found, asked for by the word that is everywhere."""
        return _by_path(ask(self._target(), Question(text=COMMON, mode="keyword", top_k=MOST, chunks=True)).hits)

    def by_vector(self) -> dict[str, Version] | None:
        """By path all that can be found, asked for by a vector; None before there is a space."""
        target = self._target()
        if target.space is None:
            return None
        vector = tuple(float(value) for value in WordEmbedder().embed_query("x")[: target.space.dimension])
        answer = ask(target, Question(vector=vector, mode="vector", top_k=MOST, chunks=True))
        assert not answer.degraded, answer.degraded
        return _by_path(answer.hits)

    def _target(self) -> Target:
        store, answering = self.store, self.store.answering
        places_ = {
            source.label: Place(source.uid, source.path, source.in_obsidian) for source in store.sources.values()
        }
        space = answering.space if answering else None
        return Target(store.name, store.reader, store.backend, space, self.embedder.embed_query, places_)

    def waiting(self) -> set[str]:
        """The paths of the notes whose words are found and whose vectors wait for the embedder."""
        return {row.path for row in self.store.reader.files(["pending"])}

    # -- the end -------------------------------------------------------------------------------------

    def stop(self) -> None:
        """A clean stop."""
        self.is_up = False
        self.store.close()

    def abandon(self) -> None:
        """Free what a dead process would have freed, and its folder: nothing of it may be of use to the next."""
        self.is_up = False
        for source in self.store.sources.values() if self.store else ():
            source.close()
        for connection in apsw.connections():
            if connection.filename.startswith(str(self.folder)):
                connection.close(True)
        with suppress(VragdError, AssertionError, OSError):
            for name in self.store.backend.list_collections() if self.store else ():
                delete(self.store.backend, name)  # closes its cache file
        shutil.rmtree(self.folder)


def _by_path(hits: Iterable[Hit]) -> dict[str, Version]:
    found: dict[str, list[Part]] = {}
    for hit in hits:
        if not hit.text:
            continue  # a note without chunks, by its name
        found.setdefault(hit.path, []).append((hit.title, hit.heading, hit.lines, hit.text))
    return {path: in_order(parts) for path, parts in found.items()}
