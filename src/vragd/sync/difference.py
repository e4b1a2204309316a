"""What a scan says against the catalog, and when a scan alone is not proof enough to delete."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vragd.catalog.model import StampRow
from vragd.vault.ignore import Rules
from vragd.vault.scan import Scan, forgive_inodes

# A scan that misses more than this of what was known is believed only when a later one agrees.
GUARD_AT_LEAST = 20
GUARD_CONFIRM_S = 60.0


@dataclass(slots=True)
class Difference:
    """`dirty` paths may differ from the catalog, `missing` are in the catalog and not on the disk."""

    dirty: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    n_moved: int = 0


def compare(found: Scan, known: Mapping[str, StampRow], rules: Rules) -> Difference:
    """
    The paths to look at. Nothing is opened: a note whose stamp is the stored one is taken as unchanged, unless that
    is to be doubted. Those that `rules` no longer let in are dirty too.

    `n_moved` counts missing paths whose file is now at a new path: an inode alone may be another file's
    by now, and is on another file system.
    """
    forgive_inodes(found, known)
    difference = Difference()
    appeared: set[tuple[int, int, int]] = set()
    n_new = 0
    for path, stamp in found.notes.items():
        had = known.get(path)
        if had is None:
            n_new += 1
            appeared.add(stamp[:3])
            difference.dirty.append(path)
        elif had[:4] != stamp or had[4]:
            difference.dirty.append(path)
    if len(found.notes) - n_new == len(known):
        return difference
    for path in [path for path in known if path not in found.notes]:
        if rules.excluded(path) is not None:
            difference.dirty.append(path)
        elif found.covers(path):
            difference.missing.append(path)
            difference.n_moved += known[path][:3] in appeared
    return difference


class DeleteGuard:
    """
    Holds back deletions that only a scan suggests, when they are suspiciously many.

    A vault that is empty, or misses more than `share` of its notes, may be a mount that failed or a sync
    client that has not finished. Many missing notes are believed when a scan a minute later misses
    the same; a vault without a single note is believed only when somebody says so. Notes below a mount
    that is away are counted here too.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._share, self._clock = share, clock
        self._held: frozenset[str] = frozenset()
        self._since = 0.0
        self.n_unmounted = 0

    @property
    def n_held(self) -> int:
        """How many notes are missing without being believed so."""
        return len(self._held) + self.n_unmounted

    def reset(self) -> None:
        """Another directory took the root's place: what was missing in the last one says nothing of it."""
        self._held = frozenset()

    def allows(self, difference: Difference, n_known: int, n_found: int, *, confirmed: bool = False) -> bool:
        """Whether the missing notes of a full scan may be deleted; `confirmed`: somebody says so for this one."""
        n_gone = len(difference.missing) - difference.n_moved
        empty = n_found == 0 and n_known > 0 and n_gone > 0
        if confirmed or not (empty or n_gone > max(GUARD_AT_LEAST, self._share * n_known)):
            self._held = frozenset()
            return True
        missing = frozenset(difference.missing)
        if missing != self._held:
            self._held, self._since = missing, self._clock()
            return False
        if empty or self._clock() - self._since < GUARD_CONFIRM_S:
            return False
        self._held = frozenset()
        return True
