"""
Keeps one source connected, watched and scanned, and says why its answers may be stale.

Lives on the event loop; whatever waits for the source's file system runs on a lane of its own, which may
hang with it and nothing else. Events are hints; whenever they cannot be trusted a full scan is asked for, and
the reason is shown until a scan that began afterwards has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from vragd.config.settings import WatchSettings
from vragd.store.store import Store
from vragd.stores.attached import Attachments
from vragd.stores.beats import Beats
from vragd.stores.closing import withhold_closed
from vragd.stores.errands import Errands
from vragd.stores.stirs import unheard
from vragd.stores.watching import Watching
from vragd.sync.proof.proof import Look
from vragd.sync.queue import DirtyPaths
from vragd.system.clock import SYSTEM, Clock
from vragd.system.lanes import Lane
from vragd.system.log import error_fields
from vragd.vault.obsidian import configured_by
from vragd.vault.root import Spot
from vragd.vault.scan import Scan
from vragd.vault.source import Source
from vragd.vault.watch import TroubleKind

log = structlog.get_logger()

CONNECTS_IN_S, AFTER_GUARD_S = 5.0, 5.0
DELETES_HELD, PARTLY_UNREADABLE = "deletes_held", "partly_unreadable"
DEGRADED_BY_STATE = {
    "new": "initial_scan", "offline": "source_offline",
    "permission": "source_permission", "root_changed": "root_changed",
}  # fmt: skip


class Keeper:
    """One source of one store. `watch=False` scans only when asked."""

    def __init__(
        self, store: Store, source: Source, dirty: DirtyPaths, settings: WatchSettings, writer: Lane, *, watch: bool,
        clock: Clock = SYSTEM, stir: Callable[[], None] = unheard,
    ) -> None:  # fmt: skip
        self.store, self.source, self.proof = store, source, store.proofs[source.id]
        self.lane = Lane(f"scan-{store.name}-{source.id}", only_reads=True)
        self.watch = Watching(store.name, source, self.lane, settings, self._on_hint, self._on_trouble, clock.steady)
        self.scanned_at: float | None = None  # steady
        self._dirty, self._writer, self._clock, self._stir = dirty, writer, clock, stir
        self._watch = watch and source.watch
        source.links.on_unknown = self._names_unknown
        self._errands = Errands(self._checked)
        source.heard.on_heard = lambda: self._errands.begin_soon(self._refresh_rules)
        self._attachments = Attachments(
            self._look_at, self._scan_soon, clock.sleep, lambda: self._errands.begin_soon(self._attachments.run)
        )
        self._attaching = asyncio.Lock()  # what is seen first is noted first
        self._distrust: dict[str, int] = {}  # reason -> ticket of the scan that will lift it
        self._rescan_at: float | None = None
        self.unreadable: set[str] = set()  # folders that could not be listed when they were last looked at
        self._mounts: dict[str, tuple[int, int]] = {}  # those the watch is known to reach below
        self._mounted: Mapping[str, object] | None = None  # the system's table of mounts, when it was last looked at
        self._connecting = self._in_vain = False
        self._checking = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None
        self._remounting: asyncio.Task[None] | None = None
        self._state = source.state  # that was logged last
        self._beats = Beats(self.lane, self.proof.look, self._errands.soon, self._begin_check, self._checked)

    @property
    def watching(self) -> str:
        """`events`, `polling`, or `off` for a source that is indexed on demand."""
        return self.watch.mode if self._watch else "off"

    @property
    def unwatched(self) -> bool:
        """Whether changes go unseen although events are relied on. The next heartbeat mends that."""
        return self._watch and self.watch.is_blind

    @property
    def hangs(self) -> bool:
        """Whether its file system has not answered for long."""
        return self.lane.silent_s() > self.store.given.pace.hangs_s

    def degraded(self) -> list[str]:
        """Why answers about this source may be stale."""
        reasons = list(self._distrust)
        if self._connecting:
            reasons.append("initial_scan")
        if self.hangs:
            reasons.append("source_offline")
        if reason := DEGRADED_BY_STATE.get(self.source.state):
            reasons.append(reason)
        if self.source.state == "ok" and not self.source.rules_known:
            reasons.append("rules_unknown")
        if self.source.withholds:
            reasons.append("rules_withhold")
        if self.proof.held:
            reasons.append(DELETES_HELD)
        if self.unreadable:
            reasons.append(PARTLY_UNREADABLE)
        return reasons

    @property
    def begins(self) -> bool:
        """Whether the first look at what is there has yet to end."""
        if self.source.state == "ok":
            return self._connecting or "initial_scan" in self._distrust
        return self.source.state == "new"

    @property
    def may_be_closed(self) -> bool:
        """Whether assistants may not be shown notes any more which they are shown; what cannot be read is as it was."""
        return self.begins and not self.hangs and not self._in_vain

    @property
    def unsure(self) -> bool:
        """Whether there is something for `confirm_deletes` to decide."""
        return self.source.state == "root_changed" or bool(self.proof.held)

    def beat(self) -> None:
        """Begin a heartbeat, unless the last one still waits for the file system."""
        if not (self._beats.is_late() or (self._beating is not None and not self._beating.done())):
            if self._mounted is not None and self.is_well:
                return self._beats.begin(self._mounted)
            self._begin_check()
        return self._stir()

    @property
    def is_well(self) -> bool:
        """Whether a heartbeat has nothing to do unless a look at the source tells something new."""
        is_quiet = self.source.state == "ok" and self._rescan_at is None and not self._checking.locked()
        return is_quiet and (not self._watch or self.watch.rests)

    def _begin_check(self, seen: Look | None = None) -> None:
        self._beating = self._errands.begin(self.check(seen))

    async def check(self, seen: Look | None = None) -> None:
        """
        A heartbeat: reconnect a root that went or came back, rearm a watch that died, poll if due. With what was `seen`
        just now, if it was.
        """
        async with self._checking:
            seen = seen or await self.lane.run(self.proof.look)
            if seen is None:
                await self._reconnect()
                seen = await self.lane.run(self.proof.look)
            elif self.unwatched:
                log.warning("watch.thread_died", store=self.store.name, source=self.source.uid)
                await self.watch.arm()
                self.distrust("watcher_restarted")
            if self.source.state != self._state:
                self._state = self.source.state
                log.info("source.state_changed", store=self.store.name, source=self.source.uid, state=self.source.state)
            if seen is not None:
                await self._take_rules(seen)
                await self._heal(seen.mounted)
                self._rescan_if_due()

    async def _heal(self, mounted: Mapping[str, object]) -> None:
        """Watch what could not be watched, and mind what was mounted meanwhile: nobody tells of either."""
        before, self._mounted = self._mounted, mounted
        if before is not None and mounted != before:
            await self._remount()
        if self._watch:
            for folder in await self.watch.heal():
                self._dirty.hint(self.source.id, folder, folder=True, settle=False)

    async def _reconnect(self, *, accept: bool = False) -> None:
        self._connecting, self._in_vain = True, False
        try:
            await self._connect(accept)
        finally:
            self._connecting = False

    async def _connect(self, accept: bool) -> None:
        self.watch.disarm()
        is_first = self.source.state == "new"
        root = await self.lane.run(self.proof.find, accept=accept)
        if root is None:
            self._dirty.forget_source(self.source.id)
            return
        if await self._writer.run(self.proof.take, root) and not is_first:
            self._dirty.gather(self.source.id)  # what is queued was seen in another directory
        wants_scan = self._watch or await self.lane.run(self._was_indexed)
        try:
            if self._watch:
                self._mounts, self._mounted = {}, None
                await self.watch.arm()  # before the scan: what changes between the two is seen by one of them
        finally:
            if wants_scan:
                self.distrust("initial_scan")

    def _was_indexed(self) -> bool:
        """Whether there is something to finish or to bring up to date in a source that is indexed on demand."""
        if self.source.watch:
            return False
        return self.proof.state.was_asked or bool(self.store.reader.known(self.source.id))

    def _rescan_if_due(self) -> None:
        due = self.watch.due() if self._watch else []
        if self._rescan_at is not None and self._clock.steady() >= self._rescan_at:
            self._rescan_at = None
            due = [""]
        for folder in due:
            self._dirty.hint(self.source.id, folder, folder=True, settle=False)

    def distrust(self, reason: str) -> int:
        """Ask for a full scan and show `reason` until it has ended. Returns the ticket to wait for."""
        ticket = self._dirty.hint(self.source.id, "", folder=True, settle=False)
        self._distrust[reason] = ticket
        return ticket

    async def where(self, spot: Spot) -> str | None:
        """Where in the source that is; None if it is elsewhere. Waits a while for a source just being connected."""
        if self.source.state == "new" and self._beating is not None and self.source.inside(spot) is None:
            await asyncio.wait([self._beating], timeout=CONNECTS_IN_S)
        return self.source.inside(spot)

    async def ask(self, path: str = "", *, folder: bool = True, confirm_deletes: bool = False) -> int:
        """
        Look now at the whole source, or at `path` below it: somebody wants that. The ticket to wait for.

        With `confirm_deletes` the directory that is there is taken, and what one full scan of it misses is
        believed to be gone.
        """
        if not self.source.watch:
            await self._writer.run(self.proof.ask)
        if confirm_deletes:
            await self._confirm()
        if confirm_deletes or not path:
            self.proof.ask_scan(confirm=confirm_deletes)
            return self._dirty.hint(self.source.id, "", folder=True, settle=False)
        if not folder:
            self._dirty.hint(self.source.id, path, settle=False)
        # something may be known below a path that was a folder
        return self._dirty.hint(self.source.id, path, folder=True, settle=False)

    async def _confirm(self) -> None:
        async with self._checking:
            if not await self.lane.run(self.source.healthy):
                await self._reconnect(accept=True)

    async def scan(self, folder: str, ticket: int) -> bool:
        """
        Scan the source or a folder of it and queue what differs, for whoever waits for `ticket`.

        False if that came to nothing and is to be tried again.
        """
        if not await self.lane.run(self.source.healthy):
            await self.check()
            return self.source.state != "ok"  # what is away is scanned when it is back
        if folder:
            _, found = await self._find(folder, ticket)
            elsewhere = {place for place in self.unreadable if not f"{place}/".startswith(f"{folder}/")}
            self.unreadable = elsewhere | found.unreadable.keys()
            await self._note_attachments(found)
            if self.source.is_attachment(folder):  # somebody asked for a path that is, or was, no folder
                await self._attachments.look([folder])
            return not found.stopped and "" not in found.unreadable
        return await self._scan_all(ticket)

    async def _scan_all(self, ticket: int) -> bool:
        began, started = self._dirty.ticket(), self._clock.steady()
        if await self.lane.run(self.proof.refresh_rules):
            await self.watch.rearm()  # what is excluded no longer was not watched
        paths, found = await self._find("", ticket)
        self._in_vain = "" in found.unreadable or not self.source.rules_known
        if found.stopped or "" in found.unreadable:
            return False
        self.unreadable = set(found.unreadable)
        await self._note_attachments(found)
        if not self.proof.is_kept:
            await self._writer.run(self.proof.remember)
        self.scanned_at = self._clock.steady()
        if self.proof.held:
            self._rescan_at = self.scanned_at + self.store.given.pace.guard_confirm_s + AFTER_GUARD_S
        self._distrust = {reason: since for reason, since in self._distrust.items() if since > began}
        await self._watch_mounts(found.mounts)
        log.info(
            "source.scan_finished", store=self.store.name, source=self.source.uid, n_dirty=len(paths),
            n_notes=len(found.notes), n_unreadable=len(found.unreadable),
            duration_ms=round((self.scanned_at - started) * 1000),
        )  # fmt: skip
        return True

    async def _find(self, folder: str, ticket: int) -> tuple[list[str], Scan]:
        """Queue what differs in a folder; what is withdrawn is hidden from now on, and the first."""
        paths, found = await self.lane.run(self.store.scan_source, self.source, folder)
        if not found.stopped:
            self.source.hidden.found(found.withdrawn, set(paths), folder)
        self._dirty.add(((self.source.id, path) for path in paths), ticket, first=found.withdrawn)
        again = partial(self._dirty.add, ticket=ticket)
        await withhold_closed(self.store, self.source, found.changed, self.lane, self._writer, again)
        return paths, found

    async def _note_attachments(self, found: Scan) -> None:
        async with self._attaching:
            if attached := await self.lane.run(self.store.attached, self.source, found):
                await self._writer.run(self.store.note_attached, self.source, attached)

    async def _look_at(self, paths: list[str]) -> None:
        async with self._attaching:
            come, missing = await self.lane.run(self.store.look_at, self.source, paths)
            if come or missing:
                await self._writer.run(self.store.note_seen, self.source, come, missing)

    async def _watch_mounts(self, mounts: dict[str, tuple[int, int]]) -> None:
        """A watch does not reach into what was mounted after it was armed."""
        if self.watch.watcher is not None and mounts.items() - self._mounts.items():
            async with self._checking:
                await self.watch.rearm()
            self.distrust("watcher_restarted")
        self._mounts = mounts

    # -- called on the watch's thread: enqueue and return ---------------------------------------------

    def _on_hint(self, path: str, is_folder: bool) -> None:
        if (vault := configured_by(path)) is not None:
            self.source.heard.of(vault)
        elif is_folder:
            if not path or self.source.rules.excluded_folder(path) is None:
                self._dirty.hint(self.source.id, path, folder=True)
        else:
            for name in (path, *self.source.links.others(path)):
                reason = self.source.rules.excluded(name)
                if reason is None:
                    self._dirty.hint(self.source.id, name)
                elif reason == "not_included" and self.source.is_attachment(name):
                    self._attachments.hint(name)

    def _scan_soon(self) -> None:
        self._dirty.hint(self.source.id, "", folder=True)

    def _names_unknown(self) -> None:
        self._dirty.hint(self.source.id, "", folder=True, settle=False)

    def _on_trouble(self, kind: TroubleKind, error: OSError | None) -> None:
        self._errands.soon(lambda: self._trouble(kind, error))

    # -- and their second half, on the loop ----------------------------------------------------------

    def _trouble(self, kind: TroubleKind, error: OSError | None) -> None:
        if kind == "watch_failed":
            return  # that part is polled, and tried again in a heartbeat
        if kind == "overflow":
            log.warning("watch.events_lost", store=self.store.name, source=self.source.uid)
            self.distrust("watcher_overflow")
        elif kind == "unmount":
            if self._remounting is None or self._remounting.done():  # one for each folder that was watched
                self._remounting = self._errands.begin(self._unmounted())
        else:
            self._errands.begin(self.check())

    async def _unmounted(self) -> None:
        """The root's file system is away, or one below it: what was watched there is not any longer."""
        before = self.watch.watcher
        self.proof.unmounted()
        await self.check()
        if before is not None and self.watch.watcher is before:
            async with self._checking:
                await self._remount()

    async def _remount(self) -> None:
        """Something was mounted inside, or is not any longer: only a full scan tells what is there now."""
        self.proof.unmounted()
        if self.watch.watcher is not None:
            await self.watch.rearm()
        self.distrust("watcher_restarted")

    async def _refresh_rules(self) -> None:
        if (seen := await self.lane.run(self.proof.look)) is not None:
            await self._take_rules(seen)

    async def _take_rules(self, seen: Look) -> None:
        if seen.is_ruled_anew:  # first: no later look says so again, and what fails to be remembered now, a scan does
            log.info("source.rules_changed", store=self.store.name, source=self.source.uid)
            await self.watch.rearm()
            self._dirty.hint(self.source.id, "", folder=True, settle=False)
        if seen.is_to_remember:
            await self._writer.run(self.proof.remember)

    def _checked(self, error: BaseException | None) -> None:
        self._stir()
        if error is not None:
            log.error("source.check_failed", store=self.store.name, source=self.source.uid, **error_fields(error))

    async def stop(self) -> None:
        """Stop watching. What was hinted stays queued, what hangs is left alone."""
        await self._errands.stop()
        self.watch.disarm()
        self.lane.close()
