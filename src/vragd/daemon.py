"""
The daemon's life, top to bottom: lock → open and migrate → watch, then scan → socket → ready; and the
same backwards. Everything is crash-only: a deadline ends a slow goodbye.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from vragd import __version__
from vragd.config import Loaded
from vragd.errors import DaemonBusy, DataDirError, VragdError
from vragd.files import private_dir, sweep_temporary
from vragd.log import error_fields
from vragd.schedule import make_schedule
from vragd.server.http import Limits, Server
from vragd.server.listen import bind
from vragd.server.routes import Reply, dispatch, find
from vragd.service import Service

log = structlog.get_logger()

STOP_DEADLINE_S = 10.0
EXIT_TEMPFAIL = 75  # sysexits.h: the supervisor should start us again
SUSPEND_JUMP_S = 5.0


@contextmanager
def only_process(data_dir: Path) -> Iterator[int]:
    """
    Hold the data directory for as long as the block runs; the kernel lets go of it on any death.

    Raises DaemonBusy, having changed nothing, when another process holds it.
    """
    private_dir(data_dir)
    path = data_dir / "lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise DataDirError(f"cannot open {path}: {os.strerror(error.errno or 0)}") from error
    try:
        # flock, not lockf: a POSIX lock is lost when the process closes any descriptor of the file
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise DaemonBusy(
            f"another vragd (pid {holder}) uses {data_dir}",
            hint="stop it, or give this one another paths.data and paths.socket",
        ) from None
    except OSError as error:
        os.close(fd)
        raise DataDirError(f"cannot lock {path}: {os.strerror(error.errno or 0)}") from error
    try:
        if not holds(fd, path):
            raise DaemonBusy(f"the lock {path} was replaced while it was taken", hint="try again")
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        sweep_temporary(data_dir)
        yield fd
    finally:
        os.close(fd)


def holds(fd: int, path: Path) -> bool:
    """Whether the locked descriptor is still the file at `path`."""
    try:
        mine, there = os.fstat(fd), path.stat()
    except OSError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def run(loaded: Loaded) -> int:
    """Run until a signal; the exit status. Raises VragdError when it cannot start."""
    os.umask(0o077)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))
    with only_process(loaded.data_dir) as lock:
        return asyncio.run(Daemon(loaded, lock).main())


class Daemon:
    """One run of the daemon, on its event loop."""

    def __init__(self, loaded: Loaded, lock: int) -> None:
        self._loaded, self._lock = loaded, lock
        self._stop = asyncio.Event()
        self._status = 0
        self._service = Service(loaded, watch=True)
        self._server: Server | None = None
        self._socket_inode = 0
        self._asleep = _asleep_s()

    async def main(self) -> int:
        """Start, wait for a signal, stop; the exit status."""
        self._handle_signals()
        started = time.monotonic()
        schedule = make_schedule(
            self._loaded.config.watch,
            {
                "heartbeat": self._heartbeat,
                **{name: self._job(name) for name in ("rescan", "retry", "checkpoint", "tend")},
            },
        )
        try:
            await self._service.start()
            self._listen()
            schedule.start()
            log.info(
                "daemon.service_ready",
                version=__version__,
                pid=os.getpid(),
                n_stores=len(self._service.workers),
                duration_ms=round((time.monotonic() - started) * 1000),
            )
            await self._stop.wait()
        finally:
            if schedule.running:
                schedule.shutdown(wait=False)
            await self._goodbye()
        return self._status

    def _job(self, name: str) -> Callable[[], asyncio.Future[None]]:
        async def job() -> None:
            await self._service.each(name)

        return job  # type: ignore[return-value]

    # -- socket ------------------------------------------------------------------------------------

    def _listen(self) -> None:
        listener = bind(self._loaded.socket)
        self._socket_inode = self._loaded.socket.lstat().st_ino
        limits = Limits(max_connections=self._loaded.config.limits.max_connections)
        self._server = Server(self._answer, limits, _timeout_of)
        self._server.start(listener)

    async def _answer(self, method: str, target: str, body: bytes) -> Reply:
        return await dispatch(self._service, method, target, body)

    # -- heartbeat ---------------------------------------------------------------------------------

    async def _heartbeat(self) -> None:
        if not holds(self._lock, self._loaded.data_dir / "lock"):
            log.error("daemon.lock_lost")  # somebody removed the data directory: whatever we write is nobody's
            self._end(EXIT_TEMPFAIL)
            return
        await self._mind_the_socket()
        asleep = _asleep_s()
        if abs(asleep - self._asleep) > SUSPEND_JUMP_S:
            log.info("daemon.sleep_noticed", slept_s=round(asleep - self._asleep))
            await self._service.each("rescan")
        self._asleep = asleep
        await self._service.each("heartbeat")

    async def _mind_the_socket(self) -> None:
        """A cleaner of old files may have taken the socket's name: have one again."""
        try:
            there = self._loaded.socket.lstat().st_ino == self._socket_inode
        except OSError:
            there = False
        if not there and self._server is not None:
            log.warning("daemon.socket_lost")
            old, self._server = self._server, None
            await old.stop()
            try:
                self._listen()
            except VragdError as error:
                log.error("daemon.socket_unavailable", **error_fields(error))
                self._end(EXIT_TEMPFAIL)

    # -- the end -----------------------------------------------------------------------------------

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            log.warning("daemon.stop_forced", signal=number.name)
            os._exit(128 + number)  # crash-only: nothing durable is at stake
        log.info("daemon.stop_asked", signal=number.name)
        self._end(0)

    def _end(self, status: int) -> None:
        self._status = self._status or status
        self._stop.set()

    async def _goodbye(self) -> None:
        """Stop within the deadline; past it, leave. Exit status 1 if a last flush failed."""
        deadline = threading.Timer(STOP_DEADLINE_S, _leave_now)  # not the loop's: it may be what hangs
        deadline.daemon = True
        deadline.start()
        if self._server is not None:
            await self._server.stop()
            _unlink_own(self._loaded.socket, self._socket_inode)
        try:
            await self._service.stop()
        except Exception as error:
            log.error("daemon.flush_failed", **error_fields(error))
            self._status = self._status or 1
        if self._server is not None:
            log.info("daemon.service_stopped", status=self._status)


def _leave_now() -> None:
    log.warning("daemon.stop_overdue", deadline_s=STOP_DEADLINE_S)
    os._exit(0)


def _unlink_own(path: Path, inode: int) -> None:
    try:
        if path.lstat().st_ino == inode:
            path.unlink()
    except OSError:
        return


def _timeout_of(method: str, target: str) -> float:
    try:
        return find(method, target)[0].timeout_s
    except VragdError:
        return 5.0


def _asleep_s() -> float:
    """How long the machine has slept since it booted, in seconds; constant where the system cannot tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return time.time() - time.monotonic()
