"""
The daemon's life, top to bottom: lock → open and migrate → watch, then scan → socket → ready; and the
same backwards. Everything is crash-only: a deadline ends a slow goodbye.

SIGTERM and SIGINT end it, SIGHUP loads the configuration again and never ends it.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from vragd import __version__
from vragd.config.load import Loaded
from vragd.config.settings import LogSettings
from vragd.daemon.duties import Duties
from vragd.daemon.watchdog import Pulse
from vragd.errors import ConfigError, NotFound, VragdError
from vragd.server.door import loopback, loopback_place
from vragd.server.http import Limits, Server
from vragd.server.routes import dispatch, timeout_of
from vragd.server.socket import Peer, adopt, bind
from vragd.server.table import Reply, error_reply
from vragd.stores.questions import Questions
from vragd.stores.reload import reload
from vragd.stores.stores import Stores
from vragd.system import notify
from vragd.system.lock import holds, only_process, record
from vragd.system.log import error_fields, set_up

if TYPE_CHECKING:
    from vragd.daemon.page import Page

log = structlog.get_logger()

LoadAgain = Callable[[], Loaded]

STOP_DEADLINE_S = 10.0
EXIT_TEMPFAIL = 75  # sysexits.h: the supervisor should start us again
METRICS_CONNECTIONS = 4
_M_ARENA_MAX = -8  # malloc.h
SWITCH_S = 0.0005
"""
After how long a thread that wants the interpreter is given it by one that computes in Python. A question's two threads
leave it at every call of SQLite, FAISS and NumPy, and with Python's 5 ms wait longer to have it back than they work.
"""


def run(loaded: Loaded, load_again: LoadAgain, *, stuck_s: float | None = None, metrics: str | None = None) -> int:
    """
    Run until a signal; the exit status. Raises VragdError when it cannot start.

    `metrics` is an address and port of this machine that `/metrics`, and nothing else, is served on too.

    `load_again` loads the configuration from the same place. `stuck_s` is after how many seconds work without
    progress hangs; by default what `pulse.bound_s` makes of the settings.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the loop takes it: its default is death
    os.umask(0o077)
    passed = notify.listen_fds()
    sys.setswitchinterval(SWITCH_S)
    _raise_file_limit()
    _share_free_memory()
    if metrics is not None:
        loopback_place(metrics)  # before anything is begun
    try:
        with only_process(loaded.data_dir) as lock:
            adopted = adopt(passed) if passed else None
            return asyncio.run(Daemon(loaded, load_again, lock, adopted, stuck_s, metrics).main())
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
        self, loaded: Loaded, load_again: LoadAgain, lock: int, adopted: socket.socket | None, stuck_s: float | None,
        metrics: str | None = None,
    ) -> None:  # fmt: skip
        self._loaded, self._load_again, self._lock = loaded, load_again, lock
        self._stop = asyncio.Event()
        self._hung_up = asyncio.Event()
        self._status = 0
        self._stores = Stores(loaded, watch=True)
        self._questions = Questions(self._stores)
        self._pulse = Pulse(self._stores, stuck_s)
        self._tasks: list[asyncio.Task[None]] = []
        self._server: Server | None = None
        self._metrics_at = metrics
        self._metrics: Server | None = None
        self._page: Page | None = None
        self._adopted = adopted
        self._socket = loaded.socket
        self._socket_inode: int | None = None
        self._owns_socket = False  # whether the name at `_socket` is ours to remove
        self._duties = Duties(self._stores, self._stands)
        self._deadline: threading.Timer | None = None

    async def main(self) -> int:
        """Start, wait for a signal, stop; the exit status."""
        self._handle_signals()
        started = time.monotonic()
        try:
            await self._stores.start()
            if self._stop.is_set():
                return self._status
            self._listen()
            self._serve_metrics()
            self._tasks = [asyncio.create_task(self._pulse.run()), asyncio.create_task(self._reloads())]
            self._duties.begin(self._stores.loaded.config.watch)
            await self._keep_page(wanted=self._loaded.config.web)
            gc.freeze()  # what is loaded by now stays: looking through it again and again takes what idling costs
            gc.enable()  # off since `vragd run` began
            log.info(
                "daemon.service_ready",
                version=__version__,
                pid=os.getpid(),
                n_stores=len(self._stores.indexers),
                duration_ms=round((time.monotonic() - started) * 1000),
            )
            await self._stop.wait()
        finally:
            await self._goodbye()
        return self._status

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
        try:
            record(self._lock, self._socket)
        except OSError as error:  # a full disk: only who looks elsewhere does not find us
            log.warning("daemon.socket_unrecorded", **error_fields(error))
        self._pulse.socket = self._socket
        limits = Limits(max_connections=self._loaded.config.limits.max_connections)
        self._server = Server(self._answer, limits, timeout_of)
        self._server.start(listener)

    async def _answer(self, method: str, target: str, body: bytes, peer: Peer) -> Reply:
        return await dispatch(self._questions, self._stores, method, target, body, peer.pid)

    def _serve_metrics(self) -> None:
        if self._metrics_at is None:
            return
        listener, door = loopback(self._metrics_at)
        self._metrics = Server(self._answer_metrics, Limits(max_connections=METRICS_CONNECTIONS), timeout_of, door)
        self._metrics.start(listener)
        log.info("daemon.metrics_served", port=listener.getsockname()[1])

    async def _answer_metrics(self, method: str, target: str, body: bytes, peer: Peer) -> Reply:
        if target.partition("?")[0] != "/metrics":
            return error_reply(NotFound("there is nothing but /metrics here"))
        return await self._answer(method, target, body, peer)

    async def _keep_page(self, *, wanted: bool) -> None:
        """Begin or end the page that the configuration keeps; one that cannot be had is no reason to end."""
        if wanted and self._page is None:
            from vragd.daemon.page import page_of  # who has none pays nothing

            try:
                self._page = page_of(self._socket, self._stores.clock)
            except ConfigError as error:
                log.error("page.start_failed", **error_fields(error))
            else:
                self._page.begin()
        elif not wanted and self._page is not None:
            page, self._page = self._page, None
            await page.end()
        self._stores.page = self._page

    # -- heartbeat ---------------------------------------------------------------------------------

    def _stands(self) -> bool:
        """Whether the lock is held; the socket is had again if need be. What cannot be had again ends the run."""
        if not holds(self._lock, self._loaded.data_dir / "lock"):
            log.error("daemon.lock_lost")  # somebody removed the data directory: whatever we write is nobody's
            self.end(EXIT_TEMPFAIL)
            return False
        there = _inode(self._socket)
        if (there is None or there != self._socket_inode) and self._server is not None:
            log.warning("daemon.socket_lost")
            old, self._server = self._server, None
            self._tasks.append(asyncio.create_task(self._listen_again(old)))
        return True

    async def _listen_again(self, old: Server) -> None:
        """A cleaner of old files may have taken the socket's name: have one again."""
        await old.stop()
        try:
            self._listen()
        except VragdError as error:
            log.error("daemon.socket_unavailable", **error_fields(error))
            self.end(EXIT_TEMPFAIL)

    # -- the configuration, again ------------------------------------------------------------------

    async def _reloads(self) -> None:
        """One reload after another; signals that come during one are one more."""
        await self._pulse.announced.wait()
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            notify.reloading()
            self._stores.note_reload(await self._reload())
            self._pulse.say_ready()

    async def _reload(self) -> VragdError | None:
        """Take the configuration as it is now; one that cannot be used changes nothing, and is why in what it gives."""
        try:
            loaded = await self._stores.outside.run(self._load_again)
            restart_for = await reload(self._stores, loaded)
        except VragdError as error:
            # the complaint's words may hold paths: the line says enough
            line = {"line": error.line} if isinstance(error, ConfigError) and error.line is not None else {}
            log.error("daemon.reload_refused", **error_fields(error), **line)
            return error
        except Exception as error:  # a bug, and no reason to end what works
            log.error("daemon.reload_failed", **error_fields(error))
            return VragdError(f"a fault of vragd's own: {type(error).__name__}", hint="its log says more")
        else:
            set_up_log(loaded.config.log)
            self._duties.take(loaded.config.watch)
            await self._keep_page(wanted=loaded.config.web)
            log.info("daemon.config_reloaded", n_stores=len(self._stores.indexers), restart_for=list(restart_for))
        return None

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
        self.end(0)

    def end(self, status: int) -> None:
        """Stop, and end with `status` unless another was wanted before."""
        self._status = self._status or status
        self._stores.end_soon()
        self._stop.set()
        self._begin_deadline()

    async def _goodbye(self) -> None:
        """Stop within the deadline; past it, leave. Exit status 1 if a last flush failed."""
        self._begin_deadline()
        notify.stopping()
        await self._duties.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pulse.close()
        await self._keep_page(wanted=False)
        if self._metrics is not None:
            await self._metrics.stop(0)
        if self._server is not None:
            await self._server.stop()
            if self._owns_socket:
                _unlink_own(self._socket, self._socket_inode)
        try:
            await self._stores.stop()
        except Exception as error:
            log.error("daemon.flush_failed", **error_fields(error))
            self._status = self._status or 1
        if self._server is not None:
            log.info("daemon.service_stopped", status=self._status)

    def _begin_deadline(self) -> None:
        """From when the end is wanted, which may be while stores are opened."""
        if self._deadline is None:
            self._deadline = threading.Timer(STOP_DEADLINE_S, self._leave_now)  # not the loop's: it may be what hangs
            self._deadline.daemon = True
            self._deadline.start()

    def _leave_now(self) -> None:
        log.warning("daemon.stop_overdue", deadline_s=STOP_DEADLINE_S, status=self._status)
        os._exit(self._status)  # a restart that was wanted is wanted still


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
