"""
The watch over one source: by events wherever there are any, by looking now and then where there are none.

A part that cannot be watched is polled, and nothing else is; why is told, and it is tried again. On the event loop;
whatever waits for the file system runs on the source's lane.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

import structlog

from vragd.config.settings import WatchSettings
from vragd.system.lanes import Lane
from vragd.system.log import error_fields
from vragd.vault.source import Source
from vragd.vault.watch import OnHint, OnTrouble, Watcher

log = structlog.get_logger()

AGAIN_FIRST_S, AGAIN_LAST_S = 2.0, 60.0
POLLED_APART = 32
"""More folders than that are polled by scanning the whole source."""
_OUT_OF = {"enospc": "raise fs.inotify.max_user_watches", "emfile": "raise fs.inotify.max_user_instances"}


class Watching:
    """Arms the watch of `source`, and keeps it armed. `why` tells why all of it is polled; '' while it is not."""

    def __init__(
        self, store: str, source: Source, lane: Lane, settings: WatchSettings, on_hint: OnHint, on_trouble: OnTrouble,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.watcher: Watcher | None = None
        self.polling = False
        self.why = ""
        self._source, self._lane, self._settings = source, lane, settings
        self._on_hint, self._on_trouble, self._clock = on_hint, on_trouble, clock
        self._log = log.bind(store=store, source=source.uid)
        self._said = frozenset[str]()
        self._again_at = self._polled_at = 0.0
        self._again_s = AGAIN_FIRST_S

    @property
    def mode(self) -> str:
        """`events`, or `polling` where there are none or not enough watches for all folders."""
        if self.polling or self.watcher is None or "enospc" in self.watcher.unwatched.values():
            return "polling"
        return "events"

    @property
    def unwatched(self) -> dict[str, str]:
        """Folders that are polled, each with the reason; '' is the whole source."""
        if self.polling:
            return {"": self.why}
        return self.watcher.unwatched if self.watcher is not None else {}

    @property
    def is_blind(self) -> bool:
        """Whether changes go unseen although events are relied on."""
        return not self.polling and (self.watcher is None or not self.watcher.healthy())

    async def arm(self) -> None:
        """Watch the source anew."""
        self.disarm()
        self._polled_at = self._clock()
        if self._settings.mode == "poll":
            return self._poll("asked_for")
        if not await self._lane.run(self._source.sees_events):
            return self._poll("file_system")
        watcher = Watcher(self._source.path, self._on_hint, self._on_trouble, self._excluded)
        try:
            await self._lane.run(watcher.start)
        except (OSError, ImportError) as error:
            watcher.stop()
            self._again_at, self._again_s = self._clock() + self._again_s, min(AGAIN_LAST_S, 2 * self._again_s)
            self._poll(_code(error), error)
        except BaseException:
            watcher.stop()  # it may yet start, with nobody left to stop it
            raise
        else:
            self.polling, self.why, self.watcher = False, "", watcher
            self._again_s = AGAIN_FIRST_S
            self._tell()
        return None

    def _excluded(self, folder: str) -> str | None:
        return self._source.rules.excluded_dir(folder)

    def _poll(self, why: str, error: BaseException | None = None) -> None:
        if error is None:
            self._log.info("watch.polling_chosen")
        elif not self.polling or self.why != why:
            hint = _OUT_OF.get(why)
            self._log.warning("watch.polling_instead", hint=hint, poll_s=self._settings.poll_s, **error_fields(error))
        self.polling, self.why = True, why

    def _tell(self) -> None:
        """Say which reasons there are to poll a part, when there are others than before."""
        unwatched = self.unwatched
        reasons = frozenset(unwatched.values())
        if reasons - self._said:
            hint = next((_OUT_OF[reason] for reason in sorted(reasons) if reason in _OUT_OF), None)
            self._log.warning(
                "watch.polling_instead", hint=hint, poll_s=self._settings.poll_s, reasons=sorted(reasons),
                n_folders=len(unwatched),
            )  # fmt: skip
        self._said = reasons

    def disarm(self) -> None:
        """Watch nothing."""
        if self.watcher is not None:
            self.watcher.stop()
            self.watcher = None

    async def heal(self) -> list[str]:
        """Try again what failed; the folders that are watched from now on, and are to be scanned."""
        if self.watcher is not None and self.watcher.unwatched:
            healed = await self._lane.run(self.watcher.retry)
            self._tell()
            return healed
        if self._arms_now:
            await self.arm()
            return [] if self.polling else [""]
        return []

    async def rearm(self) -> None:
        """What is excluded has changed."""
        if self.watcher is not None:
            await self._lane.run(self.watcher.rearm)
            self._tell()

    @property
    def rests(self) -> bool:
        """Whether neither `heal` nor `due` have anything to do now."""
        return not (self.is_blind or self._polls_now or self._arms_now or (self.watcher and self.watcher.unwatched))

    @property
    def _arms_now(self) -> bool:
        return self.polling and self.why not in ("asked_for", "file_system") and self._clock() >= self._again_at

    @property
    def _polls_now(self) -> bool:
        return bool(self.unwatched) and self._clock() - self._polled_at >= self._settings.poll_s

    def due(self) -> list[str]:
        """The folders it is time to look at, as nobody tells of changes there."""
        if not self._polls_now:
            return []
        self._polled_at, unwatched = self._clock(), self.unwatched
        return list(unwatched) if len(unwatched) <= POLLED_APART else [""]


def _code(error: BaseException) -> str:
    return errno.errorcode.get(error.errno or 0, "EIO").lower() if isinstance(error, OSError) else "unsupported"
