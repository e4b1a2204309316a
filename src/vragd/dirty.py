"""
The set of paths to look at, from events, scans and requests alike. Bounded, and safe from any thread.

A hint waits until its path has been quiet for the settle time, so that a note is read once per save and
not while it is written; but not longer than `settle_max_s` altogether.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

# Beyond so many hints it is cheaper to scan (syncthing's aggregator has the same numbers).
MAX_PER_FOLDER = 128
MAX_HINTS = 4_096

Place = tuple[int, str]  # source id, path


@dataclass(slots=True)
class _Waiting:
    due: float
    latest: float
    ticket: int
    patient: bool = True


class DirtyPaths:
    """
    Paths and folders that may differ from the index, each with the moment it may be looked at.

    `take` hands out what is due; it counts as unsettled until `done` or `put_back`. A ticket names a
    moment: everything known to be dirty by then has been dealt with once `settled(ticket)`.
    """

    def __init__(
        self, *, settle_s: float, settle_max_s: float, wake: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._settle_s, self._settle_max_s = settle_s, settle_max_s
        self._wake, self._clock = wake, clock
        self._lock = threading.Lock()
        self._hinted: dict[Place, _Waiting] = {}
        self._bulk: dict[Place, _Waiting] = {}
        self._folders: dict[Place, _Waiting] = {}
        self._taken: dict[Place, int] = {}
        self._scanning: dict[Place, int] = {}
        self._per_folder: Counter[Place] = Counter()
        self._ticket = 0

    def hint(self, source: int, path: str, *, folder: bool = False, settle: bool = True) -> int:
        """Look at `path` once it has settled, or now. Returns the ticket to wait for."""
        now = self._clock()
        with self._lock:
            self._ticket += 1
            if folder or not path:
                self._touch(self._folders, (source, path), now, settle)
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
        self._touch(self._hinted, place, now, settle)

    def _collapse(self, folder: Place, now: float) -> None:
        """One scan instead of many hints: those below `folder` are dropped, the scan finds them."""
        source, prefix = folder[0], folder[1] + "/" if folder[1] else ""
        earliest = self._ticket
        for place in [p for p in self._hinted if p[0] == source and p[1].startswith(prefix)]:
            earliest = min(earliest, self._drop_hint(place).ticket)
        self._touch(self._folders, folder, now, settle=True)
        waiting = self._folders[folder]
        waiting.ticket = min(waiting.ticket, earliest)

    def _drop_hint(self, place: Place) -> _Waiting:
        folder = (place[0], place[1].rpartition("/")[0])
        self._per_folder[folder] -= 1
        if not self._per_folder[folder]:
            del self._per_folder[folder]
        return self._hinted.pop(place)

    def _touch(self, table: dict[Place, _Waiting], place: Place, now: float, settle: bool) -> None:
        waiting = table.get(place)
        if waiting is None:
            table[place] = _Waiting(now + (self._settle_s if settle else 0), now + self._settle_max_s, self._ticket)
        elif settle:
            waiting.due = min(now + self._settle_s, waiting.latest)
        else:
            waiting.due = now

    def add(self, places: Iterable[Place]) -> None:
        """Paths a scan found to differ: looked at after whatever was just saved."""
        now = self._clock()
        with self._lock:
            for place in places:
                if place not in self._hinted and place not in self._bulk:
                    self._bulk[place] = _Waiting(now, now, self._ticket)
        self._wake()

    def put_back(self, places: Iterable[Place], delay_s: float, *, patient: bool = True, settled: bool = False) -> None:
        """Taken paths that must be looked at again. `settled`: nobody needs to wait for them any longer."""
        now = self._clock()
        with self._lock:
            for place in places:
                ticket = self._taken.pop(place, self._ticket)
                if settled:
                    self._ticket += 1
                    ticket = self._ticket
                if place not in self._hinted:
                    self._bulk[place] = _Waiting(now + delay_s, now + delay_s, ticket, patient)
        self._wake()

    def take(self, limit: int) -> list[tuple[Place, bool]]:
        """
        Up to `limit` due paths, each with whether to be patient with an empty file.

        What was just saved comes alone: a round that also held bulk work would make it wait.
        """
        now = self._clock()
        with self._lock:
            taken = [(place, self._drop_hint(place)) for place in _due(self._hinted, now, limit)]
            if not taken:
                taken = [(place, self._bulk.pop(place)) for place in _due(self._bulk, now, limit)]
            for place, waiting in taken:
                self._taken[place] = min(waiting.ticket, self._taken.get(place, waiting.ticket))
        return [(place, waiting.patient) for place, waiting in taken]

    def done(self, places: Iterable[Place]) -> None:
        """Taken paths that have been dealt with. Those put back in between are left alone."""
        with self._lock:
            for place in places:
                self._taken.pop(place, None)
        self._wake()

    def take_folder(self) -> Place | None:
        """A folder that is due for a scan; the outermost first. `scanned` must follow."""
        now = self._clock()
        with self._lock:
            due = [place for place, waiting in self._folders.items() if waiting.due <= now]
            if not due:
                return None
            place = min(due, key=lambda p: len(p[1]))
            self._scanning[place] = self._folders.pop(place).ticket
            return place

    def scanned(self, place: Place) -> None:
        """The scan has ended and what it found was added."""
        with self._lock:
            self._scanning.pop(place, None)
        self._wake()

    def forget_source(self, source: int) -> None:
        """Drop everything of a source that cannot be looked at now; a full scan follows when it can."""
        with self._lock:
            for place in [p for p in self._hinted if p[0] == source]:
                self._drop_hint(place)
            for table in (self._bulk, self._folders):
                for place in [p for p in table if p[0] == source]:
                    del table[place]
        self._wake()

    def next_path_in(self) -> float | None:
        """Seconds until `take` has something; None if nothing waits."""
        return self._next_in(self._hinted, self._bulk)

    def next_folder_in(self) -> float | None:
        """Seconds until `take_folder` has something; None if nothing waits."""
        return self._next_in(self._folders)

    def _next_in(self, *tables: dict[Place, _Waiting]) -> float | None:
        now, soonest = self._clock(), None
        with self._lock:
            for table in tables:
                for waiting in table.values():
                    if waiting.due <= now:
                        return 0.0
                    soonest = waiting.due if soonest is None else min(soonest, waiting.due)
        return None if soonest is None else soonest - now

    def ticket(self) -> int:
        """A name for this moment."""
        with self._lock:
            return self._ticket

    def settled(self, ticket: int) -> bool:
        """Whether everything that was dirty at `ticket` has been dealt with."""
        with self._lock:
            tables = (self._hinted, self._bulk, self._folders)
            waiting = (entry.ticket for table in tables for entry in table.values())
            return not any(known <= ticket for known in (*waiting, *self._taken.values(), *self._scanning.values()))

    def pending(self) -> int:
        """How many paths and folders are still to be looked at, those being looked at included."""
        with self._lock:
            waiting = len(self._hinted) + len(self._bulk) + len(self._folders)
            return waiting + len(self._taken) + len(self._scanning)

    def pending_paths(self) -> list[Place]:
        """The paths among them."""
        with self._lock:
            return list({**self._hinted, **self._bulk, **dict.fromkeys(self._taken)})


def _due(table: dict[Place, _Waiting], now: float, limit: int) -> list[Place]:
    return list(islice((place for place, waiting in table.items() if waiting.due <= now), limit))
