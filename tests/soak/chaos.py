"""Two threads that make trouble: one for the services, one for the process and the socket. Every kind gets its turn."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tests.soak.asker import Asker
from tests.soak.faults import ABUSES, Fault
from tests.soak.findings import Findings
from tests.soak.lives import Lives
from tests.soak.storms import Storms


class Deck:
    """Names in a random order; all of them before any comes again."""

    def __init__(self, rng: random.Random) -> None:
        self._rng, self._left, self._all = rng, list[str](), tuple[str, ...]()

    def draw(self, names: Sequence[str]) -> str:
        if tuple(names) != self._all or not self._left:
            self._all = tuple(names)
            self._left = self._rng.sample(self._all, len(self._all))
        return self._left.pop()


class Services:
    """One fault of a service at a time, for some seconds, then a pause."""

    def __init__(
        self, faults: Sequence[Fault], store: str, lives: Lives, asker: Asker, findings: Findings, seed: int
    ) -> None:
        self._lives = lives
        self.faults = {fault.name: fault for fault in faults}
        self._store, self._asker, self._findings = store, asker, findings
        self._rng = random.Random(f"services {seed}")
        self._deck = Deck(self._rng)
        self.begun: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()

    def run(self, stop: threading.Event, gate: threading.Lock, hold: threading.Event) -> None:
        while not stop.is_set():
            with gate:
                if not stop.is_set():
                    self.one(hold)
            stop.wait(self._rng.uniform(0.5, 3.0))

    def one(self, hold: threading.Event) -> None:
        """Begin a fault while there is a daemon to meet it, wait until it fired or for long enough, lift it."""
        self._lives.up.wait(10)
        fault = self.faults[self._deck.draw(list(self.faults))]
        before = fault.fired()
        fault.begin()
        if fault.silences:
            self._asker.silent[self._store] = self._findings.at
        try:
            hold.wait(self._rng.uniform(2.0, 6.0))
            for _ in range(40):  # after other trouble the store tries again every 15 s
                if fault.fired() != before or hold.wait(0.5):
                    break
        finally:
            self._asker.silent.pop(self._store, None)
            n = fault.fired() - before
            fault.lift()
        self.begun[fault.name] += 1
        self.fired[fault.name] += max(0, n)


class Rough:
    """Rough treatment of the process and its socket. With `kills` off the process lives on."""

    def __init__(self, lives: Lives, editor: Storms, editing: threading.Lock, findings: Findings, seed: int) -> None:
        self._lives, self._editor, self._editing, self._findings = lives, editor, editing, findings
        self._rng = random.Random(f"rough {seed}")
        self._deck = Deck(self._rng)
        self.kills = True
        self.done: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self._deadly: dict[str, Callable[[], int]] = {
            "kill": self._kill, "kill_at_start": self._kill_at_start, "restart": self._restart,
        }  # fmt: skip
        self._others: dict[str, Callable[[], int]] = {
            "reload": lambda: self._reload(changed=False), "reload_changed": lambda: self._reload(changed=True),
            "frozen": self._freeze, "overflow": self._overflow,
        } | {name: self._abuse(abuse) for name, abuse in ABUSES.items()}  # fmt: skip

    @property
    def kinds(self) -> list[str]:
        return [*self._deadly, *self._others]

    def run(self, stop: threading.Event, gate: threading.Lock, hold: threading.Event) -> None:
        while not stop.is_set():
            with gate:
                if not stop.is_set():
                    self.one()
            stop.wait(self._rng.uniform(1.0, 4.0))
            if hold.is_set():
                stop.wait(0.1)

    def one(self) -> None:
        """One of the kinds whose turn it is."""
        kinds = self._others | (self._deadly if self.kills else {})
        # what kills is what the first phase is for: three of its turns for each of the others'
        names = [*self._others, *(name for name in self._deadly for _ in range(3) if self.kills)]
        name = self._deck.draw(names)
        n = kinds[name]()
        self.done[name] += 1
        self.fired[name] += n

    # -- the process -----------------------------------------------------------------------------------

    def _pause(self, most_s: float) -> None:
        self._editor.hold.wait(self._rng.uniform(0.0, most_s))

    def _kill(self) -> int:
        self._lives.kill()
        self._pause(2.0)
        self._lives.start()
        return 1

    def _kill_at_start(self) -> int:
        """Killed while it starts, which is when it recovers."""
        self._lives.kill()
        self._lives.daemon.start(ready=False, idle=False)
        self._editor.hold.wait(self._rng.uniform(0.2, 2.5))
        self._lives.kill()
        self._lives.start()
        return 1

    def _restart(self) -> int:
        self._lives.stop()
        self._pause(2.0)
        self._lives.start()
        return 1

    def _reload(self, *, changed: bool) -> int:
        self._lives.reload(changed=changed)
        return 1

    def _freeze(self) -> int:
        with self._lives.frozen():
            self._pause(4.0)
        return 1

    def _overflow(self) -> int:
        """Whether events were really lost the daemon's log tells; see `Soak`."""
        with ExitStack() as stack:
            stack.enter_context(self._editing)
            with self._lives.frozen():
                self._editor.overflow()
        return 1

    def _abuse(self, abuse: Callable[..., int]) -> Callable[[], int]:
        def run() -> int:
            try:
                return abuse(self._lives.daemon.socket)
            except OSError as error:
                self._findings.add("not_reachable", path=abuse.__name__, expected="a connection", found=error)
                return 0

        return run
