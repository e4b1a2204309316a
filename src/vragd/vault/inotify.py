"""
Watching folders on Linux: one inotify instance, one thread, a watch for each folder that is not excluded.

The kernel tells what happened in a folder it knows by number; what that folder is called only we remember, and any
event about a folder may have made that wrong: folders move, change places in one stroke, come and go between two
events. So it is never believed: whatever was known at and below the name is forgotten, and what is there now is
watched anew. A folder that cannot be watched is left to polling, alone, and tried again.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from vragd.vault.obsidian import configs_among
from vragd.vault.read import NOT_THERE, open_path
from vragd.vault.root import Root, is_local

_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
_ONLYDIR, _EXCL_UNLINK, _ISDIR = 0x1000000, 0x4000000, 0x40000000
# Opening and reading are not asked for: our own reads would come back as events.
_WANTED = (
    _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
    | _ONLYDIR | _EXCL_UNLINK
)  # fmt: skip
_HEAD = struct.Struct("iIII")
_NON_BLOCKING, _CLOSE_ON_EXEC = os.O_NONBLOCK, os.O_CLOEXEC
_FEW = 64  # watches that failed and are tried again at a time
MAX_UNWATCHED = 1_000

_libc = ctypes.CDLL(None, use_errno=True)

OnHint = Callable[[str, bool], None]
OnTrouble = Callable[[str, OSError | None], None]


class Inotify:
    """
    Watches `root` and every folder below it but those for which `excluded` gives a reason.

    `start` and `retry` may be called from any one thread at a time, `stop` from any. Hints and troubles come on a
    thread of its own.
    """

    def __init__(
        self, root: Path, on_hint: OnHint, on_trouble: OnTrouble, excluded: Callable[[str], str | None]
    ) -> None:
        self.unwatched: dict[str, str] = {}
        """Folders below which changes go unseen, each with the reason. Replaced whole; read it from anywhere."""
        opened = Root(root)
        # not kept open: the system tells of the end of a folder only when nobody holds it
        self._path, self._place, self._excluded = Path(opened.real), opened.identity.place, excluded
        self._on_hint, self._on_trouble = on_hint, on_trouble
        self._lock = threading.RLock()  # over all that follows
        self._paths: dict[int, tuple[str, ...]] = {}  # by watch: one, and two names, where mounted twice
        self._watches: dict[str, int] = {}  # by path
        self._failed: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="inotify", daemon=True)
        self._ending = False
        self._fd = -1
        self._pipe = threading.Lock()
        self._wake, self._woken = os.pipe2(_NON_BLOCKING | _CLOSE_ON_EXEC)

    # -- from other threads ------------------------------------------------------------------------

    def start(self) -> None:
        """Watch all that is there now; when it returns it is. Raises OSError if the root cannot be watched."""
        fd = _libc.inotify_init1(_NON_BLOCKING | _CLOSE_ON_EXEC)
        if fd < 0:
            error = _error()
            self._close()
            raise error
        self._fd = fd
        try:
            with self._lock:
                self._arm([""])
            if why := self._failed.get(""):
                raise OSError(getattr(errno, why.upper(), errno.EIO), f"the root cannot be watched: {why}")
            self._thread.start()
        except BaseException:
            self._close()
            raise

    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def retry(self) -> list[str]:
        """Try again to watch what could not be watched; the folders that are watched now. Blocks for the walk."""
        with self._lock:
            if self._fd < 0:
                return []
            some = list(self._failed)[:_FEW]
            for path in some:
                del self._failed[path]
            self._arm(some)
            healed = [path for path in some if path not in self._failed]
            for path in some:  # those that were just tried go behind the others
                if path in self._failed:
                    self._failed[path] = self._failed.pop(path)
            return healed

    def rearm(self) -> None:
        """Watch all that is there anew: what is excluded has changed, or what is mounted. Blocks for the walk."""
        with self._lock:
            if self._fd >= 0:
                self._anew([""])

    def stop(self) -> None:
        """End, without waiting."""
        self._ending = True
        with self._pipe:
            if self._woken >= 0:
                os.close(self._woken)  # which wakes the other end as a byte would, and cannot fail
                self._woken = -1

    def join(self, timeout_s: float) -> None:
        """Wait for its end."""
        if self._thread.ident not in (None, threading.get_ident()):
            self._thread.join(timeout_s)

    # -- what is watched ---------------------------------------------------------------------------

    def _anew(self, paths: list[str]) -> None:
        """Forget what was known at and below these names, and watch what is there now."""
        tops = _outermost(paths)
        adrift: set[int] = set()
        for top in tops:
            for path in [top, *self._below(top)]:
                watch = self._watches.pop(path, None)
                if watch is not None:
                    self._forget(path, watch)
                    adrift.add(watch)
                self._failed.pop(path, None)
        self._arm(tops)
        for watch in adrift - self._paths.keys():  # of folders that are elsewhere now, or gone
            _libc.inotify_rm_watch(self._fd, watch)

    def _below(self, top: str) -> list[str]:
        if not top:
            return [path for path in (*self._watches, *self._failed) if path]
        return [path for path in (*self._watches, *self._failed) if path.startswith(top + "/")]

    def _arm(self, tops: list[str]) -> None:
        """Watch these folders and all below. What fails is noted, and nothing below it is tried."""
        try:
            root = Root(self._path)
            if root.identity.place != self._place:
                raise NotADirectoryError(errno.ENOTDIR, "the root is another directory")
        except OSError as error:
            self._failed[""] = _name(error)
            self._publish()
            self._on_trouble("root_gone" if error.errno in NOT_THERE else "watch_failed", error)
            return
        mounts = root.mounts()
        waiting = [top for top in tops if not top or self._excluded_folder(top) is None]
        flat = [top for top in tops if top and top not in waiting]  # a config folder of Obsidian's may be among them
        full = False
        while waiting:
            path = waiting.pop()
            if full:
                self._fail(path, "enospc")
                continue
            if path in mounts and not is_local(mounts[path].kind):
                self._fail(path, f"file_system_{mounts[path].kind}")
                continue
            try:
                folders, configs = self._watch(root, path)
            except OSError as error:
                if path and error.errno in NOT_THERE:
                    continue  # gone meanwhile, or a link: normal
                self._fail(path, _name(error))
                full = error.errno == errno.ENOSPC
                continue
            waiting += folders
            flat += configs
        for path in flat:
            self._watch_flat(root, path)
        self._publish()

    def _publish(self) -> None:
        self.unwatched = dict(list(self._failed.items())[:MAX_UNWATCHED])

    def _fail(self, path: str, why: str) -> None:
        self._failed[path] = why
        self._on_trouble("watch_failed", OSError(getattr(errno, why.upper(), errno.EIO), why))

    def _watch(self, root: Root, path: str) -> tuple[list[str], list[str]]:
        """Watch one folder; the folders in it to watch, and the config folders of Obsidian's."""
        fd = open_path(root.fd, path)
        try:
            self._remember(path, self._add(fd))
            folders, hidden = [], []
            prefix = path + "/" if path else ""
            # the watch comes before the list, or what is made in between is missed
            listed = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
            try:
                with os.scandir(listed) as entries:
                    for entry in entries:
                        if not entry.is_dir(follow_symlinks=False):
                            continue
                        reason = self._excluded(prefix + entry.name)
                        if reason is None:
                            folders.append(prefix + entry.name)
                        elif reason == "dot_folder":
                            hidden.append(entry.name)
                configs = [prefix + name for name in hidden if configs_among([name], listed)]
            finally:
                os.close(listed)
        finally:
            os.close(fd)
        return folders, configs

    def _watch_flat(self, root: Root, path: str) -> None:
        """Watch a config folder of Obsidian's, and nothing below it. It is looked at now and then all the same."""
        try:
            fd = open_path(root.fd, path)
        except OSError:
            return
        try:
            if configs_among(["."], fd) or path.rpartition("/")[2] == ".obsidian":
                self._remember(path, self._add(fd))
        except OSError:
            return
        finally:
            os.close(fd)

    def _add(self, fd: int) -> int:
        # by the descriptor: a path may lead elsewhere by now, or be longer than the system takes
        watch: int = _libc.inotify_add_watch(self._fd, f"/proc/self/fd/{fd}".encode(), _WANTED)
        if watch < 0:
            raise _error()
        return watch

    def _remember(self, path: str, watch: int) -> None:
        old = self._watches.get(path)
        if old == watch:
            return
        if old is not None:
            self._forget(path, old)
        # what it is called besides stays: where the folder has moved, an event says so by the old name, too
        self._paths[watch] = (*self._paths.get(watch, ()), path)
        self._watches[path] = watch

    def _forget(self, path: str, watch: int) -> None:
        """This watch has this name no longer."""
        if others := tuple(name for name in self._paths.get(watch, ()) if name != path):
            self._paths[watch] = others
        else:
            self._paths.pop(watch, None)

    def _excluded_folder(self, path: str) -> str | None:
        parts = path.split("/")
        for i in range(len(parts)):
            if reason := self._excluded("/".join(parts[: i + 1])):
                return reason
        return None

    # -- events ------------------------------------------------------------------------------------

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        try:
            while not self._ending:
                poll.poll()
                try:
                    data = os.read(self._fd, 1 << 18)
                except BlockingIOError:
                    continue
                if not self._ending and not self._take(data):
                    return
        finally:
            self._close()

    def _take(self, data: bytes) -> bool:
        """What a read of events says: watch first, then hint. False when the root is gone."""
        folders: dict[str, None] = {}
        hints: dict[tuple[str, bool], None] = {}
        gone = overflow = unmounted = False
        with self._lock:
            for watch, mask, name in _events(data):
                overflow = overflow or bool(mask & _OVERFLOW)
                paths = self._paths.get(watch, ())
                unmounted = unmounted or bool(paths and mask & _UNMOUNT)
                if mask & _IGNORED:
                    self._paths.pop(watch, None)
                    for path in paths:
                        del self._watches[path]
                if mask & (_IGNORED | _DELETE_SELF | _MOVE_SELF):
                    gone = gone or "" in paths
                    continue
                is_folder = not name or bool(mask & _ISDIR)  # without a name: the folder's own rights have changed
                for path in paths:
                    inside = f"{path}/{name}" if path and name else path or name
                    hints[inside, is_folder] = None
                    if is_folder and (self._is_failed_near(inside) if mask & _ATTRIB else name):
                        folders[inside] = None
            if overflow:
                self._anew([""])
            elif folders:
                self._anew(list(folders))
        for kind, happened in (("overflow", overflow), ("unmount", unmounted), ("root_gone", gone)):
            if happened:
                self._on_trouble(kind, None)
        for path in _outermost([path for path, is_folder in hints if is_folder]):  # whose scan is one of all below
            self._on_hint(path, True)
        for path, is_folder in hints:
            if not is_folder:
                self._on_hint(path, False)
        return not gone

    def _is_failed_near(self, path: str) -> bool:
        return any(failed == path or failed.startswith(f"{path}/") for failed in self._failed)

    def _close(self) -> None:
        with self._lock, self._pipe:
            fds, self._fd = (self._fd, self._wake, self._woken), -1
            self._wake = self._woken = -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)


def _events(data: bytes) -> Iterator[tuple[int, int, str]]:
    at = 0
    while at + _HEAD.size <= len(data):
        watch, mask, _, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        yield watch, mask, os.fsdecode(data[at : at + length].rstrip(b"\0"))
        at += length


def _outermost(paths: list[str]) -> list[str]:
    """`paths` without those that are below another."""
    found: list[str] = []
    for path in sorted(set(paths), key=lambda path: path.split("/") if path else []):
        if not found or not (found[-1] == "" or path.startswith(found[-1] + "/")):
            found.append(path)
    return found


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "EIO").lower()
