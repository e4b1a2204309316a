"""
The machinery of the model: a process that lives, dies at a named place and is raised from what was on the disk,
and what must hold always and at rest. Its rules are in `model`.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import xxhash
from hypothesis import stateful
from hypothesis.errors import StopTest
from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.backends import keys, values
from tests.catalogs import beside
from tests.faults.model_process import MOST, Process
from tests.faults.model_vault import MAX_BYTES, SECRET, Vault, version_of
from tests.world import WordEmbedder
from vragd.notes.page import embedded
from vragd.store.verify import compare_backend, compare_vault
from vragd.system import failpoints

COUNTS: Counter[str] = Counter()
"""What happened in this process: `steps`, `rule NAME`, `reached PLACE`, `crash PLACE`, `meddled NAME`, and more."""
OPEN_PLACES = ("sync.", "bulk.", "recover.", "space.")
"""Where no lock is held that a question needs."""
MEMORY = Path("/dev/shm")
"""A vault there is as real, and nobody waits for a disk: the machine stays up when the process dies."""
ROUNDS = 12

Step = tuple[str, int, str]
"""A place, or the beginning of some places' names; the how manieth time from now; what happens there."""


Rule = Callable[..., None]


@dataclass(slots=True)
class Run:
    """What was done in one example, and how it ended: the traceback, '' if all was well."""

    steps: list[str] = field(default_factory=list)
    ended: str = ""


RUNS: list[Run] = []
"""Every example of this test, in order."""


def noted(function: Rule) -> Rule:
    """A rule that writes down that it was run, and with what."""

    @wraps(function)
    def doing(self: Lives, **drawn: Any) -> None:
        self.run.steps.append(f"{function.__name__}({', '.join(f'{k}={v!r}' for k, v in drawn.items())})")
        function(self, **drawn)

    return doing


def rule(**drawn: Any) -> Callable[[Rule], Any]:
    return lambda function: stateful.rule(**drawn)(noted(function))


def initialize(**drawn: Any) -> Callable[[Rule], Any]:
    return lambda function: stateful.initialize(**drawn)(noted(function))


class Crash(BaseException):
    """The process is no more; no `except Exception` sees that."""


class Lives(RuleBasedStateMachine):
    """`plan` is what is yet to happen in the middle of steps."""

    def __init__(self) -> None:
        super().__init__()
        self.run = Run()
        RUNS.append(self.run)

    def _begin(self, *, obsidian: bool, plan: Iterable[Step]) -> None:
        base = MEMORY if os.access(MEMORY, os.W_OK) else None
        self.home = Path(tempfile.mkdtemp(prefix="vragd-model-", dir=base)).resolve()
        self.vault = Vault(self.home, obsidian=obsidian)
        self.embedder = WordEmbedder()
        self.embedder.batch_size = 4
        self.process: Process | None = None
        self.plan = list(plan)
        self.n_lives, self.n_crashes, self.n_meddled, self.era = 0, 0, 0, 0
        self.survivor: Path | None = None
        self.data = self.home / "life 0"
        self.embedded: Counter[tuple[int, str]] = Counter()
        self.found: AssertionError | None = None
        failpoints.install(self._reached)

    # -- lives and deaths ----------------------------------------------------------------------------

    def _alive(self) -> Process:
        if self.process is None:
            self.process = Process(self.data, self.vault, self.embedder)
            self.process.start()
        return self.process

    def _run(self, call: Callable[[Process], object], plan: Iterable[Step] = ()) -> None:
        """Let the process do something, started first if need be; it may die of it, and start again."""
        self._try(lambda: call(self._alive()), plan)
        if plan and self.process is None:
            self._try(self._alive, ())

    def _try(self, call: Callable[[], object], plan: Iterable[Step]) -> None:
        self.plan += plan
        try:
            call()
        except BaseException:
            if self.survivor is None:
                raise
            self._bury(self.survivor)
        if self.found is not None:
            raise self.found  # whatever the code under test made of it

    def _reached(self, place: str) -> None:
        process = self.process
        if self.survivor is not None or process is None:
            return  # what is still unwound of a dead process
        COUNTS[f"reached {place}"] += 1
        if process.is_up and place.startswith(OPEN_PLACES):
            try:
                self._look(process)
            except AssertionError as error:
                self.found = error
                raise
        due = [step for step in self.plan if place.startswith(step[0]) and step[1] == 1]
        self.plan = [(name, nth - place.startswith(name), what) for name, nth, what in self.plan]
        self.plan = [step for step in self.plan if step[1] > 0]
        for _, _, what in due:
            if what == "crash":
                self._die(place)
            self._meddle(what)

    def _die(self, place: str) -> None:
        """The disk as it is at this moment is all that is left."""
        COUNTS[f"crash {place}"] += 1
        self.n_crashes += 1
        self.n_lives += 1
        self.survivor = self.home / f"life {self.n_lives}"
        shutil.copytree(self.data, self.survivor)
        raise Crash(place)

    def _bury(self, survivor: Path) -> None:
        assert self.process is not None
        self.process.abandon()
        self.process, self.data, self.survivor = None, survivor, None

    def _meddle(self, what: str) -> None:
        """Somebody changes the vault in the middle of a step."""
        if self.vault.away:
            return
        self.n_meddled += 1
        COUNTS["meddled"] += 1
        COUNTS[f"meddled {what}"] += 1
        notes = self.notes()
        if what == "vanish":
            self.vault.go_away("nothing")
        elif what == "delete" and notes:
            self.vault.delete(notes[0])
        else:
            self.vault.write("a.md", b"A lantern that nobody expects.\n", how="in_place")

    def _stop(self) -> None:
        if self.process is not None:
            self._run(Process.stop)
            self.process = None

    def notes(self) -> list[str]:
        """What may be edited."""
        usable = os.R_OK | os.W_OK
        return sorted(
            (path for path in self.vault.notes() if os.access(self.vault.root / path, usable)), key=os.fsencode
        )

    # -- what holds always -----------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        self.vault.check_untouched()
        if self.process is None:
            return
        self._look(self.process)

    def _look(self, process: Process) -> None:
        """What somebody would be answered at this very moment."""
        self._compare_keys(process)
        words, vectors, waiting = process.by_words(), process.by_vector(), process.waiting()
        COUNTS["waited for vectors"] += len(waiting)
        for path in {*self.vault.versions, *words}:
            self.vault.judge(path, words.get(path, ()))
        n_chunks = sum(len(version) for version in words.values())
        COUNTS["chunks answered"] += n_chunks
        assert n_chunks < MOST, "the question does not bring all: make the vault smaller"
        if vectors is None:
            return
        if process.store.rebuilding:  # what is not in the space that answers is found by words
            stray = [path for path, parts in vectors.items() if not set(parts) <= set(words.get(path, ()))]
            assert not stray, f"answered by vector, not by words: {stray}"
            return
        for path in {*words, *vectors}:
            found, near = words.get(path, ()), vectors.get(path, ())
            assert near == found or (path in waiting and set(near) <= set(found)), (
                f"{path} by words {found}\nby vector {near}"
            )

    @staticmethod
    def _compare_keys(process: Process) -> None:
        store = process.store
        if store.space is None or not store.space.has_vectors:
            return
        live, held = store.catalog.live_keys(store.space.id), set(keys(store.backend, store.space.collection))
        intended = set(store.catalog.intents(store.space.target))
        assert live <= held, f"live but not held: {live - held}"
        assert held - live <= intended, f"held, but neither live nor intended: {held - live - intended}"

    def _count_embedded(self) -> None:
        self.embedded.update((self.era, told) for told in self.embedder.texts)
        self.embedder.texts.clear()

    # -- what holds at rest ----------------------------------------------------------------------------

    def _settle(self) -> None:
        """Everything is well again and vragd is given time: then it is all as a walk through the vault says."""
        if self.vault.away:
            self.vault.come_back()
        for path in self.vault.notes():
            if self.vault.root.joinpath(path).stat().st_mode & 0o400 == 0:
                self.vault.touch(path, 0o644)
        self.embedder.down = False
        for _ in range(ROUNDS):
            before = self.n_lives, self.n_meddled
            self._run(self._one_round)
            process = self.process
            if self.vault.away:  # somebody meddled
                self.vault.come_back()
            elif process is not None and (self.n_lives, self.n_meddled) == before and self._is_at_rest(process):
                self._run(self._compare)
                if self.process is not None:
                    return
        raise AssertionError("it does not come to rest")

    def _one_round(self, process: Process) -> None:
        process.n_changes = 0
        process.check()
        process.scan()
        if process.proof.held:
            process.scan()  # the next one misses the same
            if process.proof.held:
                assert not self.vault.notes(), "deletions are held back although there are notes, and the scans agree"
                process.proof.ask_scan(confirm=True)
                process.scan()
        process.prepared = False  # the model is looked at now and then
        for _ in range(ROUNDS):
            if process.prepared and not (process.queue or process.later or process.parked):
                return
            process.time_passes()
            process.work(64)
            self.holds()

    @staticmethod
    def _is_at_rest(process: Process) -> bool:
        """Whether there was nothing to do in the last round."""
        left = process.queue or process.later or process.parked
        return not (process.n_changes or left or process.store.rebuilding)

    def _compare(self, process: Process) -> None:
        """Catalog and backend against the vault, by means of the test's own, and then by vragd's."""
        store, notes = process.store, self.vault.notes()
        assert store.space is not None
        wanted = {path: version for path, data in notes.items() if (version := version_of(path, data))}
        for found in (process.by_words(), process.by_vector()):
            assert found == wanted, f"at rest {found} is answered, and the vault has {wanted}"
        texts = self._compare_catalog(notes)
        assert sorted(texts.values()) == sorted(part[3] for version in wanted.values() for part in version)
        assert SECRET not in "".join(texts.values())
        assert store.backend.list_collections() == [store.space.collection]
        held = values(store.backend, store.space.collection, list(texts))
        assert set(keys(store.backend, store.space.collection)) == set(texts) == set(held)
        for key, told in texts.items():
            cosine = float(held[key] @ self.embedder.embed_query(embedded(told)))
            assert cosine > 0.999, f"a vector of another text or model: {cosine}"  # some layouts keep 8 bits
        problems = [*compare_vault(store, process.source, frozenset()), *compare_backend(store)]
        assert not problems, problems
        leftovers = list(self.data.rglob(".*.tmp"))
        assert not leftovers, leftovers
        self._count_embedded()
        twice = sum(n - 1 for n in self.embedded.values())
        assert twice <= self.embedder.batch_size * self.n_crashes, f"{twice} texts were embedded again"
        COUNTS["compared notes"] += len(notes)

    def _compare_catalog(self, notes: Mapping[str, bytes]) -> dict[str, str]:
        """The catalog's file against the notes; the text of each chunk by key."""
        with beside(self.data / "catalog.db") as db:
            digests = {os.fsdecode(path): digest for path, digest in db.execute("select path, digest from note")}
            intents = list(db.execute("select * from intent"))
            assert not intents, f"{intents} is still intended"
            # those that were left are there for whoever comes back to them, and are none of the store's
            assert list(db.execute("select count(*) from space where fingerprint not like 'left %'")) == [(1,)]
            texts = dict(db.execute("select key, text from chunk"))
        unread = {path for path, data in notes.items() if len(data) > MAX_BYTES}
        digest_of = xxhash.xxh3_128_digest
        assert digests == {path: None if path in unread else digest_of(data) for path, data in notes.items()}
        return texts

    def teardown(self) -> None:
        error = sys.exc_info()[1]
        try:
            if error is None and hasattr(self, "vault"):
                self._settle()
                self._stop()
                self.vault.check_untouched()
        except BaseException as late:
            error = late
            raise
        finally:
            went_on = error is None or isinstance(error, StopTest)  # of which it wants no more steps
            self.run.ended = "" if went_on else "".join(traceback.format_exception(error))
            failpoints.install(None)
            if hasattr(self, "home"):
                if self.process is not None:
                    self.process.abandon()
                shutil.rmtree(self.home)

    @staticmethod
    def _count(name: str) -> None:
        COUNTS["steps"] += 1
        COUNTS[f"rule {name}"] += 1
