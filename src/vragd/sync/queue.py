"""
The set of paths to look at, from events, scans and requests alike. Bounded, and safe from any thread.

A hint waits until its path has been quiet for the settle time, so that a note is read once per save and
not while it is written; but not longer than `settle_max_s` altogether.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable
from itertools import islice

from vragd.sync.wait import SCAN_BACK_OFF_LAST_S, TRIES_WAITED_FOR, Waiting, any_unfound, back_off, common

# Beyond so many hints it is cheaper to scan (syncthing's aggregator has the same numbers).
MAX_PER_FOLDER = 128
MAX_HINTS = 4_096
MAX_FOLDERS = 512  # of one source

SourcePath = tuple[int, str]  # source id, path


class DirtyPaths:
    """
    Paths and folders that may differ from the index, each with the moment it may be looked at.

    `take` hands out what is due; it counts as unsettled until `done`, also while put back (unless `settled`) or
    parked. A ticket names a moment: everything known to be dirty by then has been dealt with once
    `settled(ticket)`. Tickets of different queues differ, those of an earlier process too: see `issued`.
    """

    def __init__(
        self, *, settle_s: float, settle_max_s: float, wake: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._settle_s, self._settle_max_s = settle_s, settle_max_s
        self._wake, self._clock = wake, clock
        self._lock = threading.Lock()
        self._hinted: dict[SourcePath, Waiting] = {}
        self._bulk: dict[SourcePath, Waiting] = {}
        self._folders: dict[SourcePath, Waiting] = {}
        self._taken: dict[SourcePath, Waiting] = {}
        self._scanning: dict[SourcePath, Waiting] = {}
        self._per_folder: Counter[SourcePath] = Counter()
        self._first = self._ticket = time.time_ns() // 1_000  # below 2**53, what JSON takes for a whole number

    # -- what comes in -----------------------------------------------------------------------------

    def hint(self, source: int, path: str, *, folder: bool = False, settle: bool = True) -> int:
        """Look at `path` once it has settled, or now. Returns the ticket to wait for."""
        now = self._clock()
        with self._lock:
            self._ticket += 1
            if folder or not path:
                self._hint_folder((source, path), now, settle)
            else:
                self._hint_file(source, path, now, settle)
            ticket = self._ticket
        self._wake()
        return ticket

    def _hint_file(self, source: int, path: str, now: float, settle: bool) -> None:
        place, folder = (source, path), (source, path.rpartition("/")[0])
        if place not in self._hinted:
            if len(self._hinted) >= MAX_HINTS:
                self._collapse((source, ""), now)
                return
            if self._per_folder[folder] >= MAX_PER_FOLDER:
                self._collapse(folder, now)
                return
            self._per_folder[folder] += 1
        self._touch(self._hinted, place, now, settle).save()
        if found := self._bulk.pop(place, None):
            due = self._hinted[place].due
            self._hinted[place].merge(found)
            if not settle:
                self._hinted[place].due = due  # somebody asks for it now

    def _collapse(self, folder: SourcePath, now: float) -> None:
        """One scan instead of many hints: those below `folder` are dropped, the scan finds them."""
        source, prefix = folder[0], folder[1] + "/" if folder[1] else ""
        earliest = self._ticket
        for place in [p for p in self._hinted if p[0] == source and p[1].startswith(prefix)]:
            earliest = min(earliest, self._drop_hint(place).ticket)
        waiting = self._hint_folder(folder, now, settle=True)
        waiting.ticket = min(waiting.ticket, earliest)

    def _hint_folder(self, place: SourcePath, now: float, settle: bool) -> Waiting:
        """What will look at `place`: its own scan, or that of a folder around it that waits. Those below it go."""
        if place not in self._folders and (around := self._around(place)) is not None:
            waiting = self._folders[around]
            if not settle:
                waiting.due = now  # somebody asks for it now
            return waiting
        waiting = self._touch(self._folders, place, now, settle)
        self._take_in(place, waiting)
        if sum(source == place[0] for source, _ in self._folders) > MAX_FOLDERS:
            shared = common([path for source, path in self._folders if source == place[0]])
            waiting = self._touch(self._folders, (place[0], shared), now, settle)
            self._take_in((place[0], shared), waiting)
        return waiting

    def _around(self, place: SourcePath) -> SourcePath | None:
        """A folder around `place` that waits for its scan; not one that has failed, which may wait for long."""
        source, path = place
        while path:
            path = path.rpartition("/")[0]
            waiting = self._folders.get((source, path))
            if waiting is not None and not waiting.tries:
                return source, path
        return None

    def _take_in(self, place: SourcePath, waiting: Waiting) -> None:
        """The scan of `place` is also that of every folder below it: whoever waits for one of those waits for it."""
        source, prefix = place[0], f"{place[1]}/" if place[1] else ""
        below = [p for p in self._folders if p[0] == source and p[1].startswith(prefix) and p != place]
        for one in map(self._folders.pop, below):
            waiting.ticket, waiting.latest = min(waiting.ticket, one.ticket), min(waiting.latest, one.latest)
        waiting.due = max(min(waiting.due, waiting.latest), waiting.not_before)

    def _drop_hint(self, place: SourcePath) -> Waiting:
        folder = (place[0], place[1].rpartition("/")[0])
        self._per_folder[folder] -= 1
        if not self._per_folder[folder]:
            del self._per_folder[folder]
        return self._hinted.pop(place)

    def _touch(self, table: dict[SourcePath, Waiting], place: SourcePath, now: float, settle: bool) -> Waiting:
        waiting = table.get(place)
        if waiting is None:
            due = now + (self._settle_s if settle else 0)
            waiting = table[place] = Waiting(due, now + self._settle_max_s, self._ticket)
        elif settle:
            waiting.due = max(min(now + self._settle_s, waiting.latest), waiting.not_before)
        else:
            waiting.due = now
        return waiting

    def add(
        self, places: Iterable[SourcePath], ticket: int | None = None, *, first: Container[str] = ()
    ) -> None:  # fmt: skip
        """
        Paths a scan found to differ: looked at after whatever was just saved, those that are among `first` before all
        others. Whoever waits for `ticket`, that of the scan, waits for what it found.
        """
        now = self._clock()
        with self._lock:
            ticket = self._ticket if ticket is None else ticket
            ahead = dict[SourcePath, Waiting]()
            for place in places:
                if waiting := self._hinted.get(place) or self._bulk.get(place):
                    waiting.ticket = min(waiting.ticket, ticket)
                    waiting.due, waiting.by_words = now if waiting.is_parked else waiting.due, False
                else:
                    waiting = self._bulk[place] = Waiting(now, now, ticket)
                if place[1] in first and place in self._bulk:
                    ahead[place], waiting.ahead = waiting, True
            if ahead:
                self._bulk = {**ahead, **self._bulk}
        self._wake()

    # -- paths -------------------------------------------------------------------------------------

    def take(self, limit: int, *, together: bool = False) -> list[tuple[SourcePath, bool]]:
        """
        Up to `limit` due paths, each with whether to be patient with an empty file.

        What was just saved comes alone: a round that also held bulk work would make it wait; so does what is to go
        `first` of what scans found. `together` takes as many of either: while what was saved cannot be done, the rest
        must not wait for it.
        """
        now = self._clock()
        with self._lock:
            taken = [(place, self._drop_hint(place)) for place in _due(self._hinted, now, limit)]
            if not taken or together:
                due = _due(self._bulk, now, limit)
                alone = [] if together else [place for place in due if self._bulk[place].ahead]
                taken += [(place, self._bulk.pop(place)) for place in alone or due]
            for place, waiting in taken:
                if before := self._taken.get(place):
                    waiting.merge(before)
                self._taken[place] = waiting
        return [(place, waiting.empty_from is None or now < waiting.empty_from) for place, waiting in taken]

    def put_back(
        self, places: Iterable[SourcePath], delay_s: float, *, patient: bool = True, settled: bool = False,
        begun: bool = False,
    ) -> None:  # fmt: skip
        """
        Taken paths that must be looked at again, after `delay_s` and each time twice as long; 0 for those that go on.

        What was just saved stays before what scans found, and of that what has `begun` before the rest.
        `patient=False`: then an empty file is believed. `settled`: nobody needs to wait for them any longer.
        """
        now = self._clock()
        with self._lock:
            first: dict[SourcePath, Waiting] = {}
            for place in places:
                taken = self._taken.pop(place, None) or Waiting(now, now, self._ticket)
                taken.put_off(now, delay_s, self._settle_max_s, patient=patient)
                if settled or taken.tries >= TRIES_WAITED_FOR:
                    self._ticket += 1
                    taken.ticket = self._ticket
                self._wait_again(place, taken, first if begun else self._bulk)
            if first:
                self._bulk = {**first, **self._bulk}
        self._wake()

    def park(self, places: Iterable[SourcePath]) -> None:
        """Taken paths for which time does nothing: they wait until they are released, and unsettled meanwhile."""
        with self._lock:
            for place in places:
                taken = self._taken.pop(place, None) or Waiting(0.0, 0.0, self._ticket)
                taken.park()
                if waiting := self._hinted.get(place) or self._bulk.get(place):
                    waiting.merge(taken)  # it was told of meanwhile: then it is looked at once more
                else:
                    self._bulk[place] = taken

    def release(self, most: int | None = None) -> None:
        """Have parked paths, or so many of them, looked at."""
        now = self._clock()
        with self._lock:
            parked = (place for place, waiting in self._bulk.items() if waiting.is_parked)
            for place in list(islice(parked, most)):
                waiting = self._bulk.pop(place)
                waiting.due = now
                self._wait_again(place, waiting, self._bulk)  # what was just saved goes first, as ever
        self._wake()

    def _wait_again(self, place: SourcePath, taken: Waiting, bulk: dict[SourcePath, Waiting]) -> None:
        if waiting := self._hinted.get(place) or self._bulk.get(place):
            waiting.merge(taken)
            waiting.latest = min(waiting.latest, taken.latest)
            waiting.due = max(min(waiting.due, waiting.latest), waiting.not_before)
            return
        folder = (place[0], place[1].rpartition("/")[0])
        if taken.saved and len(self._hinted) < MAX_HINTS and self._per_folder[folder] < MAX_PER_FOLDER:
            self._per_folder[folder] += 1
            self._hinted[place] = taken
        else:
            bulk[place] = taken

    def done(self, places: Iterable[SourcePath]) -> None:
        """Taken paths that have been dealt with. Those put back in between are left alone."""
        with self._lock:
            for place in places:
                self._taken.pop(place, None)
        self._wake()

    # -- folders -----------------------------------------------------------------------------------

    def take_folder(self, source: int) -> tuple[str, int] | None:
        """
        A folder of the source that is due for a scan, the outermost first, and the ticket of what it finds.

        `scanned` or `scan_again` must follow.
        """
        now = self._clock()
        with self._lock:
            due = [p for p, waiting in self._folders.items() if p[0] == source and waiting.due <= now]
            if not due:
                return None
            place = min(due, key=lambda p: len(p[1]))
            waiting = self._scanning[place] = self._folders.pop(place)
            return place[1], waiting.ticket

    def scanned(self, place: SourcePath) -> None:
        """The scan has ended and what it found was added."""
        with self._lock:
            self._scanning.pop(place, None)
        self._wake()

    def scan_again(self, place: SourcePath, delay_s: float) -> None:
        """The scan came to nothing: it waits for another, after `delay_s` and each time twice as long."""
        now = self._clock()
        with self._lock:
            taken = self._scanning.pop(place)
            taken.tries += 1
            taken.due = taken.not_before = now + back_off(delay_s, taken.tries, SCAN_BACK_OFF_LAST_S)
            taken.latest = max(taken.due, now + self._settle_max_s)
            if taken.tries >= TRIES_WAITED_FOR:
                self._ticket += 1
                taken.ticket = self._ticket
            if waiting := self._folders.get(place):
                due = waiting.due
                waiting.merge(taken)
                waiting.due = due  # somebody has asked meanwhile, or the source is back
            elif (around := self._around(place)) is not None:
                self._folders[around].ticket = min(self._folders[around].ticket, taken.ticket)
            else:
                self._folders[place] = taken
        self._wake()

    # -- whole sources -----------------------------------------------------------------------------

    def forget_source(self, source: int) -> None:
        """Drop everything of a source that cannot be looked at now; a full scan follows when it can."""
        with self._lock:
            self._drop_all(source)
        self._wake()

    def gather(self, source: int) -> None:
        """One full scan, now, instead of whatever waits of a source; whoever waits for that waits for it."""
        now = self._clock()
        with self._lock:
            if dropped := self._drop_all(source):
                ticket = min(waiting.ticket for waiting in dropped)
                self._touch(self._folders, (source, ""), now, settle=False).ticket = ticket
        self._wake()

    def _drop_all(self, source: int) -> list[Waiting]:
        dropped = [self._drop_hint(place) for place in [p for p in self._hinted if p[0] == source]]
        for table in (self._bulk, self._folders):
            dropped += [table.pop(place) for place in [p for p in table if p[0] == source]]
        return dropped

    # -- how far it is -----------------------------------------------------------------------------

    def next_path_in(self) -> float | None:
        """Seconds until `take` has something; None if nothing waits."""
        with self._lock:
            return self._next_in([*self._hinted.values(), *self._bulk.values()])

    def next_folder_in(self, source: int) -> float | None:
        """Seconds until `take_folder` has something; None if nothing waits."""
        with self._lock:
            return self._next_in([waiting for place, waiting in self._folders.items() if place[0] == source])

    def _next_in(self, waiting: list[Waiting]) -> float | None:
        soonest = min((entry.due for entry in waiting), default=None)
        return None if soonest in (None, math.inf) else max(0.0, soonest - self._clock())

    def ticket(self) -> int:
        """A name for this moment."""
        with self._lock:
            return self._ticket

    def issued(self, ticket: int) -> bool:
        """Whether the ticket is one of this queue's; of another's it cannot say what became of it."""
        with self._lock:
            return self._first <= ticket <= self._ticket

    def settled(self, ticket: int) -> bool:
        """Whether everything that was dirty at `ticket` has been dealt with. Never for a ticket it did not issue."""
        with self._lock:
            if not self._first <= ticket <= self._ticket:
                return False
            tables = (self._hinted, self._bulk, self._folders, self._taken, self._scanning)
            return not any(entry.ticket <= ticket for table in tables for entry in table.values())

    def pending(self) -> int:
        """
        How many paths are still to be looked at, those being looked at included, each once, as `pending_paths` has
        them; where there are none how many folders: what is in one is not known before it was.
        """
        with self._lock:
            taken = sum(place not in self._hinted and place not in self._bulk for place in self._taken)
            paths = len(self._hinted) + len(self._bulk) + taken
            return paths or len(self._folders.keys() | self._scanning)

    def is_saved_due(self) -> bool:
        """Whether `take` has something that was just saved, and is found by nothing of it yet."""
        with self._lock:
            return any_unfound(self._hinted.values(), self._clock())

    def is_any_due(self) -> bool:
        """The same of all that is taken or due: of many, what is taken stands for the first; looks at the last, too."""
        with self._lock:
            last = islice(reversed(self._bulk.values()), MAX_PER_FOLDER)
            return any_unfound((*self._taken.values(), *last), self._clock())

    def n_parked(self) -> int:
        """How many of the paths among them are parked."""
        with self._lock:
            return sum(waiting.is_parked for waiting in self._bulk.values())

    def waiting(self) -> list[SourcePath]:
        """All paths and folders that wait, or are being looked at."""
        with self._lock:
            return [*self._hinted, *self._bulk, *self._folders, *self._taken, *self._scanning]

    def pending_paths(self) -> list[SourcePath]:
        """The paths among them."""
        with self._lock:
            return list({**self._hinted, **self._bulk, **self._taken})


def _due(table: dict[SourcePath, Waiting], now: float, limit: int) -> list[SourcePath]:
    return list(islice((place for place, waiting in table.items() if waiting.due <= now), limit))
