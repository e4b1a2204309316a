"""
By what a store recognises the directories of its sources, and when what is missing there is believed gone.

An event or a scan of a folder is believed while the very directory is open that a full scan has proven. A
directory that was opened since, as an empty mount point may be, proves nothing by its gaps until one full scan
of it has passed the delete guard; likewise what is mounted on a folder inside. Device and inode are no proof:
both are used again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from vragd.catalog.model import SourceRow
from vragd.catalog.writer import Catalog
from vragd.sync.difference import DeleteGuard, Difference
from vragd.vault.root import Root
from vragd.vault.scan import Scan
from vragd.vault.source import Source

UNPROVEN = (0, 0)


class Roots:
    """
    The roots of one store's sources. `find`, `mind_mounts` and `believes` are called on a source's own lane,
    the rest on the store's writer lane.
    """

    def __init__(self, catalog: Callable[[], Catalog], share: float) -> None:
        self.guards: dict[int, DeleteGuard] = {}
        self._catalog, self._share = catalog, share
        self._obsidian_expected: dict[int, bool] = {}
        self._asked: set[int] = set()
        self._places: dict[int, tuple[int, int]] = {}  # (device, inode) of what was proven last
        self._remembered: dict[str, str] = {}

    def register(self, source: Source, row: SourceRow) -> None:
        """Begin with what the catalog remembers of a source."""
        self.guards[source.id] = DeleteGuard(self._share)
        self._obsidian_expected[source.id] = row.identity is not None and row.identity[2]
        if row.identity is not None:
            self._places[source.id] = row.identity[:2]
        mounts = json.loads(self._catalog().meta(f"mounts {source.uid}") or "[]")
        source.mounts = dict.fromkeys(mounts, UNPROVEN)
        source.recall_rules(json.loads(self._catalog().meta(f"rules {source.uid}") or "{}"))
        if self._catalog().meta(f"asked {source.uid}"):
            self._asked.add(source.id)

    # -- opening -----------------------------------------------------------------------------------

    def find(self, source: Source, *, accept: bool = False) -> Root | None:
        """The directory at the source's path if it may be its root; `accept`: also if it is no vault any longer."""
        return source.find(self._obsidian_expected[source.id] and not accept)

    def take(self, source: Source, root: Root) -> bool:
        """Make `root` the source's; whether it is another than before."""
        is_other = source.root is not root
        source.take(root)
        self._obsidian_expected[source.id] = root.identity.obsidian
        if source.id not in self._places:
            self._prove(source, root)  # nothing of it is known, so nothing can be missing
        elif is_other:
            source.proven = None
            self.guards[source.id].reset()
        self.remember(source)
        return is_other

    def _prove(self, source: Source, root: Root) -> None:
        source.proven = root
        self._places[source.id] = root.identity.place

    def remember(self, source: Source) -> None:
        """Keep what is known of the source beyond a restart. Cheap when nothing has changed."""
        if source.id in self._places:
            value = [*self._places[source.id], self._obsidian_expected[source.id]]
            self._remember(f"root {source.uid}", value, source)
        self._remember(f"mounts {source.uid}", sorted(source.mounts), source)
        if source.exclusions.looked:
            self._remember(f"rules {source.uid}", source.exclusions.record(), source)

    def remember_all(self, source: Source) -> None:
        """The same, in a catalog that was begun anew."""
        self._remembered.clear()
        self.remember(source)
        if source.id in self._asked:
            self._catalog().set_meta(f"asked {source.uid}", "1")

    def _remember(self, key: str, value: Any, source: Source) -> None:
        text = json.dumps(value)
        if self._remembered.get(key) == text:
            return
        if key.startswith("root "):
            self._catalog().set_identity(source.id, *value)
        else:
            self._catalog().set_meta(key, text)
        self._remembered[key] = text

    # -- sources that are indexed on demand --------------------------------------------------------

    def ask(self, source: Source) -> None:
        """Somebody wants the source indexed: the next process is to finish that if this one does not."""
        if source.id not in self._asked:
            self._catalog().set_meta(f"asked {source.uid}", "1")
            self._asked.add(source.id)

    def was_asked(self, source: Source) -> bool:
        """Whether anybody ever did."""
        return source.id in self._asked

    # -- proof -------------------------------------------------------------------------------------

    def mind_mounts(self, source: Source, root: Root, found: Scan, known: Collection[str], *, confirmed: bool) -> None:
        """
        Take what lies below a mount that is away out of what the scan proves; unless its loss is `confirmed`.

        When it is back, or another in its place, only a full scan proves something.
        """
        now = {mount: root.mounted(mount) for mount in source.mounts}
        away = {mount for mount, place in now.items() if place is None}
        if confirmed:
            source.mounts = {mount: place for mount, place in source.mounts.items() if mount not in away}
            away = set()
        source.mounts = {**source.mounts, **dict.fromkeys(away, UNPROVEN)}
        changed = {mount for mount, place in source.mounts.items() if found.folder and place != now[mount]}
        for mount in away | changed:
            found.unreadable[mount] = "unmounted"
        if found.folder or found.stopped:
            return
        hidden = {mount: sum(path.startswith(mount + "/") for path in known) for mount in away}
        self.guards[source.id].n_unmounted = sum(hidden.values())
        source.mounts = {mount: place for mount, place in source.mounts.items() if hidden.get(mount, 1)}

    def believes(
        self, source: Source, root: Root, found: Scan, difference: Difference, n_known: int, *, asked: bool,
        confirmed: bool,
    ) -> bool:  # fmt: skip
        """
        Whether the notes a scan misses are to be taken for gone. A full scan that is believed proves its root.

        What somebody `asked` for is a one-shot index means what it finds, if it finds anything and where it
        did before.
        """
        if found.folder:
            return root is source.proven
        if found.stopped or "" in found.unreadable:
            return False
        same = root.identity.place == self._places.get(source.id)
        means_it = asked and same and not source.settings.watch and bool(found.notes)
        guard = self.guards[source.id]
        if means_it or guard.allows(difference, n_known, len(found.notes), confirmed=confirmed):
            self._prove(source, root)
            source.mounts = {**source.mounts, **found.mounts}
            return True
        source.mounts = {**dict.fromkeys(found.mounts, UNPROVEN), **source.mounts}
        return False
