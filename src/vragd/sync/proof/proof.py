"""
Whether what is missing from a source is gone, and by what its directory is recognised.

An event or a scan of a folder is believed while the very directory is open that a full scan has proven. A directory
that was opened since, as an empty mount point may be, proves nothing by its gaps until one full scan of it has passed
the delete guard; likewise what is mounted on a folder inside, which hides the notes that were there if it has none of
them. Device and inode are no proof: both are used again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from vragd.catalog.model import SourceRow, StampRow
from vragd.catalog.sources import KnownVaults
from vragd.catalog.writer import Catalog
from vragd.sync.difference import Difference, compare
from vragd.sync.pace import PACE, Pace
from vragd.sync.proof.guard import NOTHING, Held, guarded
from vragd.vault.root import Root
from vragd.vault.scan import Scan
from vragd.vault.source import Source

UNPROVEN = (0, 0)


@dataclass(frozen=True, slots=True)
class State:
    """All that is known of a source to tell what is gone from what cannot be seen. Replaced whole."""

    proven: Root | None = None
    """The directory whose gaps mean that notes are gone."""
    place: tuple[int, int] | None = None
    """(device, inode) of what was proven last, also before a restart."""
    had_obsidian: bool = False
    """A directory without `.obsidian` in the place of one that had it is another."""
    mounts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Folders on which other file systems were mounted, and (device, inode) of those whose gaps are believed."""
    n_doubts: int = 0
    """How often something was unmounted: what was concluded of `mounts` from before that is not believed."""
    held: Held = NOTHING
    unmounted: frozenset[str] = frozenset()
    """Notes below mounts that are away, and those that something was mounted over."""
    was_asked: bool = False
    """Whether anybody ever had the source indexed on demand."""
    n_asked: int = 0
    """How often somebody asked for a full scan."""
    n_answered: int = 0
    """How many of these a full scan has answered: it answers those asked before it began."""
    confirmed: tuple[Root, int] | None = None
    """The directory whose next full scan is to be believed, and which asking that was."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a heartbeat sees of a source that is where it was."""

    mounted: Mapping[str, object]
    """As `Root.mounts`."""
    is_ruled_anew: bool
    """As `Source.refresh_rules`."""
    is_to_remember: bool
    """Whether something of it outlives the process."""


class Proof:
    """
    That of one source. `find`, `look`, `refresh_rules`, `mark` and `judge` are called on the source's own lane,
    `ask_scan`, `unmounted` and what is read of `state` on any thread, the rest on the store's writer lane.
    """

    def __init__(
        self, catalog: Catalog, source: Source, row: SourceRow, share: float,
        clock: Callable[[], float] = time.monotonic, pace: Pace = PACE,
    ) -> None:  # fmt: skip
        """Begin with what the catalog remembers. `share` of the notes may be missing at once."""
        self.source = source
        self._catalog, self._share, self._clock, self._pace = catalog, share, clock, pace
        self._lock = threading.Lock()
        self.state = State(
            place=row.identity[:2] if row.identity else None,
            had_obsidian=row.identity is not None and row.identity[2],
            mounts=dict.fromkeys(catalog.mounts(source.uid), UNPROVEN),
            unmounted=catalog.hidden(source.uid),
            was_asked=catalog.was_asked(source.uid),
        )
        self._root_kept, self._mounts_kept = row.identity, sorted(self.state.mounts)
        self._hidden_kept = self.state.unmounted
        self._rules_kept = catalog.rules(source.uid)
        source.recall_rules(self._rules_kept)
        self._vaults_kept = catalog.vaults(source.uid)
        source.recalled_vaults, source.types.said = self._vaults_kept[:2], self._vaults_kept.types

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self.state = replace(self.state, **changes)

    @property
    def held(self) -> frozenset[str]:
        """The notes that are missing without being believed so."""
        return self.state.held.paths | self.state.unmounted

    # -- the directory -----------------------------------------------------------------------------

    def find(self, *, accept: bool = False) -> Root | None:
        """The directory at the source's path if it may be its root; `accept`: also if it is no vault any longer."""
        root = self.source.find(self.state.had_obsidian and not accept)
        if self.source.root is None:
            self._change(proven=None)  # which would keep it open
        if root is None:
            self._change(confirmed=None)
        return root

    def take(self, root: Root) -> bool:
        """Make `root` the source's; whether it is another than before."""
        is_other = self.source.root is not root
        self.source.take(root)
        self._change(had_obsidian=root.identity.obsidian)
        if self.state.place is None:
            self._prove(root)  # nothing of it is known, so nothing can be missing
        elif is_other:
            self._change(proven=None, held=NOTHING)  # what was missing in the last one says nothing of this one
        self.remember()
        return is_other

    def _prove(self, root: Root) -> None:
        self._change(proven=root, place=root.identity.place)

    def close(self) -> None:
        """Let go of the directory."""
        self.source.close()
        self._change(proven=None, confirmed=None)

    # -- beyond a restart --------------------------------------------------------------------------

    def remember(self) -> None:
        """Keep what is known of the source. Cheap when nothing has changed."""
        state = self.state
        root = None if state.place is None else (*state.place, state.had_obsidian)
        if root is not None and root != self._root_kept:
            self._catalog.set_identity(self.source.id, *root)
            self._root_kept = root
        if (mounts := sorted(state.mounts)) != self._mounts_kept:
            self._catalog.set_mounts(self.source.uid, mounts)
            self._mounts_kept = mounts
        if state.unmounted != self._hidden_kept:
            self._catalog.set_hidden(self.source.uid, state.unmounted)
            self._hidden_kept = state.unmounted
        if self.source.exclusions.looked and (rules := self.source.exclusions.record()) != self._rules_kept:
            self._catalog.set_rules(self.source.uid, rules)
            self._rules_kept = rules
        if (vaults := KnownVaults(*self.source.vaults, self.source.types.said)) != self._vaults_kept:
            self._catalog.set_vaults(self.source.uid, vaults)
            self._vaults_kept = vaults

    @property
    def is_kept(self) -> bool:
        """Whether `remember` has nothing to do, so that nobody needs to wait for the writer lane. From any thread."""
        state, exclusions = self.state, self.source.exclusions
        root = None if state.place is None else (*state.place, state.had_obsidian)
        return (
            root in (None, self._root_kept)
            and sorted(state.mounts) == self._mounts_kept
            and state.unmounted == self._hidden_kept
            and not (exclusions.looked and exclusions.record() != self._rules_kept)
            and KnownVaults(*self.source.vaults, self.source.types.said) == self._vaults_kept
        )

    def carry_over(self, catalog: Catalog) -> None:
        """The same, in a catalog that was opened since, or begun anew and knows the source by name only."""
        self._catalog, self._root_kept = catalog, None
        self._mounts_kept, self._rules_kept = sorted(catalog.mounts(self.source.uid)), catalog.rules(self.source.uid)
        self._vaults_kept, self._hidden_kept = catalog.vaults(self.source.uid), catalog.hidden(self.source.uid)
        self.remember()
        if self.state.was_asked:
            catalog.ask(self.source.uid)

    def ask(self) -> None:
        """Somebody wants the source indexed on demand: the next process is to finish that if this one does not."""
        if not self.state.was_asked:
            self._catalog.ask(self.source.uid)
            self._change(was_asked=True)

    def look(self) -> Look | None:
        """
        All that a heartbeat asks the file system, in one call; None unless the open directory is the one at its path.
        On the source's own lane.
        """
        root = self.source.root
        if not self.source.healthy() or self.source.state != "ok" or root is None:  # another thread may see it away
            return None
        types, anew = self.source.types.said, self.refresh_rules()
        return Look(root.mounts(), anew, anew or types != self.source.types.said)

    def refresh_rules(self) -> bool:
        """As `Source.refresh_rules`; on the source's own lane."""
        root = self.source.root
        return self.source.refresh_rules(proven=root is not None and root is self.state.proven)

    # -- what a full scan is to mean ---------------------------------------------------------------

    def ask_scan(self, *, confirm: bool = False) -> None:
        """
        Somebody waits for what the next full scan finds. `confirm`: what it misses is gone, if it is of the directory
        that is open now.
        """
        with self._lock:
            n, root = self.state.n_asked + 1, self.source.root
            confirmed = (root, n) if confirm and root is not None else self.state.confirmed
            self.state = replace(self.state, n_asked=n, confirmed=confirmed)

    def unmounted(self) -> None:
        """A file system below the root is away, or was: nothing below a mount proves anything until a full scan."""
        with self._lock:
            doubts = self.state.n_doubts + 1
            self.state = replace(self.state, mounts=dict.fromkeys(self.state.mounts, UNPROVEN), n_doubts=doubts)

    def _change_mounts(self, mounts: Mapping[str, tuple[int, int]], doubts: int) -> None:
        """What was concluded when there were so many doubts: whoever has had one since has the last word."""
        with self._lock:
            if self.state.n_doubts != doubts:
                mounts = dict.fromkeys(mounts, UNPROVEN)
            self.state = replace(self.state, mounts=mounts)

    # -- is it gone? -------------------------------------------------------------------------------

    def gone(self, paths: Iterable[str], *, notes: bool = True) -> set[str]:
        """
        Those of `paths` whose notes may be removed now; without `notes` they are those of attachments. Blocks: whether
        the root is the one we know is looked at.

        One that was just opened proves nothing until a full scan of it was believed, nor does what is mounted on a
        folder and was not all the time since then. What the rules exclude needs the root alone.
        """
        if not self.source.healthy():
            return set()
        root, state, rules = self.source.root, self.state, self.source.rules
        is_proven = root is not None and root is state.proven
        unknown = root.mounts().keys() - state.mounts.keys() if root is not None else set[str]()  # no scan saw them
        now: dict[str, bool] = {}

        def is_there(mount: str, place: tuple[int, int]) -> bool:
            if mount not in now:
                now[mount] = root is not None and root.mounted(mount) == place
            return now[mount]

        def is_gone(path: str) -> bool:
            if (rules.excluded(path) if notes else rules.hidden(path)) is not None:
                return True
            if rules.withheld(path):
                return False
            above = ((mount, place) for mount, place in state.mounts.items() if path.startswith(mount + "/"))
            if any(path.startswith(mount + "/") for mount in unknown):
                return False
            return is_proven and all(is_there(*mount) for mount in above)

        return {path for path in paths if is_gone(path)}

    def mark(self) -> int:
        """To be taken before a scan and given to `judge`: whoever asks meanwhile waits for the next one."""
        return self.state.n_asked

    def judge(self, root: Root, found: Scan, known: Mapping[str, StampRow], mark: int) -> tuple[Difference, bool]:
        """
        What a scan says against the catalog, and whether what it misses is to be taken for gone.

        A full scan that is believed proves its root. What somebody asked for is a one-shot index means what it finds,
        if it finds anything and where it did before.
        """
        before = self.state
        is_confirmed = (
            not found.folder
            and before.confirmed is not None
            and before.confirmed[0] is root
            and before.confirmed[1] <= mark
        )
        over = self._mind_mounts(root, found, known, confirmed=is_confirmed)
        difference = compare(found, known, self.source.rules)
        if found.folder:
            return difference, root is self.state.proven
        if found.stopped or "" in found.unreadable:
            return difference, False
        same = root.identity.place == before.place
        is_asked = mark > before.n_answered and same and not self.source.watch and bool(found.notes)
        held = guarded(
            before.held, difference, len(known), len(found.notes), self._share, self._clock(), self._pace,
            is_other=not same,
        )  # fmt: skip
        self._answered(mark)
        if is_asked or is_confirmed or held is None:
            self._prove(root)
            self._change(held=NOTHING)
            seen = {mount: place for mount, place in found.mounts.items() if mount not in over}
            self._change_mounts({**self.state.mounts, **seen}, before.n_doubts)
            return difference, True
        self._change(held=held)
        seen = dict.fromkeys(found.mounts.keys() - over, UNPROVEN)
        self._change_mounts({**seen, **self.state.mounts}, before.n_doubts)
        return difference, False

    def _answered(self, mark: int) -> None:
        with self._lock:
            confirmed = self.state.confirmed
            if confirmed is not None and confirmed[1] <= mark:
                confirmed = None
            self.state = replace(self.state, n_answered=mark, confirmed=confirmed)

    def _mind_mounts(self, root: Root, found: Scan, known: Iterable[str], *, confirmed: bool) -> set[str]:
        """
        Take what lies below a mount that is away, or under one that was laid over it, out of what the scan proves;
        unless its loss is `confirmed`. The latter are returned.

        When it is back, or another in its place, only a full scan proves something.
        """
        doubts, mounts = self.state.n_doubts, dict(self.state.mounts)
        now = {mount: root.mounted(mount) for mount in mounts}
        away = {mount for mount, place in now.items() if place is None}
        if confirmed:
            mounts = {mount: place for mount, place in mounts.items() if mount not in away}
            away = set()
        over = {} if confirmed else _laid_over(found, known, mounts, self.state.unmounted)
        for mount in over:
            found.unreadable[mount] = "mounted_over"
        mounts |= dict.fromkeys(away, UNPROVEN)
        changed = {mount for mount, place in mounts.items() if found.folder and place != now[mount]}
        for mount in away | changed:
            found.unreadable[mount] = "unmounted"
        if not (found.folder or found.stopped):
            hidden = over | _below(away, known)
            mounts = {mount: place for mount, place in mounts.items() if hidden.get(mount, True)}
            self._change(unmounted=frozenset().union(*hidden.values()))
        self._change_mounts(mounts, doubts)
        return set(over)


def _laid_over(
    found: Scan, known: Iterable[str], mounts: Mapping[str, object], held: Set[str]
) -> dict[str, set[str]]:  # fmt: skip
    """
    Where something is mounted that no full scan has seen there, and none of the notes are that are known there: those
    notes. Of what is `held` already it has none, whatever was indexed of it since.
    """
    anew = {mount for mount, place in found.mounts.items() if mounts.get(mount) != place}
    hidden = {mount: paths & held or paths for mount, paths in _below(anew, known).items()}
    return {mount: paths for mount, paths in hidden.items() if paths and paths.isdisjoint(found.notes)}


def _below(mounts: Set[str], known: Iterable[str]) -> dict[str, set[str]]:
    """The known notes below each of some folders."""
    below: dict[str, set[str]] = {mount: set() for mount in mounts}
    for path in known if mounts else ():
        folder = path
        while "/" in folder:
            folder = folder.rpartition("/")[0]
            if folder in below:
                below[folder].add(path)
    return below
