"""A source as the daemon holds it: its open root, its rules, and whether it can be trusted right now."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Literal

from vragd.settings import SourceSettings
from vragd.vault.ignore import APP_JSON, Rules, obsidian_filters
from vragd.vault.read import Outcome, Unreadable, read_note
from vragd.vault.root import Identity, Root, sees_events, stamp_resolution_s

SourceState = Literal["new", "ok", "offline", "permission", "root_changed"]


class Source:
    """
    One watched directory.

    `connect`, `refresh_rules` and `close` belong to the store's writer lane; `rules` and `state` are
    replaced whole and may be read anywhere.
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
        self._max_file_bytes = max_file_bytes
        self._root: Root | None = None
        self._app_json: bytes | None = None
        self._racy_window_s = 2.0

    @property
    def identity(self) -> Identity | None:
        """The identity of the directory that is open now."""
        return self._root.identity if self._root else None

    @property
    def in_obsidian(self) -> bool:
        """Whether this is an Obsidian vault, so that `obsidian://` links lead somewhere."""
        return self._root is not None and self._root.identity.obsidian

    def connect(self, expect_obsidian: bool) -> SourceState:
        """
        Make sure the root is open and is the directory at `path`; the state that was found.

        A directory without `.obsidian` where there was one (`expect_obsidian`) is not taken: it is an
        empty mount point or another folder, and its emptiness proves nothing.
        """
        if self._root is not None and self._root.health() == "ok":
            self.state = "ok"
            return self.state
        self.close()
        try:
            root = Root(self.path)
        except OSError as error:
            denied = error.errno in (errno.EACCES, errno.EPERM)
            self.state = "permission" if denied else "offline"
            return self.state
        if expect_obsidian and not root.identity.obsidian:
            root.close()
            self.state = "root_changed"
            return self.state
        if not os.access(self.path, os.R_OK | os.X_OK):
            root.close()
            self.state = "permission"
            return self.state
        self._root = root
        self._racy_window_s = stamp_resolution_s(self.path)
        self._app_json = None
        self.state = "ok"
        self.refresh_rules()
        return self.state

    def healthy(self) -> bool:
        """Whether the open root is still the directory at `path`. Asked before anything is deleted."""
        health = self._root.health() if self._root else "missing"
        if health != "ok" and self.state == "ok":
            self.state = {"missing": "offline", "permission": "permission"}.get(health, "root_changed")  # type: ignore[assignment]
        return health == "ok"

    def refresh_rules(self) -> bool:
        """Read Obsidian's *Excluded files* again; whether they changed. What cannot be read changes nothing."""
        if self._root is None:
            return False
        try:
            raw = self._root.read(APP_JSON) or b"{}"
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
        before = self.rules
        self.rules = Rules(self.settings.include, self.settings.exclude, filters)
        return before.obsidian != self.rules.obsidian

    def read(self, path: str) -> Outcome:
        """What is at `path` below the root. Blocks."""
        if self._root is None:
            return Unreadable("source_offline")
        return read_note(self._root.fd, path, self._max_file_bytes, self._racy_window_s)

    def sees_events(self) -> bool:
        """Whether the file system under the root reports changes at all."""
        return sees_events(self.path)

    def close(self) -> None:
        """Let go of the root."""
        if self._root is not None:
            self._root.close()
            self._root = None
