"""What of a source was seen to be withdrawn, and is still in the index: it is not answered with."""

from __future__ import annotations

import threading
from collections.abc import Container, Iterable


class Hidden:
    """Paths, each until what is indexed says the same of it. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: frozenset[str] = frozenset()  # replaced whole, so that whoever asks holds no lock

    def __bool__(self) -> bool:
        return bool(self._paths)

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def found(self, paths: Iterable[str], dirty: Container[str], folder: str = "") -> None:
        """
        All that are withdrawn in a folder, as a scan of it tells; what it found `dirty` stays hidden until it was
        indexed.
        """
        with self._lock:
            kept = {path for path in self._paths if path in dirty or (folder and not path.startswith(f"{folder}/"))}
            self._paths = frozenset(kept.union(paths))

    def add(self, paths: Iterable[str]) -> None:
        """Some more."""
        with self._lock:
            self._paths = self._paths.union(paths)

    def settled(self, paths: Iterable[str]) -> None:
        """These are indexed as they are now."""
        with self._lock:
            self._paths = self._paths.difference(paths)
