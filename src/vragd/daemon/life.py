"""
The daemon's life, top to bottom: lock → open and migrate → watch, then scan → socket → ready; and the
same backwards. Everything is crash-only: a deadline ends a slow goodbye.

SIGTERM and SIGINT end it, SIGHUP loads the configuration again and never ends it.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import gc
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from vragd import __version__
from vragd.config.load import Loaded
from vragd.config.settings import LogSettings
from vragd.daemon.jobs import make_schedule, reschedule
from vragd.daemon.watchdog import Pulse
from vragd.errors import ConfigError, DaemonBusy, DataDirError, VragdError
from vragd.server.http import Limits, Server
from vragd.server.routes import Reply, dispatch, find
from vragd.server.socket import adopt, bind
from vragd.stores.reload import reload
from vragd.stores.service import Service
from vragd.system import notify
from vragd.system.files import disk_error, private_dir, sweep_temporary
from vragd.system.log import error_fields, set_up

log = structlog.get_logger()

LoadAgain = Callable[[], Loaded]

STOP_DEADLINE_S = 10.0
EXIT_TEMPFAIL = 75  # sysexits.h: the supervisor should start us again
SUSPEND_JUMP_S = 5.0
_M_ARENA_MAX = -8  # malloc.h


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
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
            sweep_temporary(data_dir)
        except OSError as error:
            raise disk_error(error, str(path)) from error
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


def run(loaded: Loaded, load_again: LoadAgain, *, stuck_s: float | None = None) -> int:
    """
    Run until a signal; the exit status. Raises VragdError when it cannot start.

    `load_again` loads the configuration from the same place. `stuck_s` is after how many seconds work without
    progress hangs; by default what `pulse.bound_s` makes of the settings.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the loop takes it: its default is death
    os.umask(0o077)
    passed = notify.listen_fds()
    _raise_file_limit()
    _share_free_memory()
    try:
        with only_process(loaded.data_dir) as lock:
            adopted = adopt(passed) if passed else None
            return asyncio.run(Daemon(loaded, load_again, lock, adopted, stuck_s).main())
    except VragdError as error:
        if loaded.config.log.file is not None:  # standard error, where the caller complains, may lead nowhere
            log.error("daemon.start_refused", **error_fields(error))
        raise
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # ours is gone with the loop, the process is not yet


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))
        except (OSError, ValueError):
            return  # a sandbox may forbid it; there are as many as there are


def _share_free_memory() -> None:
    """
    Have glibc keep what is freed for all threads together, nearly.

    It keeps it apart for each of up to eight threads a core, and lanes begin threads anew at each reload: 100 MiB
    were held so after fifty of them.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
    except (OSError, AttributeError):
        return  # another C library


def set_up_log(settings: LogSettings) -> None:
    """Log as the configuration says."""
    set_up(
        level=settings.level,
        style=settings.format,
        show_paths=settings.paths,
        file=settings.file,
        max_bytes=settings.max_mib * 1024 * 1024,
        keep=settings.keep,
    )


class Daemon:
    """One run of the daemon, on its event loop. `adopted` is a listening socket to serve instead of our own."""

    def __init__(
        self, loaded: Loaded, load_again: LoadAgain, lock: int, adopted: socket.socket | None, stuck_s: float | None
    ) -> None:
        self._loaded, self._load_again, self._lock = loaded, load_again, lock
        self._stop = asyncio.Event()
        self._hung_up = asyncio.Event()
        self._status = 0
        self._service = Service(loaded, watch=True)
        self._pulse = Pulse(self._service, stuck_s)
        self._tasks: list[asyncio.Task[None]] = []
        self._server: Server | None = None
        self._adopted = adopted
        self._socket = loaded.socket
        self._socket_inode: int | None = None
        self._owns_socket = False  # whether the name at `_socket` is ours to remove
        self._asleep = _asleep_s()

    async def main(self) -> int:
        """Start, wait for a signal, stop; the exit status."""
        self._handle_signals()
        started = time.monotonic()
        self._schedule = schedule = make_schedule(
            self._loaded.config.watch,
            {
                "heartbeat": self._heartbeat,
                **{name: self._job(name) for name in ("rescan", "retry", "checkpoint", "tend")},
            },
        )
        try:
            await self._service.start()
            self._listen()
            self._tasks = [asyncio.create_task(self._pulse.run()), asyncio.create_task(self._reloads())]
            schedule.start()
            gc.enable()  # off since `vragd run` began
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
        if self._adopted is not None:
            listener, self._adopted, self._owns_socket = self._adopted, None, False
            self._socket = Path(os.fsdecode(listener.getsockname()))
            if os.path.realpath(self._socket) == os.path.realpath(self._loaded.socket):
                log.info("daemon.socket_adopted")
            else:
                log.warning("daemon.socket_elsewhere", hint="ListenStream= of the unit is not paths.socket")
        else:
            listener, self._owns_socket = bind(self._loaded.socket), True
            self._socket = self._loaded.socket
        self._socket_inode = _inode(self._socket)
        self._pulse.socket = self._socket
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
        there = _inode(self._socket)
        if (there is None or there != self._socket_inode) and self._server is not None:
            log.warning("daemon.socket_lost")
            old, self._server = self._server, None
            await old.stop()
            try:
                self._listen()
            except VragdError as error:
                log.error("daemon.socket_unavailable", **error_fields(error))
                self._end(EXIT_TEMPFAIL)

    # -- the configuration, again ------------------------------------------------------------------

    async def _reloads(self) -> None:
        """One reload after another; signals that come during one are one more."""
        await self._pulse.announced.wait()
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            notify.reloading()
            await self._reload()
            self._pulse.say_ready()

    async def _reload(self) -> None:
        """Take the configuration as it is now; one that cannot be used changes nothing."""
        try:
            loaded = await asyncio.to_thread(self._load_again)
            restart_for = await reload(self._service, loaded)
        except VragdError as error:
            log.error("daemon.reload_refused", **error_fields(error), **_line_of(error))
        except Exception as error:  # a bug, and no reason to end what works
            log.error("daemon.reload_failed", **error_fields(error))
        else:
            set_up_log(loaded.config.log)
            reschedule(self._schedule, loaded.config.watch)
            log.info("daemon.config_reloaded", n_stores=len(self._service.workers), restart_for=list(restart_for))

    # -- the end -----------------------------------------------------------------------------------

    def _handle_signals(self) -> None:
        """
        Signals come through Python's own handlers: the loop's are told by a byte in a pipe, which is lost when
        a hail of others has filled it, and lose their place when the loop closes.
        """
        loop = asyncio.get_running_loop()

        def stop(number: int, _: object) -> None:
            try:
                loop.call_soon_threadsafe(self._on_signal, signal.Signals(number))
            except RuntimeError:  # the loop has ended, and with it all that was to be waited for
                os._exit(128 + number)

        def hang_up(*_: object) -> None:
            try:
                loop.call_soon_threadsafe(self._hung_up.set)
            except RuntimeError:
                return

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        signal.signal(signal.SIGHUP, hang_up)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            log.warning("daemon.stop_forced", signal=number.name)
            os._exit(128 + number)  # crash-only: nothing durable is at stake
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing is loaded again, and a hail of it would hold up the end
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
        notify.stopping()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pulse.close()
        if self._server is not None:
            await self._server.stop()
            if self._owns_socket:
                _unlink_own(self._socket, self._socket_inode)
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


def _line_of(error: VragdError) -> dict[str, int]:
    """The line a complaint about the configuration is about. Its words may hold paths, so they stay here."""
    line = error.line if isinstance(error, ConfigError) else None
    return {} if line is None else {"line": line}


def _unlink_own(path: Path, inode: int | None) -> None:
    if inode is not None and _inode(path) == inode:
        try:
            path.unlink()
        except OSError:
            return


def _inode(path: Path) -> int | None:
    """The inode at `path`; None when nothing can be seen there."""
    try:
        return path.lstat().st_ino
    except OSError:
        return None


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
