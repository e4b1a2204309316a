"""
A guard over watchdog 7.1's observers: what they lose silently becomes a call to `on_trouble`.

On Linux watchdog says nothing when a watch cannot be added (limit reached, EACCES), when the root is
renamed or unmounted, and only logs a queue overflow. On macOS it drops the flags that say events were
lost. Private names are used, hence the pin `watchdog>=7.1,<7.2` and the tests that make each kind
of trouble happen.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any, Literal

from watchdog.observers.api import BaseObserver

TroubleKind = Literal["overflow", "unmount", "root_gone", "watch_failed"]
OnTrouble = Callable[[TroubleKind, OSError | None], None]

# "Callback with id … cannot be removed" prints every watched path, which is private.
warnings.filterwarnings("ignore", module=r"watchdog\..*")


def make_observer(on_trouble: OnTrouble) -> BaseObserver:
    """
    An observer that reports lost trust as `on_trouble(kind, error)`, on watchdog's threads.

    Raises ImportError where neither inotify nor FSEvents is to be had; poll there.
    """
    if sys.platform == "darwin":
        return _make_fsevents(on_trouble)
    from vragd.vault.inotify import make_inotify

    return make_inotify(on_trouble)


def healthy(observer: BaseObserver) -> bool:
    """Whether every thread of `observer` is alive. Ask from a heartbeat."""
    inotify = getattr(observer, "_inotify_fd", None)
    return (
        observer.is_alive()
        and (inotify is None or inotify.is_alive())
        and bool(observer.emitters)
        and all(emitter.is_alive() for emitter in observer.emitters)
    )


# FSEvents.h: MustScanSubDirs, UserDropped, KernelDropped, EventIdsWrapped, Mount, Unmount
_FSEVENTS_LOST = 0x1 | 0x2 | 0x4 | 0x8
_FSEVENTS_MOUNT = 0x40 | 0x80
_FSEVENTS_ROOT_CHANGED = 0x20


def _make_fsevents(on_trouble: OnTrouble) -> BaseObserver:
    # Never run: no macOS machine was at hand. Written from watchdog's source and Apple's header.
    from watchdog.observers.fsevents import FSEventsEmitter, FSEventsObserver

    class Emitter(FSEventsEmitter):
        def events_callback(self, paths: Any, inodes: Any, flags: Any, ids: Any) -> None:
            seen = 0
            for flag in flags:
                seen |= flag
            if seen & _FSEVENTS_LOST:
                on_trouble("overflow", None)
            if seen & _FSEVENTS_MOUNT:
                on_trouble("unmount", None)
            if seen & _FSEVENTS_ROOT_CHANGED:
                on_trouble("root_gone", None)
            super().events_callback(paths, inodes, flags, ids)

    observer = FSEventsObserver()
    observer._emitter_class = Emitter
    return observer
