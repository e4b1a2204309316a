"""A source as the daemon holds it: its open root, its rules, and whether it can be trusted right now."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Literal

from vragd.config.settings import SourceSettings
from vragd.vault.ignore import APP_JSON, Rules, obsidian_filters
from vragd.vault.read import Outcome, StatKey, Unreadable, read_note, stamp_of
from vragd.vault.root import Root, Spot, sees_events, stamp_resolution_s

SourceState = Literal["new", "ok", "offline", "permission", "root_changed"]


class Source:
    """
    One watched directory.

    `find`, `refresh_rules` and `sees_events` wait for the file system and belong to the source's own lane. `take`
    belongs to the store's writer lane: a round must not read in one directory and ask another whether it
    may delete. The rest is replaced whole and may be read anywhere.
    """

    def __init__(self, settings: SourceSettings, row_id: int, uid: str, max_file_bytes: int) -> None:
        self.settings = settings
        self.path: Path = settings.path
        self.label = settings.label
        self.id = row_id
        self.uid = uid
        self.state: SourceState = "new"
        self.rules = Rules(settings.include, settings.exclude)
        self.rules_trouble = ""
        self.rules_known = False
        """Whether the rules were ever read whole. Until then anything may be what the user excludes."""
        self._max_file_bytes = max_file_bytes
        self._root: Root | None = None
        self._app_json: bytes | None = None
        self._racy_window_s = 2.0

    @property
    def root(self) -> Root | None:
        """The directory that is open now."""
        return self._root

    def inside(self, spot: Spot) -> str | None:
        """Where in the source that is: '' for its root, None if it is elsewhere."""
        root = self._root
        return spot.below(*((root.real,) if root else ()), str(self.path))

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
        self._racy_window_s = stamp_resolution_s(self.path)
        self._app_json = None
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

    def refresh_rules(self, root: Root | None = None) -> bool:
        """
        Read Obsidian's *Excluded files* again; whether they changed, or are known for the first time.

        What cannot be read changes nothing: the last good rules stay. An empty file is no rules, it is
        Obsidian about to write them.
        """
        root = root or self._root
        if root is None:
            return False
        try:
            found = root.read(APP_JSON)
            raw = b"{}" if found is None else found
        except NotADirectoryError:
            raw = b"{}"  # a file called .obsidian makes no vault
        except OSError as error:
            self.rules_trouble = f"app_json_{errno.errorcode.get(error.errno or 0, 'EIO').lower()}"
            return False
        if raw == self._app_json:
            return False
        try:
            filters = obsidian_filters(raw)
        except ValueError:
            self.rules_trouble = "app_json_not_understood"  # Obsidian is writing it; the next event reads it again
            return False
        self._app_json, self.rules_trouble = raw, ""
        before, was_known = self.rules, self.rules_known
        self.rules = Rules(self.settings.include, self.settings.exclude, filters)
        self.rules_known = True
        return not was_known or before.obsidian != self.rules.obsidian

    def read(self, path: str) -> Outcome:
        """What is at `path` below the root. Blocks."""
        root = self._root
        if root is None:
            return Unreadable("source_offline")
        return read_note(root.fd, path, self._max_file_bytes, self._racy_window_s)

    def stamp(self, path: str) -> StatKey | None:
        """The stamp of the file at `path`, which is not opened; None if nobody knows."""
        root = self._root
        return stamp_of(root.fd, path) if root else None

    def sees_events(self) -> bool:
        """Whether the file system under the root reports changes at all."""
        return sees_events(self.path)

    def close(self) -> None:
        """Let go of the root; whoever reads in it at this moment may finish."""
        self._root = None
