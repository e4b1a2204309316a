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
    return _make_inotify(on_trouble)


def healthy(observer: BaseObserver) -> bool:
    """Whether every thread of `observer` is alive. Ask from a heartbeat."""
    inotify = getattr(observer, "_inotify_fd", None)
    return (
        observer.is_alive()
        and (inotify is None or inotify.is_alive())
        and bool(observer.emitters)
        and all(emitter.is_alive() for emitter in observer.emitters)
    )


def _make_inotify(on_trouble: OnTrouble) -> BaseObserver:
    import errno
    import os

    from watchdog.observers.inotify import InotifyEmitter, InotifyObserver, InotifyWatchGroup
    from watchdog.observers.inotify_c import InotifyConstants, Mask

    gone = InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_DELETE_SELF

    class Group(InotifyWatchGroup):
        def __post_init__(self) -> None:
            self.event_mask = Mask(self.event_mask | InotifyConstants.IN_MOVE_SELF)
            super().__post_init__()

        def on_queue_overflow(self) -> None:
            super().on_queue_overflow()
            on_trouble("overflow", None)

        def on_event(self, event: Any) -> None:
            path = self._build_event_source_path(event)
            if event.mask & InotifyConstants.IN_UNMOUNT:
                on_trouble("unmount", None)
            if event.mask & gone and path == self.path:
                on_trouble("root_gone", None)
            if event.mask & InotifyConstants.IN_MOVE_SELF:
                return  # watchdog has no mapping for it
            super().on_event(event)

        def _add_callback(self, path: bytes) -> None:
            fd = self._inotify_fd
            try:
                # Not `fd.add_callback`: a folder seen twice, as after `mkdir -p`, makes it warn with paths.
                with fd._lock:
                    watch = fd._get_or_create_watch(path, self.event_mask)
                    watch.callbacks[self._id] = self
                    wd = watch.wd
                    if wd == -1:  # watchdog swallows EACCES
                        fd._watch_for_wd.pop(wd, None)
                        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            except OSError as error:
                away = error.errno in (errno.ENOENT, errno.ENOTDIR)
                if away and path != self.path:
                    return  # deleted while it was being added: normal
                on_trouble("root_gone" if away else "watch_failed", error)
                if path == self.path:
                    raise
                return
            self._active_callbacks_by_path[path] = wd
            self._active_callbacks_by_watch[wd] = path

    class Emitter(InotifyEmitter):
        def on_thread_start(self) -> None:
            self._inotify = Group(
                self._inotify_fd,
                os.fsencode(self.watch.path),
                is_recursive=self.watch.is_recursive,
                event_mask=self.get_event_mask_from_filter(),
                follow_symlink=False,  # a link loop would rewrite every path
            )

    observer = InotifyObserver()
    observer._emitter_class = Emitter
    return observer


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
