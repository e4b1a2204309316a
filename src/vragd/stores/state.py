"""How one store stands: one state at a time, changed by one method. Belongs to the event loop; any thread may read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from vragd.errors import VragdError
from vragd.stores.stirs import unheard
from vragd.system.clock import SYSTEM, Clock


class State(StrEnum):
    """What a store is in."""

    OPENING = "opening"  # its files are being opened
    RUNNING = "running"  # it answers and is kept up to date; in trouble if there is an `error`
    REPLACING = "replacing"  # stopped to get other settings from a command
    RESTARTING = "restarting"  # stopped to get those of the configuration loaded again
    DELETING = "deleting"  # stopped for good, and forgotten by its backend
    FAILED = "failed"  # it could not be opened; `error` says why
    AWAY = "away"  # nobody runs it, and its data is there
    GONE = "gone"  # deleted


_STOPPED = frozenset({State.REPLACING, State.RESTARTING, State.DELETING, State.AWAY})
_FOLLOW: Mapping[State, frozenset[State]] = {
    State.OPENING: frozenset({State.RUNNING, State.FAILED, State.AWAY}),
    State.RUNNING: _STOPPED | {State.RUNNING},
    State.REPLACING: frozenset({State.OPENING}),
    State.RESTARTING: frozenset({State.OPENING}),
    State.DELETING: frozenset({State.OPENING, State.GONE}),
    State.FAILED: _STOPPED | {State.OPENING, State.GONE, State.FAILED},
    State.AWAY: _STOPPED | {State.OPENING},
    State.GONE: frozenset(),
}

COMES_BACK = frozenset({State.OPENING, State.REPLACING, State.RESTARTING})
"""In these a store is not there for a moment, and will be."""


class Standing:
    """
    The state of the store `name`, and what is wrong with it, if anything is.

    `stir` says that something of the store changed which is told to whoever looks on: see `Stirs`.
    """

    def __init__(self, name: str, clock: Clock = SYSTEM, stir: Callable[[], None] = unheard) -> None:
        self.name, self.stir = name, stir
        self.state = State.OPENING
        self.error: VragdError | None = None
        """Why it failed or, of a store that runs, what its work waits for."""
        self.since = clock.steady()
        """When the state last changed, or trouble began or ended; steady."""
        self._clock = clock

    def become(self, state: State, *, error: VragdError | None = None) -> None:
        """The one way to another state, or of a store that runs into trouble and out of it."""
        assert state in _FOLLOW[self.state], f"store {self.name!r} cannot become {state} from {self.state}"
        if state is not self.state or (error is None) != (self.error is None):
            self.since = self._clock.steady()
        self.state, self.error = state, error
        self.stir()

    @property
    def for_s(self) -> float:
        """For how many seconds it has stood so."""
        return self._clock.steady() - self.since

    @property
    def ends(self) -> bool:
        """Whether its work is to end at the next safe point. Any thread."""
        return self.state not in (State.OPENING, State.RUNNING)
