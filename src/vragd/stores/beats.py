"""
The heartbeat of a source that is well: one look at it, of which the event loop hears only what is new.

Nearly every heartbeat finds everything as it was, and to wake the loop for that costs more than to look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from vragd.errors import Overloaded
from vragd.sync.proof.proof import Look
from vragd.system.lanes import Lane


class Beats:
    """
    Those of one source. `look` is called on its `lane`, and `soon` there with what is to be called on the loop:
    `news` with what was seen, None of a source that is away, or `failed` with why nothing was.
    """

    def __init__(
        self, lane: Lane, look: Callable[[], Look | None], soon: Callable[[Callable[[], None]], None],
        news: Callable[[Look | None], None], failed: Callable[[BaseException], None],
    ) -> None:  # fmt: skip
        self._lane, self._look_at, self._soon, self._news, self._failed = lane, look, soon, news, failed
        self.goes_on = False
        """Whether the last one still waits for the file system."""
        self._late = False

    def is_late(self) -> bool:
        """As `goes_on`, asked when it is time for the next: that it ended is told then, whatever was seen."""
        self._late = self.goes_on
        return self._late

    def begin(self, mounted: Mapping[str, object]) -> None:
        """Look whether anything is new, other mounts than these included. On the loop."""
        self.goes_on = True
        try:
            self._lane.post(partial(self._look, mounted))
        except Overloaded as error:
            self.goes_on = False
            self._failed(error)

    def _look(self, mounted: Mapping[str, object]) -> None:
        try:
            seen = self._look_at()
        except Exception as error:
            self._soon(partial(self._failed, error))
        else:
            is_new = seen is None or seen.is_ruled_anew or seen.is_to_remember or seen.mounted != mounted
            if is_new or self._late:
                self._soon(partial(self._news, seen))
        finally:
            self.goes_on = False
