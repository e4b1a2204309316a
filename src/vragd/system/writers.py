"""One process at a time writes a place that others may read. Standard library only."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vragd.errors import BackendUnavailable
from vragd.system.files import disk_error

LOOK_S = 0.05
"""By then, who only looked whether somebody writes has let go."""


@dataclass(slots=True)
class _Lock:
    fd: int
    n_holders: int
    turn: threading.RLock = field(default_factory=threading.RLock)


_held: dict[str, _Lock] = {}  # of this process, by the real path
_guard = threading.Lock()


class OnlyWriter:
    """
    The right to write a place, which has a name, taken when it is first needed and kept until `release`. Any thread.

    Holders of one process share it. The kernel lets go of it on any death.
    """

    def __init__(self, place: Path, flock: Callable[[int, int], None] = fcntl.flock) -> None:
        self._place, self._flock = place, flock
        self._key: str | None = None

    @property
    def _lock(self) -> Path:
        """Beside the place itself, by whatever link it is named."""
        return Path(f"{os.path.realpath(self._place)}.lock")

    def take(self) -> None:
        """Raises BackendUnavailable, naming the process, while another one writes there."""
        self._taken()

    def look(self) -> None:
        """Raise as `take` would while another process writes there. Takes nothing, and leaves nothing behind."""
        with _guard:
            if os.path.realpath(self._lock) in _held:
                return
            try:
                fd = os.open(self._lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            except FileNotFoundError:
                return
            except OSError as error:
                raise disk_error(error, str(self._lock)) from error
            try:
                self._flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise self._busy(fd) from None
            except OSError as error:
                raise disk_error(error, str(self._lock)) from error
            finally:
                os.close(fd)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """`take`, and of the holders of this process one at a time."""
        with self._taken().turn:
            yield

    def _taken(self) -> _Lock:
        with _guard:
            key = self._key or os.path.realpath(self._lock)
            held = _held.get(key)
            if held is None:
                held = _held[key] = _Lock(self._locked(), n_holders=0)
            elif not self._is_there(held.fd):  # removed by somebody: another process would lock a new one
                fd = self._locked()
                os.close(held.fd)
                held.fd = fd
            if self._key is None:
                self._key = key
                held.n_holders += 1
            return held

    def _is_there(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._lock))
        except OSError:
            return False

    def release(self) -> None:
        with _guard:
            if self._key is None:
                return
            held = _held[self._key]
            held.n_holders -= 1
            if not held.n_holders:
                os.close(held.fd)
                del _held[self._key]
            self._key = None

    def _locked(self) -> int:
        try:
            fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise disk_error(error, str(self._lock)) from error
        try:
            try:
                self._flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(LOOK_S)
                self._flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            busy = self._busy(fd)
            os.close(fd)
            raise busy from None
        except OSError as error:
            os.close(fd)
            raise disk_error(error, str(self._lock)) from error
        return fd

    def _busy(self, fd: int) -> BackendUnavailable:
        pid = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
        return BackendUnavailable(
            f"another process (pid {pid or 'unknown'}) writes {self._place}",
            hint="one process at a time writes there, any number read; stop that one, or use a shared backend",
        )
