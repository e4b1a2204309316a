"""
Watching folders on macOS: watchdog's FSEvents, with its silences given a voice.

watchdog drops the flags that say events were lost. Private names are used, hence the pin `watchdog>=7.1,<7.2`.
Never run: no macOS machine was at hand. Written from watchdog's source and Apple's header.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers.fsevents import FSEventsEmitter, FSEventsObserver

# FSEvents.h: MustScanSubDirs, UserDropped, KernelDropped, EventIdsWrapped, Mount, Unmount
_LOST = 0x1 | 0x2 | 0x4 | 0x8
_MOUNT = 0x40 | 0x80
_ROOT_CHANGED = 0x20

# watchdog's warnings print paths, which are private.
warnings.filterwarnings("ignore", module=r"watchdog\..*")


class FSEvents(FileSystemEventHandler):
    """As `Inotify`; the system watches whole trees here, so that nothing is left out and nothing can fail below."""

    def __init__(
        self, root: str, on_hint: Callable[[str, bool], None], on_trouble: Callable[[str, OSError | None], None]
    ) -> None:
        self.unwatched: dict[str, str] = {}
        self._root, self._on_hint = root, on_hint
        self._observer = FSEventsObserver()

        class Emitter(FSEventsEmitter):
            def events_callback(self, paths: Any, inodes: Any, flags: Any, ids: Any) -> None:
                seen = 0
                for flag in flags:
                    seen |= flag
                if seen & _LOST:
                    on_trouble("overflow", None)
                if seen & _MOUNT:
                    on_trouble("unmount", None)
                if seen & _ROOT_CHANGED:
                    on_trouble("root_gone", None)
                super().events_callback(paths, inodes, flags, ids)

        self._observer._emitter_class = Emitter

    def start(self) -> None:
        """Begin. Raises OSError."""
        self._observer.schedule(self, self._root, recursive=True)
        self._observer.start()

    def is_alive(self) -> bool:
        """Whether its threads run."""
        emitters = self._observer.emitters
        return self._observer.is_alive() and bool(emitters) and all(emitter.is_alive() for emitter in emitters)

    def retry(self) -> list[str]:
        """Nothing fails in parts here."""
        return []

    def rearm(self) -> None:
        """What is excluded is watched too."""

    def stop(self) -> None:
        """End, without waiting."""
        self._observer.stop()

    def join(self, timeout_s: float) -> None:
        """Wait for its end."""
        self._observer.join(timeout_s)

    def dispatch(self, event: FileSystemEvent) -> None:
        """Called by watchdog on its thread for each event; an exception here would end that thread."""
        for raw in (event.src_path, event.dest_path):
            path = os.fsdecode(raw) if raw else ""
            if path == self._root:
                self._on_hint("", True)
            elif path.startswith(self._root + "/"):
                self._on_hint(path[len(self._root) + 1 :], event.is_directory)
