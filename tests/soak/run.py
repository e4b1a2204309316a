"""One run: everything started, two phases of trouble, a comparison every so often, a verdict."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.catalogs import beside
from tests.fakes.ollama import FakeOllama
from tests.fakes.s3vectors import CREDENTIALS, FakeS3Vectors
from tests.harness import Vragd, copy_vault
from tests.soak.asker import Asker
from tests.soak.book import MAX_FILE_BYTES, Book
from tests.soak.chaos import Rough, Services
from tests.soak.checks import Check, kept_bytes
from tests.soak.editor import play
from tests.soak.faults import of_ollama, of_s3
from tests.soak.figures import Sample, sample
from tests.soak.findings import Findings
from tests.soak.lives import Lives, LogTail
from tests.soak.storms import Storms
from tests.soak.texts import note

STORES, BUCKET = ["notes", "far"], "soak-vectors"
SAMPLE_S = 2.0
KILLS_SHARE = 0.4
WARM_UP_S = 120.0
MOST_BAD_CHECKS = 3
# Said on purpose while we deny, expire or replace something; what follows from them is compared all the same.
EXPECTED_ERRORS = frozenset[str]()


@dataclass(frozen=True, slots=True)
class Options:
    """`small` leaves the bundled vault out. `plant` is a fault of ours that the run must find: a test of the soak."""

    minutes: float = 10.0
    seed: int = 0
    backend: str = "s3vectors"
    every_s: float = 30.0
    small: bool = False
    plant: str = ""
    keep: bool = False


class Soak:
    """From `run` to its end. What it used is left in `home`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.home = Path(tempfile.mkdtemp(prefix="vragd-soak-")).resolve()
        self.findings = Findings(options.seed)
        self.samples: list[Sample] = []
        self.ollama = FakeOllama()
        self.s3 = FakeS3Vectors() if options.backend == "s3vectors" else None
        self.daemon = Vragd(self.home)
        self.book = Book(self.daemon.vault)
        self.outside = self.home / "outside"
        self.outside.mkdir()
        self.lives = Lives(self.daemon, self.findings, self._document())
        self.tail = LogTail(self.home / "logs" / "vragd.log", self.findings, EXPECTED_ERRORS)
        self.editor = Storms(self.book, self.outside, options.seed)
        self.asker = Asker(self.lives, self.book, self.findings, STORES, options.seed)
        faults = of_ollama(self.ollama, random.Random(options.seed), lambda: self.asker.counts["lacking"])
        if self.s3 is not None:
            faults += of_s3(self.s3, lambda: self.asker.counts["lacking"])
        self.services = Services(faults, "far", self.lives, self.asker, self.findings, options.seed)
        self._editing, self._rough_gate, self._services_gate = (threading.Lock() for _ in range(3))
        self.rough = Rough(self.lives, self.editor, self._editing, self.findings, options.seed)
        self.check = Check(self.daemon, self.book, self.findings, STORES, self.s3, BUCKET)
        self.phase2_at = float("inf")
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._n_bad = 0

    def _document(self) -> dict[str, Any]:
        source = {"path": str(self.daemon.vault)}
        ollama = {"type": "ollama", "model": "fake-embed", "url": self.ollama.url, "timeout_s": 5, "query_timeout_s": 1}
        far: dict[str, Any] = {"sources": [source], "embedder": ollama}
        if self.s3 is not None:
            far["backend"] = {
                "type": "s3vectors", "bucket": BUCKET, "endpoint_url": self.s3.url, "timeout_s": 3,
                "query_timeout_s": 1,
            }  # fmt: skip
        return {
            "stores": {"notes": {"sources": [source]}, "far": far},
            "limits": {"max_file_bytes": MAX_FILE_BYTES, "keep_embeddings_days": 0},
            "log": {"file": str(self.home / "logs" / "vragd.log"), "max_mib": 1, "keep": 20, "format": "json"},
        }

    # -- the run -------------------------------------------------------------------------------------

    def run(self) -> None:
        """Everything, to the end or to the third check that found something."""
        with ExitStack() as stack:
            if self.s3 is not None:
                os.environ.update(CREDENTIALS)
                stack.enter_context(self.s3)
            stack.enter_context(self.ollama)
            stack.callback(self.daemon.kill)
            stack.callback(self._end_threads)
            self._prepare_vault()
            self.lives.configure()
            self.lives.start()
            if self._compare():
                self._begin_threads()
                self._keep_on()
            self._end_threads()
            if self.lives.pid is not None and not self.findings.found:
                self.lives.stop()
            self.tail.read()

    def _prepare_vault(self) -> None:
        if not self.options.small:
            copy_vault("kepano", self.daemon.vault)
        rng = random.Random(self.options.seed)
        for i in range(20 if self.options.small else 60):
            folder = self.daemon.vault / f"Generated {i % 4}"
            folder.mkdir(exist_ok=True)
            (folder / f"Start {i}.md").write_bytes(note(rng))
        self.book.adopt()

    def _begin_threads(self) -> None:
        hold, stop = self.editor.hold, self._stop
        jobs: dict[str, Callable[[], None]] = {
            "editor": lambda: play(self.editor, stop, self._editing),
            "asker": lambda: self.asker.run(stop),
            "services": lambda: self.services.run(stop, self._services_gate, hold),
            "rough": lambda: self.rough.run(stop, self._rough_gate, hold),
            "sampler": self._sampler,
        }
        for name, job in jobs.items():
            thread = threading.Thread(target=self._guarded, args=(name, job), name=f"soak-{name}")
            thread.start()
            self._threads.append(thread)

    def _guarded(self, name: str, job: Callable[[], None]) -> None:
        """A thread of ours that fails would leave its part untested: that is a finding, too."""
        try:
            job()
        except BaseException as error:
            self.findings.add("soak_failed", path=name, expected="no exception", found=repr(error))
            self._stop.set()
            if not isinstance(error, AssertionError):
                raise

    def _end_threads(self) -> None:
        self._stop.set()
        self.editor.hold.set()
        self.ollama.release()
        for thread in self._threads:
            thread.join(60)
        self._threads.clear()

    def _keep_on(self) -> None:
        whole_s = self.options.minutes * 60
        began = self.findings.at
        self.phase2_at = began + whole_s * KILLS_SHARE
        while (left := began + whole_s - self.findings.at) > 0 and not self._stop.is_set():
            self._stop.wait(min(self.options.every_s, left))
            if self.rough.kills and self.findings.at >= self.phase2_at:
                with self._rough_gate:
                    self.rough.kills = False
            with self._all_quiet():
                fine = self._compare()
            if not fine and (self._n_bad >= MOST_BAD_CHECKS or self.lives.pid is None or self.options.plant):
                break

    @contextmanager
    def _all_quiet(self) -> Iterator[None]:
        """Editor, faults and rough treatment pause; the asker goes on."""
        self.editor.hold.set()
        self.ollama.release()
        try:
            with self._rough_gate, self._services_gate, self._editing:
                yield
        finally:
            self.editor.hold.clear()

    # -- comparing -------------------------------------------------------------------------------------

    def _compare(self) -> bool:
        """One comparison, with all that goes with it; whether nothing was found since the last."""
        n_before = len(self.findings)
        if self.check.n and self.options.plant and self.check.converge():
            PLANTS[self.options.plant](self)
        began = time.monotonic()
        self.check.compare()
        self.tail.read()
        if self.lives.pid is not None:
            self._sample(calm=True)
        fine = len(self.findings) == n_before and not self._since_last()
        if fine:
            self.book.forget(self.asker.checked_at)
            self.asker.checked_at = began
        else:
            self._n_bad += 1
            self._keep_for_inspection()
        self._n_seen = len(self.findings)
        self.ollama.forget_requests()
        self._say_progress(fine)
        return fine

    _n_seen = 0

    def _since_last(self) -> bool:
        """Whether somebody else has found something since the last comparison."""
        return len(self.findings) > self._n_seen

    def _keep_for_inspection(self) -> None:
        kept = self.home / f"kept-{self._n_bad}"
        for folder in (self.daemon.data, self.book.root, self.home / "logs"):
            shutil.copytree(folder, kept / folder.name, symlinks=True, ignore_dangling_symlinks=True)

    def _say_progress(self, fine: bool) -> None:
        last = self.samples[-1] if self.samples else None
        figures = f"RSS {last.rss_mib:.0f} MiB, fds {last.fds}, data {last.data_mib:.1f} MiB" if last else "no daemon"
        phase = 1 if self.rough.kills else 2
        at = int(self.findings.at)
        print(
            f"[{at // 60:3}:{at % 60:02}] phase {phase} check {self.check.n} {'ok' if fine else 'DIVERGES'}: "
            f"{len(self.book.files)} files, {self.editor.counts.total()} edits, life {self.lives.n}, "
            f"{self.rough.done.total()} rough, {self.services.begun.total()} faults, "
            f"{self.asker.counts['answered']} answers, {figures}, {len(self.findings)} divergences",
            file=sys.stderr, flush=True,
        )  # fmt: skip

    # -- measuring -------------------------------------------------------------------------------------

    def _sampler(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self.tail.read()
            if not self.lives.check_alive():
                self._stop.set()
                return
            if self.lives.up.is_set():
                self._sample(calm=False)

    def _sample(self, *, calm: bool) -> None:
        pid, life = self.lives.pid, self.lives.n
        if pid is None:
            return
        try:
            kept = kept_bytes(self.daemon, STORES) if calm else 0
            age = time.monotonic() - self.lives.began
            self.samples.append(
                sample(
                    pid, self.daemon.data, self.home / "logs", at=self.findings.at, life=life, age=age, calm=calm,
                    kept=kept,
                )
            )  # fmt: skip
        except OSError:
            return  # it was killed meanwhile


def _plant_chunks(soak: Soak) -> None:
    """A note loses its chunks behind the daemon's back."""
    with beside(soak.daemon.data / "stores/notes/catalog.db", write=True) as db:
        note_id = db.execute("select note_id from chunk order by note_id limit 1").get
        db.execute("delete from chunk where note_id = ?", (note_id,))


def _plant_byte(soak: Soak) -> None:
    """Somebody else than the editor writes into the vault."""
    path = soak.book.path_of(soak.book.notes()[0])
    path.write_bytes(path.read_bytes() + b"!")


def _plant_expectation(soak: Soak) -> None:
    """The soak expects a version of a note that never was."""
    first = soak.book.notes()[0]
    soak.book.pretend[first] = b"# Never\n\nwritten\n"


PLANTS: dict[str, Callable[[Soak], None]] = {
    "chunks": _plant_chunks, "byte": _plant_byte, "expectation": _plant_expectation,
}  # fmt: skip
