"""What a scan says against the catalog. Whether what it misses is gone is for `sync.proof` to say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vragd.catalog.model import StampRow
from vragd.vault.ignore import Rules
from vragd.vault.scan import Scan, forgive_inodes


@dataclass(slots=True)
class Difference:
    """
    `dirty` paths may differ from the catalog, `missing` are in the catalog and not on the disk; of these the file of
    those that `moved` is now at a new path.
    """

    dirty: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)

    @property
    def n_moved(self) -> int:
        """How many."""
        return len(self.moved)

    def withdrawn(self, paths: Iterable[str], found: Scan, rules: Rules) -> set[str]:
        """
        Those of `paths` that are no notes any longer, at no other path either. A scan of one folder does not tell what
        has left it from what is gone: there only what `rules` exclude is known to be withdrawn.
        """
        gone = {path for path in paths if path not in found.notes and path not in self.moved}
        return {path for path in gone if rules.excluded(path) is not None} if found.folder else gone


def compare(found: Scan, known: Mapping[str, StampRow], rules: Rules) -> Difference:
    """
    The paths to look at. Nothing is opened: a note whose stamp is the stored one is taken as unchanged, unless that
    is to be doubted. Those that `rules` no longer let in are dirty too.

    What moved is known by more than its inode, which may be another file's by now, or on another file system.
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
            if known[path][:3] in appeared:
                difference.moved.add(path)
    return difference
