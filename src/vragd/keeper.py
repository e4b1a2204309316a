"""
Keeps one source connected, watched and scanned, and says why its answers may be stale.

Lives on the event loop. Events are hints; whenever they cannot be trusted a full scan is asked for, and
the reason is shown until a scan that began afterwards has ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine

import structlog

from vragd.dirty import DirtyPaths
from vragd.lane import Lane
from vragd.log import error_fields
from vragd.settings import WatchSettings
from vragd.store import Store
from vragd.vault.guard import TroubleKind
from vragd.vault.ignore import APP_JSON
from vragd.vault.source import Source
from vragd.vault.watch import Watcher

log = structlog.get_logger()

CONFIRM_SCAN_S = 65.0  # a little over compare.GUARD_CONFIRM_S
DEGRADED_BY_STATE = {
    "offline": "source_offline",
    "permission": "source_permission",
    "root_changed": "root_changed",
}


class Keeper:
    """One source of one store. `watch=False` scans only when asked."""

    def __init__(
        self, store: Store, source: Source, dirty: DirtyPaths, settings: WatchSettings, writer: Lane, scanner: Lane,
        *, watch: bool,
    ) -> None:  # fmt: skip
        self.store, self.source = store, source
        self.polling = False
        self.scanned_at: float | None = None  # monotonic
        self._dirty, self._settings, self._writer, self._scanner = dirty, settings, writer, scanner
        self._watch = watch and source.settings.watch
        self._watcher: Watcher | None = None
        self._distrust: dict[str, int] = {}  # reason -> ticket of the scan that will lift it
        self._rescan_at: float | None = None
        self._checking = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def watching(self) -> str:
        """`events`, `polling`, or `off` for a source that is indexed on demand."""
        if not self._watch:
            return "off"
        return "polling" if self.polling or self._watcher is None else "events"

    def degraded(self) -> list[str]:
        """Why answers about this source may be stale."""
        reasons = list(self._distrust)
        if reason := DEGRADED_BY_STATE.get(self.source.state):
            reasons.append(reason)
        if self.store.guards[self.source.id].n_held:
            reasons.append("deletes_held")
        return reasons

    async def check(self) -> None:
        """
        One heartbeat: reconnect a root that went away or came back, rearm a watch that died, poll if due.

        Cheap when all is well.
        """
        async with self._checking:
            was = self.source.state
            if not await self._scanner.run(self.source.healthy):  # may hang on a network file system
                await self._reconnect()
            elif self._watch and not self.polling and (self._watcher is None or not self._watcher.healthy()):
                log.warning("watch.thread_died", store=self.store.name, source=self.source.uid)
                await self._arm()
                self.distrust("watcher_restarted")
            if self.source.state != was:
                log.info(
                    "source.state_changed",
                    store=self.store.name,
                    source=self.source.uid,
                    state=self.source.state,
                )
            if self.source.state == "ok":
                self._rescan_if_due()

    async def _reconnect(self) -> None:
        self._disarm()
        if not await self._writer.run(self.store.connect, self.source):
            self._dirty.forget_source(self.source.id)
            return
        if self._watch:
            await self._arm()  # before the scan: what changes between the two is seen by one of them
            self.distrust("initial_scan")

    def _rescan_if_due(self) -> None:
        now = time.monotonic()
        polled = self._watch and self.polling and now - (self.scanned_at or 0) >= self._settings.poll_s
        if polled or (self._rescan_at is not None and now >= self._rescan_at):
            self._rescan_at = None
            self._dirty.hint(self.source.id, "", folder=True, settle=False)

    async def _arm(self) -> None:
        self._disarm()
        self.polling = self._settings.mode == "poll" or not self.source.sees_events()
        if self.polling:
            log.info("watch.polling_chosen", store=self.store.name, source=self.source.uid)
            return
        watcher: Watcher | None = None
        try:
            watcher = Watcher(self.source.path, self._on_hint, self._on_trouble)
            await self._scanner.run(watcher.start)
        except (OSError, ImportError) as error:
            if watcher is not None:
                watcher.stop()
            self._fall_back_to_polling(error)
        else:
            self._watcher = watcher

    def _fall_back_to_polling(self, error: BaseException | None) -> None:
        if not self.polling:
            self.polling = True
            log.warning(
                "watch.polling_instead",
                store=self.store.name,
                source=self.source.uid,
                hint="raise fs.inotify.max_user_watches",
                poll_s=self._settings.poll_s,
                **(error_fields(error) if error else {}),
            )

    def _disarm(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None

    def distrust(self, reason: str) -> int:
        """Ask for a full scan and show `reason` until it has ended. Returns the ticket to wait for."""
        ticket = self._dirty.hint(self.source.id, "", folder=True, settle=False)
        self._distrust[reason] = ticket
        return ticket

    async def scan(self, folder: str) -> None:
        """Scan the source or a folder of it and queue what differs."""
        if not await self._scanner.run(self.source.healthy):
            await self.check()
            return
        ticket, started = self._dirty.ticket(), time.monotonic()
        if not folder:
            await self._writer.run(self.source.refresh_rules)
        paths, found = await self._scanner.run(self.store.scan_source, self.source, folder)
        self._dirty.add((self.source.id, path) for path in paths)
        if found.stopped or folder:
            return
        self.scanned_at = time.monotonic()
        if self.store.guards[self.source.id].n_held:
            self._rescan_at = self.scanned_at + CONFIRM_SCAN_S
        self._distrust = {reason: asked for reason, asked in self._distrust.items() if asked > ticket}
        log.info(
            "source.scan_finished",
            store=self.store.name,
            source=self.source.uid,
            n_notes=len(found.notes),
            n_dirty=len(paths),
            n_unreadable=len(found.unreadable),
            duration_ms=round((self.scanned_at - started) * 1000),
        )

    # -- called on watchdog's threads: enqueue and return -------------------------------------------

    def _on_hint(self, path: str, is_folder: bool) -> None:
        if path == APP_JSON or path == ".obsidian":
            self._on_loop(self._rules_changed)
        elif is_folder:
            if not path or self.source.rules.excluded_folder(path) is None:
                self._dirty.hint(self.source.id, path, folder=True)
        elif self.source.rules.excluded(path) is None:
            self._dirty.hint(self.source.id, path)

    def _on_trouble(self, kind: TroubleKind, error: OSError | None) -> None:
        self._on_loop(lambda: self._trouble(kind, error))

    def _on_loop(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            return  # the loop has ended, and with it the need to know

    # -- and their second half, on the loop ----------------------------------------------------------

    def _trouble(self, kind: TroubleKind, error: OSError | None) -> None:
        if kind == "watch_failed":
            self._fall_back_to_polling(error)
        elif kind == "overflow":
            log.warning("watch.events_lost", store=self.store.name, source=self.source.uid)
            self.distrust("watcher_overflow")
        else:
            self._spawn(self.check())

    def _rules_changed(self) -> None:
        self._spawn(self._refresh_rules())

    async def _refresh_rules(self) -> None:
        if await self._writer.run(self.source.refresh_rules):
            log.info("source.rules_changed", store=self.store.name, source=self.source.uid)
            self._dirty.hint(self.source.id, "", folder=True, settle=False)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Stop watching. What was hinted stays queued."""
        self._disarm()
        for task in self._tasks:
            task.cancel()
