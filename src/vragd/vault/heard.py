"""
Config folders of Obsidian's that somebody saw change, until they are looked at.

What is read in between may be what the user has just excluded. Events and reads come from other threads than looks:
every method may be called from any.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping


class Heard:
    """The folders of one source whose config folder came, went or changed, each with the last time that was heard."""

    def __init__(self) -> None:
        self.on_heard: Callable[[], None] = lambda: None
        """Called for each: it is time to look."""
        self._lock = threading.Lock()
        self._n = 0
        self._vaults: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._vaults)

    def __contains__(self, vault: str) -> bool:
        return vault in self._vaults

    def of(self, vault: str) -> None:
        """The config folder in `vault` has changed; '' is the source's root."""
        with self._lock:
            self._n += 1
            self._vaults[vault] = self._n
        self.on_heard()

    def now(self) -> Mapping[str, int]:
        """To be taken before one looks, and given to `looked` afterwards."""
        with self._lock:
            return self._vaults.copy()

    def looked(self, before: Mapping[str, int]) -> None:
        """These were looked at; what was heard meanwhile stays."""
        with self._lock:
            for vault, n in before.items():
                if self._vaults.get(vault) == n:
                    del self._vaults[vault]
