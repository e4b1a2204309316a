"""A source as the daemon holds it: its open root, its rules, and whether it can be trusted right now."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from vragd.system.clock import SYSTEM, Clock
from vragd.system.places import as_on_disk
from vragd.vault.closed import ClosedPaths
from vragd.vault.heard import Heard
from vragd.vault.hidden import Hidden
from vragd.vault.ignore import Rules
from vragd.vault.links import Links
from vragd.vault.names import copy_of
from vragd.vault.obsidian import Exclusions, Record
from vragd.vault.read import Content, Outcome, StatKey, Unreadable, is_file, look, read_note, stamp_of
from vragd.vault.root import Root, Spot, sees_events, stamp_resolution_s
from vragd.vault.scan import Scan, scan
from vragd.vault.templates import Templates
from vragd.vault.types import PropertyTypes

SourceState = Literal["new", "ok", "offline", "permission", "root_changed"]


class Source:
    """
    One watched directory.

    `find`, `refresh_rules` and `sees_events` wait for the file system and belong to the source's own lane. `take`
    belongs to the store's writer lane: a round must not read in one directory and ask another whether it
    may delete. The rest is replaced whole and may be read anywhere.
    """

    def __init__(
        self,
        path: Path,
        row_id: int,
        uid: str,
        *,
        label: str,
        include: Sequence[str],
        exclude: Sequence[str] = (),
        watch: bool = True,
        max_file_bytes: int,
        closed: ClosedPaths | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.path, self.label = path, label
        self.id, self.uid = row_id, uid
        self.watch = watch
        """Whether anybody looks at it unasked."""
        self.closed = closed or ClosedPaths()
        """What of it assistants are not shown."""
        self._include, self._exclude = include, exclude
        self.state: SourceState = "new"
        self.rules = Rules(include, exclude)
        self.exclusions = Exclusions(clock)
        self.heard = Heard()
        self.links = Links()
        self.recalled_vaults: tuple[tuple[str, ...], str] = ((), "")
        """`vaults`, as an earlier process knew them."""
        self._listed = False  # whether a full scan told which vaults there are
        self._templates = Templates(clock)
        self.types = PropertyTypes(clock)
        self.hidden = Hidden()
        self.withdrawn: Callable[[str], bool] | None = None
        """Which of its notes must not be answered with by what is on the disk, where nobody watches that."""
        self._max_file_bytes = max_file_bytes
        self._root: Root | None = None
        self._ignore_case = False
        self._racy_window_s = 2.0
        self.clock: Callable[[], int] = time.time_ns
        """What time it is, by the clock that stamps files."""
        self.resolution_s: Callable[[Path], float] = stamp_resolution_s
        """How far apart two changes must be for the stamps to differ."""

    @property
    def root(self) -> Root | None:
        """The directory that is open now."""
        return self._root

    def inside(self, spot: Spot) -> str | None:
        """Where in the source that is: '' for its root, None if it is elsewhere."""
        root = self._root
        return spot.below(*((root.real,) if root else ()), str(self.path))

    @property
    def templates(self) -> tuple[str, ...]:
        """Folders of notes that are there to be copied."""
        return self._templates.folders

    @property
    def in_obsidian(self) -> bool:
        """Whether this is an Obsidian vault, so that `obsidian://` links lead somewhere."""
        return self._root is not None and self._root.identity.obsidian

    def find(self, expect_obsidian: bool) -> Root | None:
        """
        Open the directory at `path`, for `take`; None, and `state` says why, if it cannot be taken.

        A directory without `.obsidian` where there was one (`expect_obsidian`) is not taken: it is an
        empty mount point or another folder, and its emptiness proves nothing.
        """
        root = self._root
        if root is not None and root.health() == "ok":
            return root
        self.close()
        try:
            self.path = Path(as_on_disk(str(self.path)))
            root = Root(self.path)
        except OSError as error:
            denied = error.errno in (errno.EACCES, errno.EPERM)
            self.state = "permission" if denied else "offline"
            return None
        if expect_obsidian and not root.identity.obsidian:
            self.state = "root_changed"
            return None
        if not os.access(self.path, os.R_OK | os.X_OK):
            self.state = "permission"
            return None
        self._racy_window_s = self.resolution_s(self.path)
        self._ignore_case = root.ignores_case()
        self.refresh_rules(root)
        return root

    def take(self, root: Root) -> None:
        """From now on this is the source's root."""
        self._root = root
        self.state = "ok"

    def healthy(self) -> bool:
        """Whether the open root is still the directory at `path`. Asked before anything is deleted. Blocks."""
        root = self._root
        health = root.health() if root else "missing"
        if health != "ok" and self.state == "ok":
            self.state = {"missing": "offline", "permission": "permission"}.get(health, "root_changed")  # type: ignore[assignment]
        return health == "ok"

    @property
    def rules_known(self) -> bool:
        """Whether the rules were ever read whole. Until then anything may be what the user excludes."""
        return self.exclusions.known

    @property
    def rules_trouble(self) -> str:
        """Why Obsidian's excluded files are not those of now, or are not understood; empty while all is well."""
        problems = self.rules.problems
        return self.exclusions.trouble or (f"pattern {problems[0]}" if problems else "")

    @property
    def withholds(self) -> bool:
        """Whether there is a rule that nobody can evaluate, so that some notes may be what the user excludes."""
        return bool(self.rules.problems) or any(not scope.known for scope in self.rules.obsidian)

    @property
    def vaults(self) -> tuple[tuple[str, ...], str]:
        """
        Folders inside that are vaults of their own, and the way from the root of the vault around the source to it, ''
        or with a slash behind it. Those of `recalled_vaults` count until the disk was looked at. From any thread.
        """
        inside, above = self.recalled_vaults
        found = self.exclusions.vaults if self._listed else self.exclusions.vaults.union(inside)
        return tuple(sorted(found)), self.exclusions.above if self.exclusions.looked else above

    def is_attachment(self, path: str) -> bool:
        """Whether a file at `path` would be one that is no note, and may be known. From any thread."""
        rules = self.rules
        return rules.excluded(path) == "not_included" and rules.hidden(path) is None and not rules.withheld(path)

    def is_doubtful(self, path: str) -> bool:
        """
        Whether there may be a rule for `path` that nobody has read yet: it was changed a moment ago, or a folder on
        the way is a vault that no scan has met. Blocks: a system call a folder. Whoever keeps the source looks then.
        """
        root = self._root
        folder = path.rpartition("/")[0]
        while folder and root is not None:
            if folder not in self.heard and self.exclusions.is_unknown_vault(root, folder):
                self.heard.of(folder)
            folder = folder.rpartition("/")[0]
        return bool(self.heard)

    def is_copy(self, path: str) -> bool:
        """Whether the file is a copy in conflict of a note that lies beside it. Blocks, where its name may be one's."""
        folder, _, name = path.rpartition("/")
        if (original := copy_of(name)) is None:
            return False
        beside = f"{folder}/{original}" if folder else original
        return self.rules.excluded(beside) is None and self.is_there(beside) is True

    def withheld(self, path: str) -> bool:
        """
        Whether the note at `path` must not be answered with, as Obsidian may hide it. From any thread.

        It is not read either, and what was indexed of it stays.
        """
        return self.rules.withheld(path)

    @property
    def hides(self) -> Callable[[str], bool] | None:
        """Which of its notes must not be answered with, though they are indexed; None where that is none."""
        return self.withdrawn or (self._hides if self.hidden or self.rules.may_be_vague else None)

    def _hides(self, path: str) -> bool:
        return path in self.hidden or self.withheld(path)

    def refresh_rules(self, root: Root | None = None, *, proven: bool = False) -> bool:
        """
        Look at Obsidian's settings again; whether its *Excluded files* changed, or are known for the first time.

        What cannot be read changes nothing: the last good rules stay. What is not there is believed to be gone only in
        a root that is `proven`. See `Exclusions`.
        """
        root = root or self._root
        if root is None:
            return False
        self._templates.look(root)
        before, was_known, heard = self.rules, self.rules_known, self.heard.now()
        self.exclusions.look(root, proven=proven, heard=heard)
        self.types.look(
            root, self.exclusions.configs, lambda vault: self._listed and vault not in self.exclusions.vaults
        )
        changed = self._apply_rules(before)
        self.heard.looked(heard)
        return changed or was_known != self.rules_known

    def recall_rules(self, record: Record) -> None:
        """Begin with what an earlier process knew of Obsidian's rules."""
        self.exclusions.recall(record)
        self._apply_rules(self.rules)

    def _apply_rules(self, before: Rules) -> bool:
        scopes = tuple(self.exclusions.scopes())
        if before.obsidian == scopes and before.ignore_case == self._ignore_case:
            return False
        self.rules = Rules(self._include, self._exclude, scopes, ignore_case=self._ignore_case)
        return True

    def scan(
        self, folder: str = "", stop: Callable[[], bool] = lambda: False, *, proven: bool = False
    ) -> Scan:  # fmt: skip
        """
        What is below `folder` now. Proves nothing where the root is not the one that is open, or the rules are unknown.

        A vault that is found inside has rules of its own: they are read before anything in it counts.
        """
        root = self._root
        if root is None or not self.rules_known:  # what is found now may be what nobody is to see
            return Scan(folder, stopped=True)
        found = scan(self.path, self.rules, folder, stop, root.identity.place)
        while not found.stopped:
            self.links.learn(found.linked, whole=not folder)
            vaults = found.vaults if not folder else found.vaults | self.exclusions.vaults
            if not (self.exclusions.learn(vaults) and self.refresh_rules(root, proven=proven)):
                break
            found = scan(self.path, self.rules, folder, stop, root.identity.place)
        self._listed = self._listed or not (folder or found.stopped)
        return found

    def read(self, path: str) -> Outcome:
        """What is at `path` below the root. Blocks."""
        root = self._root
        if root is None:
            return Unreadable("source_offline")
        outcome = read_note(root.fd, path, self._max_file_bytes, self._racy_window_s, self.clock)
        if isinstance(outcome, Content) and outcome.n_links > 1:
            self.links.met(path, outcome.key.inode, outcome.n_links)
        return outcome

    def look(self, path: str, why: str) -> Outcome:
        """What is at `path` below the root, without opening it; see `vault.read.look`."""
        root = self._root
        return Unreadable("source_offline") if root is None else look(root.fd, path, why)

    def stamp(self, path: str) -> StatKey | None:
        """The stamp of the file at `path`, which is not opened; None if nobody knows."""
        root = self._root
        return stamp_of(root.fd, path) if root else None

    def is_there(self, path: str) -> bool | None:
        """Whether there is a file at `path`, which is not opened; None if nobody knows."""
        root = self._root
        return is_file(root.fd, path) if root else None

    def sees_events(self) -> bool:
        """Whether the file system under the root reports changes at all."""
        return sees_events(self.path)

    def close(self) -> None:
        """Let go of the root; whoever reads in it at this moment may finish."""
        self._root = None
