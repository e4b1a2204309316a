"""
Watching a source. Events are hints: a path to look at, never what happened to it.

`on_hint` and `on_trouble` are called on watchdog's threads and must only enqueue.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from watchdog.events import (
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)

from vragd.vault.observer import OnTrouble, healthy, make_observer

# Opening and reading are not asked for: our own reads would come back as events.
_WANTED: list[type[FileSystemEvent]] = [
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]

OnHint = Callable[[str, bool], None]


class Watcher(FileSystemEventHandler):
    """
    Reports changes below `root` as `on_hint(path, is_folder)`, path relative to it.

    A folder hint means: scan it, anything below may have changed. Start it, then scan; not the other
    way round, or what changes in between is seen by neither.
    """

    def __init__(self, root: Path, on_hint: OnHint, on_trouble: OnTrouble) -> None:
        self._path, self._root = root, ""
        self._on_hint, self._on_trouble = on_hint, on_trouble
        self._observer: Any = None
        self._ended = False

    def start(self) -> None:
        """
        Arm the watch; when this returns every folder that was there is watched. Raises OSError, ImportError.

        Blocks for as long as the file system does; `stop` may be called meanwhile.
        """
        self._root = os.path.realpath(self._path)
        self._observer = make_observer(self._on_trouble)
        try:
            self._observer.schedule(self, self._root, recursive=True, event_filter=_WANTED)
            self._observer.start()
        except OSError:
            self.stop()  # it holds an inotify instance already, of which a user has 128
            raise
        if self._ended:
            self.stop()  # whoever asked before could stop only half of it

    def healthy(self) -> bool:
        """Whether all its threads are alive."""
        return self._observer is not None and healthy(self._observer)

    def stop(self) -> None:
        """Disarm, without waiting: watchdog's reader may take half a second to notice. From any thread."""
        self._ended = True
        observer = self._observer
        if observer is not None:
            threading.Thread(target=lambda: _stop(observer), name="watch-stop", daemon=True).start()

    def wait_stopped(self, timeout_s: float) -> bool:
        """Whether the thread that brings events has ended, waited for as long as that."""
        self._observer.join(timeout_s)
        return not self._observer.is_alive()

    def dispatch(self, event: FileSystemEvent) -> None:
        """Called by watchdog on its thread for each event; an exception here would end that thread."""
        for raw in (event.src_path, event.dest_path):
            if raw:
                self._hint(os.fsdecode(raw), event.is_directory)

    def _hint(self, path: str, is_folder: bool) -> None:
        if path == self._root:
            self._on_hint("", True)
        elif path.startswith(self._root + "/"):
            self._on_hint(path[len(self._root) + 1 :], is_folder)


def _stop(observer: Any) -> None:
    try:
        observer.stop()
        observer.join(5)
    except RuntimeError:  # never started
        return
