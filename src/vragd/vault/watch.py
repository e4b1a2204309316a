"""
Watching a source. Events are hints: a path to look at, never what happened to it.

`on_hint` and `on_trouble` are called on a thread of the watch and must only enqueue.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from vragd.vault.root import Root

TroubleKind = Literal["overflow", "unmount", "root_gone", "watch_failed"]
OnHint = Callable[[str, bool], None]
OnTrouble = Callable[[TroubleKind, OSError | None], None]


class Observer(Protocol):
    """What a system offers to watch a tree with."""

    unwatched: dict[str, str]

    def start(self) -> None: ...
    def is_alive(self) -> bool: ...
    def retry(self) -> list[str]: ...
    def rearm(self) -> None: ...
    def stop(self) -> None: ...
    def join(self, timeout_s: float) -> None: ...


class Watcher:
    """
    Reports changes below `root` as `on_hint(path, is_folder)`, path relative to it.

    A folder hint means: scan it, anything below may have changed. Start it, then scan; not the other
    way round, or what changes in between is seen by neither. Nothing below a folder that is `excluded` is watched.
    """

    def __init__(
        self, root: Path, on_hint: OnHint, on_trouble: OnTrouble, excluded: Callable[[str], str | None] = lambda _: None
    ) -> None:
        self._path = root
        self._on_hint, self._on_trouble, self._excluded = on_hint, on_trouble, excluded
        self._observer: Observer | None = None
        self._ended = False

    def start(self) -> None:
        """
        Arm the watch; when this returns every folder that was there is watched, or among `unwatched`.

        Raises OSError when the root itself cannot be watched, ImportError where nothing is to be had to watch with.
        Blocks for as long as the file system does; `stop` may be called meanwhile.
        """
        self._observer = self._made()
        self._observer.start()
        if self._ended:
            self.stop()  # whoever asked before could stop only half of it

    def _made(self) -> Observer:
        if sys.platform == "darwin":
            from vragd.vault.fsevents import FSEvents

            return FSEvents(Root(self._path).real, self._dispatch, self._on_trouble)  # type: ignore[arg-type]
        if sys.platform != "linux":
            raise ImportError(f"there is no watching on {sys.platform}")
        from vragd.vault.inotify import Inotify

        return Inotify(self._path, self._dispatch, self._on_trouble, self._excluded)  # type: ignore[arg-type]

    def healthy(self) -> bool:
        """Whether all its threads are alive. Ask from a heartbeat."""
        return self._observer is not None and self._observer.is_alive()

    @property
    def unwatched(self) -> dict[str, str]:
        """Folders below which changes go unseen, each with the reason, as an errno name or `file_system_…`."""
        return self._observer.unwatched if self._observer is not None else {}

    def retry(self) -> list[str]:
        """Try again to watch those; the folders that are watched now, and are to be scanned. Blocks."""
        return self._observer.retry() if self._observer is not None and self.unwatched else []

    def rearm(self) -> None:
        """What is excluded, or mounted, has changed. Blocks."""
        if self._observer is not None:
            self._observer.rearm()

    def stop(self) -> None:
        """Disarm, without waiting. From any thread."""
        self._ended = True
        observer = self._observer
        if observer is not None:
            observer.stop()

    def join(self, timeout_s: float) -> None:
        """Wait for the end of its threads, after `stop`."""
        if self._observer is not None:
            self._observer.join(timeout_s)

    def _dispatch(self, path: str, is_folder: bool) -> None:
        if not self._ended:
            self._on_hint(path, is_folder)
