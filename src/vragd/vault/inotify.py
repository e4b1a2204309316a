"""
The Linux half of the guard: watchdog's inotify classes with their silences given a voice. See `guard`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from watchdog.observers.inotify import InotifyEmitter, InotifyObserver, InotifyWatchGroup
from watchdog.observers.inotify_c import InotifyConstants, Mask

_GONE = InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_DELETE_SELF

OnTrouble = Callable[[Any, OSError | None], None]


def _guarded_group(on_trouble: OnTrouble) -> type[InotifyWatchGroup]:
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
            if event.mask & _GONE and path == self.path:
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

    return Group


def make_inotify(on_trouble: OnTrouble) -> InotifyObserver:
    """An observer whose watches report to `on_trouble`."""
    group = _guarded_group(on_trouble)

    class Emitter(InotifyEmitter):
        def on_thread_start(self) -> None:
            self._inotify = group(
                self._inotify_fd,
                os.fsencode(self.watch.path),
                is_recursive=self.watch.is_recursive,
                event_mask=self.get_event_mask_from_filter(),
                follow_symlink=False,  # a link loop would rewrite every path
            )

    observer = InotifyObserver()
    observer._emitter_class = Emitter
    return observer
