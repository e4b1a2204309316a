"""
Hard links: several names of one file. An event names one of them; a change is one of all.

Events and reads come from other threads than scans: every method may be called from any.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping


class Links:
    """The names in one source of files that have more than one name."""

    def __init__(self) -> None:
        self.on_unknown: Callable[[], None] = lambda: None
        """Called when a file is met that has names nobody has looked for: a full scan finds them."""
        self._lock = threading.Lock()
        self._names: dict[int, set[str]] = {}
        self._inode: dict[str, int] = {}
        self._asked: dict[int, int] = {}  # inode -> number of its names when they were last looked for

    def learn(self, found: Mapping[int, Collection[str]], *, whole: bool) -> None:
        """A scan found these names, by inode; `whole` if it was one of all the source."""
        with self._lock:
            if whole:
                self._names, self._inode = {}, {}
            for inode, names in found.items():
                for name in names:
                    self._add(name, inode)

    def met(self, path: str, inode: int, n_names: int) -> None:
        """A file with `n_names` names was read at `path`."""
        with self._lock:
            self._add(path, inode)
            lacks = len(self._names[inode]) < n_names and self._asked.get(inode, 0) < n_names
            if lacks:
                self._asked[inode] = n_names
        if lacks:
            self.on_unknown()

    def others(self, path: str) -> list[str]:
        """The other names of the file at `path`."""
        if not self._inode:
            return []
        with self._lock:
            inode = self._inode.get(path)
            return [] if inode is None else sorted(self._names[inode] - {path})

    def _add(self, path: str, inode: int) -> None:
        had = self._inode.get(path)
        if had is not None and had != inode:
            self._names[had].discard(path)
        self._inode[path] = inode
        self._names.setdefault(inode, set()).add(path)
