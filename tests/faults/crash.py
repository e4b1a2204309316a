"""Ends processes at failpoints, one after the other, and looks at what each leaves and what the next makes of it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.depth import at
from tests.faults.crash_checks import (
    Allowed,
    Catalog,
    Violated,
    catalog_of,
    check_payloads,
    check_reader,
    check_remote,
    check_restart,
)
from tests.faults.crash_halts import Point, copied, halts
from tests.faults.crash_life import MOST_S, Life, Task, change, clear_home, go_on, journal, live, vault_of
from tests.faults.crash_remote import Remote
from tests.faults.crash_scenarios import FIRST_DONE, Scenario, note
from tests.harness import tree
from vragd.system.failpoints import EXIT_STATUS

REPOSITORY = Path(__file__).parents[2]
LIKE_THE_LAST = ("transaction.filled", "file.grown")
"""Nothing is durable here that was not at the place before: of these only the first and the last."""

EACH = at(6, 3)
"""Of so many points one is a kill, where others can be had without."""
Choice = Callable[[list[Point]], list[Point]]
FromTheEnd = tuple[str, int]
"""A place, and its how many-th hit counted from the last."""
A_COMMIT = "transaction.committed"
SAME_COMMIT = (
    *("bulk.saved", "sync.intended", "sync.committed", "sync.cleared", "recover.cleared", "migration.committed"),
    *("filling.begun", "filling.remembered", "filling.finished", "filling.put_off", "sweep.remembered"),
    *("space.chosen", "space.switched", "space.cleared", "space.forgotten", "refused.set_aside"),
)
"""Right behind a commit, and nothing was done since."""
ONCE = ("bulk.", "catalog.", "registry.created", "registry.folder_made")
OF_THE_ORDER = ("space.", "registry.", "filling.", "sweep.", "titles.", "refused.", "transaction.")
"""What is the same on every remote backend is left to S3 Vectors."""
LOCAL = (*ONCE, "file.", "migration.", "transaction.filled")
"""What has to do neither with the scenario nor the backend is left to one scenario, what is local to those on FAISS."""


@contextmanager
def process_server() -> Iterator[None]:
    """A process that has imported everything and forks: a new life costs hundredths of a second."""
    before = dict(os.environ)
    os.environ |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        multiprocessing.get_context("forkserver").set_forkserver_preload(["tests.faults.crash_server"])
        forkserver.ensure_running()
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def selected(log: list[str], begins: str, elsewhere: tuple[str, ...], *, pairs: bool) -> list[Point]:
    """
    Which (place, n) of those reached after the place it `begins` with are worth a crash: of each place the first and
    the last, and with `pairs` the first behind another place (of commits: the first, the second and so on behind it);
    without what begins with any of `elsewhere`.
    """
    start = log.index(begins) + 1 if begins else 0
    total, count, since = Counter(log), Counter(log[:start]), Counter[str]()
    seen: set[tuple[str, str, int]] = set()
    points, step, n_commits = [], "", 0
    for place, behind in zip(log[start:], [*log[start + 1 :], ""], strict=True):
        count[place] += 1
        n_commits += place == A_COMMIT
        if not (place.startswith(elsewhere) or (place == A_COMMIT and behind in SAME_COMMIT)):
            since[place] += 1
            is_new = pairs and place not in LIKE_THE_LAST and (step, place, n_commits) not in seen
            if since[place] == 1 or count[place] == total[place] or is_new:
                points.append((place, count[place]))
            seen.add((step, place, n_commits))
        if not place.startswith("transaction."):
            step, n_commits = place, 0
        if place == FIRST_DONE:  # what was tried with an empty index says little of one that holds something
            seen.clear()
            since.clear()
    return points


def others(points: Sequence[Point]) -> list[Point]:
    """What is left of them when each `EACH`-th, from the first on, is taken."""
    return [point for i, point in enumerate(points) if i % EACH]


def from_the_end(log: list[str], place: str, n: int) -> Point:
    """The hit of a place that has `n` - 1 after it."""
    return place, log.count(place) - n + 1


@dataclass
class Tally:
    """What was done: places and points there are, crashes of a first life and of a restart."""

    places: set[str] = field(default_factory=set)
    n_points: int = 0
    n_kills: int = 0
    n_restart_kills: int = 0
    n_fired: int = 0
    n_halts: int = 0
    """Of these, with a process that stood still there."""

    def __str__(self) -> str:
        return (
            f"{len(self.places)} places, {self.n_points} points, {self.n_kills} kills"
            f" and {self.n_restart_kills} of restarts, {self.n_fired} fired, {self.n_halts} of them by standing still"
        )


class Matrix:
    """One scenario in one home, lived through again and again."""

    def __init__(self, home: Path, scenario: Scenario, remote: Remote | None, plant: str = "") -> None:
        self.home, self.scenario, self._remote, self._plant = home / "home", scenario, remote, plant
        self.tally = Tally()
        self._context = multiprocessing.get_context("forkserver")
        self._can_halt = remote is None or remote.can_halt
        self._log = home / "log"
        self._kept = home / "kept"

    # -- processes ---------------------------------------------------------------------------------

    def _started(self, script: Callable[[Life], None], hook: tuple[Any, ...]) -> BaseProcess:
        task = Task(self.home, self._remote.url if self._remote else "", hook, self._plant)
        process = self._context.Process(target=live, args=(task, script))
        process.start()
        return process

    def _ended(self, process: BaseProcess) -> int:
        process.join(MOST_S)
        status = process.exitcode
        if status is None:
            process.kill()
            process.join()
        process.close()
        error = self.home / "error"
        if status not in (0, EXIT_STATUS):
            raise Violated(f"a process ended with {status}: {error.read_text() if error.exists() else ''}")
        return status

    def _logged(self, script: Callable[[Life], None]) -> list[str]:
        """The places a process reaches that is left to live."""
        self._log.unlink(missing_ok=True)
        status = self._ended(self._started(script, ("log", str(self._log))))
        assert status == 0, status
        log = self._log.read_text().split()
        self.tally.places |= set(log)
        return log

    def _killed(self, script: Callable[[Life], None], point: Point) -> None:
        status = self._ended(self._started(script, ("kill", *point)))
        assert status == EXIT_STATUS, f"{self.scenario}: the crash at {point} did not happen"
        self.tally.n_fired += 1

    def _halted(self, script: Callable[[Life], None], points: Sequence[Point]) -> Iterator[Point]:
        """
        Each of these, in the order they are reached, while a process stands still there: what is on the disk and in the
        remote place may be changed meanwhile. At the last it ends, and leaves what was there.
        """
        assert points
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._started(script, ("halt", points, theirs))
        theirs.close()
        with ours:
            try:
                for i, point in enumerate(halts(process, ours, len(points), MOST_S), 1):
                    self.tally.n_fired += 1
                    self.tally.n_halts += 1
                    found = self._left() if i == len(points) else b""
                    with self._aside():
                        yield point
            except BaseException:
                process.kill()
                process.join()
                raise
        assert self._ended(process) == EXIT_STATUS
        assert self._left() == found, f"{self.scenario}: a kill at {point} leaves something else than was there before"

    def clean(self) -> list[str]:
        """The scenario from an empty vault to its end; the places it reaches."""
        self._clear()
        return self._logged(self.scenario)

    def _clear(self) -> None:
        clear_home(self.home)
        if self._remote:
            self._remote.clear()

    # -- the state of the disk and the remote place ------------------------------------------------------

    def _keep(self) -> None:
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self.home / "data", self._kept)
        self._kept_there = self._remote.keep() if self._remote else None

    def _restore(self) -> None:
        shutil.rmtree(self.home / "data")
        shutil.copytree(self._kept, self.home / "data")
        if self._remote:
            self._remote.restore(self._kept_there)

    def _left(self) -> bytes:
        """All of it, byte for byte."""
        of_the_disk = [tree(self.home / name) for name in ("data", "vault")]
        return pickle.dumps((of_the_disk, self._remote.keep() if self._remote else None))

    @contextmanager
    def _aside(self) -> Iterator[None]:
        with copied(self.home / "data"), self._remote.aside() if self._remote else nullcontext():
            yield

    # -- what is asked of it -----------------------------------------------------------------------

    def run(self, choose: Choice) -> Tally:
        """
        A crash at each of the points chosen from those worth it, then each time: what a reader finds at that moment;
        and a restart. Of each `EACH` one is a kill; the restart after it crashes too, each time at another of its
        places, the vault changes, and there is a third start. Of the others there is what a kill would leave: one life
        stands still at each.
        """
        log = self.clean()
        self.tally.n_points = len(log)
        points = choose(self._worth(log, self.scenario.begins))
        for i, point in enumerate(points[::EACH]):
            what, allowed, left = self._crash(point)
            if restart := self._restart(what, allowed, left):
                again = restart[i % len(restart)]
                left = self._crash_again(what, again, allowed)
                self._meddle()
                self._restart(f"{what}, the restart at {again}, the vault changed", allowed, left)
        rest = others(points)
        if not self._can_halt:
            for point in rest:
                self._restart(*self._crash(point))
        elif rest:
            self._clear()
            with closing(self._halted(self.scenario, rest)) as halted:
                for point in halted:
                    self.tally.n_kills += 1
                    what = f"{self.scenario} as killed at {point}"
                    self._restart(what, *self._look(f"{what}, the moment after"))
        return self.tally

    def run_restarts(self, places: Iterable[FromTheEnd], choose: Choice = list, *, undo: bool = False) -> Tally:
        """
        A crash at each of these, a change of the vault, and each time a crash at those points chosen of the restart's.

        `undo`: the change takes back what the crash interrupted.
        """
        log = self.clean()
        self.tally.n_points = len(log)
        for point in [from_the_end(log, *place) for place in places]:
            what, allowed, left = self._crash(point)
            # else the next process does what this one began, and nothing is too much
            (self._undo if undo else self._meddle)()
            allowed = allowed.and_now(self.home)
            places_of_it = choose(self._restart(what, allowed, left))
            for again in places_of_it[::EACH] if self._can_halt else places_of_it:
                left = self._crash_again(what, again, allowed)
                self._restart(f"{what}, the restart at {again}", allowed, left)
            if self._can_halt and (rest := others(places_of_it)):
                self._halt_again(what, rest, allowed)
        return self.tally

    def prove(self, choose: Choice) -> Tally:
        """At each of these a life of its own stands still, then ends: what a kill leaves was there before."""
        log = self.clean()
        for point in choose(self._worth(log, self.scenario.begins)):
            self._clear()
            with closing(self._halted(self.scenario, [point])) as halted:
                assert list(halted) == [point]
        return self.tally

    def see(self, places: Iterable[FromTheEnd], choose: Choice) -> tuple[set[str], set[str]]:
        """
        The places reached by the scenario left to live, and by the restarts after a crash at each of these; and the
        places of the points chosen of those worth a crash.
        """
        log = self.clean()
        points = choose(self._worth(log, self.scenario.begins))
        for place in places:
            points += choose(self._restart(*self._crash(from_the_end(log, *place))))
        return self.tally.places, {place for place, _ in points}

    def _worth(self, log: list[str], begins: str | None = None) -> list[Point]:
        """The points of the scenario, which is whole or `begins` somewhere, or of a restart."""
        is_part = begins != ""
        elsewhere = ONCE if is_part else ()
        if self.scenario.is_remote:
            elsewhere = (*LOCAL, "transaction.") if is_part else LOCAL
        if self.scenario.backend in ("pg", "bucket"):
            elsewhere = (*LOCAL, *OF_THE_ORDER)
        points = selected(log, begins or "", elsewhere, pairs=not self.scenario.is_remote)
        if not self.scenario.is_remote or not is_part:
            return points
        firsts = dict(reversed(points))
        return [(place, n) for place, n in points if n == firsts[place] or not place.startswith("sync.")]

    def _crash(self, point: Point) -> tuple[str, Allowed, Catalog | None]:
        """What happened, in words; what a reader may find; what the catalog holds."""
        what = f"{self.scenario} killed at {point}"
        self._clear()
        self._killed(self.scenario, point)
        self.tally.n_kills += 1
        self._keep()
        return what, *self._look(f"{what}, the moment after")

    def _crash_again(self, what: str, again: Point, allowed: Allowed) -> Catalog | None:
        self._restore()
        self._killed(go_on, again)
        self.tally.n_restart_kills += 1
        return self._look(f"{what}, the restart at {again}, the moment after", allowed)[1]

    def _halt_again(self, what: str, places: Sequence[Point], allowed: Allowed) -> None:
        self._restore()
        with closing(self._halted(go_on, places)) as halted:
            for again in halted:
                self.tally.n_restart_kills += 1
                _, left = self._look(f"{what}, the restart at {again}, the moment after", allowed)
                self._restart(f"{what}, the restart at {again}", allowed, left)

    def _look(self, what: str, allowed: Allowed | None = None) -> tuple[Allowed, Catalog | None]:
        allowed = allowed or Allowed.at_the_end_of(self.home)
        left = catalog_of(self.home)
        if self._remote:
            check_remote(what, allowed, left, self._remote)
        else:
            check_reader(what, allowed, left, None)
        return allowed, left

    def _restart(self, what: str, allowed: Allowed, left: Catalog | None) -> list[Point]:
        """A start that is left to live; the points of it worth a crash."""
        log = self._logged(go_on)
        seen = pickle.loads((self.home / "seen").read_bytes())
        check_restart(what, self.home, seen, allowed, left)
        after = catalog_of(self.home)
        if self._remote and seen["backend"] == self.scenario.backend:
            assert after is not None
            check_payloads(what, after, self._remote.payloads(seen["collection"]))
            assert not self._remote.violations, self._remote.violations
        return self._worth(log)

    def _undo(self) -> None:
        """The vault as it was when it was last indexed whole."""
        then: dict[str, str] = {}
        now: dict[str, str] = {}
        for line in journal(self.home):
            now = line.get("vault", now)
            then = now if "synced" in line else then
        vault = self.home / "vault"
        change(vault, then, [], [path for path in vault_of(vault) if path not in then])

    def _meddle(self) -> None:
        """The vault as somebody leaves it who worked while nobody watched."""
        vault = self.home / "vault"
        write = {"between.md": note("between", "one", "two")}
        notes = vault_of(vault)
        if len(notes) < 4:
            change(vault, write, [], [])
            return
        (first, text), (second, _), (third, _), *_, (last, _) = notes.items()
        write |= {first: note("meddled", "at the top") + text, third: note("meddled", "all of it")}
        change(vault, write, [(second, "elsewhere.md")], [last])
