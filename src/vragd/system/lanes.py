"""
Lanes: named threads that own blocking state, reached from the event loop only through `run`.

What a call says by `alive.progress` tells one that is long from one that hangs.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

from vragd.errors import Overloaded
from vragd.system.alive import owned, progress

P = ParamSpec("P")
T = TypeVar("T")

MOST_WAITING = 256
LOOKS_EVERY_S = 1.0  # whether a call makes progress


class Step:
    """
    What one caller is about, over any number of calls on lanes. `moved_at` (monotonic): it began, or a call of its
    own ended. Set by the thread of that call, before the caller itself can go on.
    """

    __slots__ = ("moved_at",)

    def __init__(self) -> None:
        self.moved_at = time.monotonic()


step: contextvars.ContextVar[Step | None] = contextvars.ContextVar("step", default=None)


class _Call:
    """What is to be run, where its result goes, and the context it runs in."""

    __slots__ = ("context", "result", "work")

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work, self.result, self.context = work, Future[Any](), contextvars.copy_context()

    def run(self) -> Callable[[], None]:
        """Do it, on this thread; what gives the result to who waits for it, who finds the lane at rest then."""
        if not self.result.set_running_or_notify_cancel():
            return lambda: None
        try:
            found = self.context.run(self.work)
        except BaseException as error:
            self._moved()
            return partial(self.result.set_exception, error)
        self._moved()
        return partial(self.result.set_result, found)

    def _moved(self) -> None:
        if (mine := self.context.get(step)) is not None:
            mine.moved_at = time.monotonic()


class Lane:
    """
    A thread, or `threads` of them, with a name that shows in `py-spy` and in the logs.

    `only_reads`: what runs here changes nothing and may hang with its file system, so nobody has to wait
    for it: not `close`, and not the end of the process.
    """

    def __init__(
        self, name: str, threads: int = 1, *, only_reads: bool = False, most_waiting: int = MOST_WAITING
    ) -> None:
        self._name, self._most_threads, self._most_waiting = name, threads, most_waiting
        self._only_reads = only_reads
        self._waiting: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._n_idle = 0
        self._closed = False
        self._running: dict[int, float] = {}  # thread (its number in the system) -> when its call last moved, monotonic

    async def run(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Await `fn(*args, **kwargs)` on the lane. Raises Overloaded when too much waits, or the lane is closed.

        If the caller is cancelled, `fn` is waited for and then the cancellation goes on: a half-applied
        batch is worse than a slow shutdown. With `only_reads` it is left alone, or never begun.
        """
        call = _Call(lambda: fn(*args, **kwargs))
        self._put(call)
        work: asyncio.Future[T] = asyncio.wrap_future(call.result)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if self._only_reads:
                work.cancel()
                raise
            while not work.done():
                try:
                    await asyncio.wait([work])
                except asyncio.CancelledError:
                    pass  # cancelled again: no reason to leave the work alone
            if not work.cancelled():
                work.exception()  # consume it: the cancellation wins
            raise

    def post(self, work: Callable[[], None]) -> None:
        """Have `work` done on the lane, which must not raise: nobody waits for it. Raises as `run`."""
        self._put(_Call(work))

    async def run_unless_silent(self, silent_s: float, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """
        As `run`, of a lane that `only_reads`, with one thread. Raises TimeoutError when that is silent for so long.

        The call is left alone then, and so is what waits for it.
        """
        work = asyncio.ensure_future(self.run(fn, *args, **kwargs))
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=min(LOOKS_EVERY_S, silent_s))
                if not work.done() and self.silent_s() > silent_s:
                    raise TimeoutError
            return work.result()
        finally:
            work.cancel()

    def _put(self, call: _Call) -> None:
        with self._changed:
            if self._closed:
                raise _closed()
            if len(self._waiting) >= self._most_waiting:
                raise Overloaded(f"too much waits for {self._name}", hint="try again in a moment")
            if self._n_idle <= len(self._waiting) and len(self._threads) < self._most_threads:
                self._begin_thread()
            self._waiting.append(call)
            self._changed.notify()

    def _begin_thread(self) -> None:
        # a daemon: the end of the process does not wait for one that hangs, and `close` waits for any that writes
        thread = threading.Thread(target=self._serve, name=f"{self._name}_{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread is to be had now
            if not self._threads:
                raise Overloaded(
                    f"no thread can be made for {self._name}", hint="look at the limit of processes"
                ) from None
        else:
            self._threads.append(thread)

    def _serve(self) -> None:
        owned(self)
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._n_idle += 1
                    self._changed.wait()
                    self._n_idle -= 1
                progress()  # first: a lane with something to do is busy at any instant
                call = self._waiting.popleft()
            give = call.run()
            self._running.pop(threading.get_native_id(), None)
            give()
            del call, give  # what they hold goes now, not with the next one

    def move(self) -> None:
        """The call on this thread, which is one of the lane's, is alive."""
        self._running[threading.get_native_id()] = time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether a call runs or waits."""
        return bool(self._waiting or self._running)

    @property
    def awaited(self) -> bool:
        """Whether a call waits."""
        return bool(self._waiting)

    def silent_s(self) -> float:
        """For how many seconds a call has made no progress, whatever it waits for; 0 when none runs."""
        now = time.monotonic()
        return max((now - at for at in list(self._running.values())), default=0.0)

    def stuck_s(self) -> float:
        """
        For how many seconds a call has made no progress; 0 when none runs. Any thread may ask.

        One that waits for a disk or a network mount is not counted: it holds up its own store, and whoever
        restarts the daemon for it finds the same again.
        """
        now = time.monotonic()
        return max((now - at for thread, at in list(self._running.items()) if not _waits_for_disk(thread)), default=0.0)

    def close(self) -> None:
        """
        Finish what runs, end the threads. Blocks, unless it `only_reads`.

        Whoever waits for a call that has not begun gets Overloaded: a cancellation would be somebody else's.
        """
        with self._changed:
            self._closed = True
            dropped = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for call in dropped:
            if call.result.set_running_or_notify_cancel():
                call.result.set_exception(_closed())
        if not self._only_reads:
            for thread in self._threads:
                if thread is not threading.current_thread():
                    thread.join()


class Beside(Generic[T]):
    """
    One call on a thread of its own, while the lane that began it goes on.

    Its thread may hang with what it waits for: the end of the process does not wait for it.
    """

    def __init__(self, name: str, work: Callable[[], T]) -> None:
        self._call, self._moved = _Call(work), threading.Event()
        self._began = time.monotonic()
        self.when_done(self._moved.set)
        try:
            threading.Thread(target=self._run, name=name, daemon=True).start()
        except RuntimeError:  # no thread is to be had now: who asks for the result waits for the work
            self._run()

    def move(self) -> None:
        """It is alive; so is, then, the call that waits for it."""
        self._moved.set()

    @property
    def done(self) -> bool:
        """Whether `result` will not wait."""
        return self._call.result.done()

    @property
    def failed(self) -> bool:
        """Whether `result` will raise at once."""
        return self.done and self._call.result.exception() is not None

    @property
    def age_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def when_done(self, then: Callable[[], object]) -> None:
        """Have `then` called once it has ended, on its thread; now, if it has."""
        self._call.result.add_done_callback(lambda _: then())

    def ends_in(self, seconds: float | None) -> bool:
        """Whether it has ended; waits so long for it, None for ever. Says `progress` when it does."""
        until = math.inf if seconds is None else time.monotonic() + seconds
        while not self._call.result.done() and (left_s := until - time.monotonic()) > 0:
            if self._moved.wait(None if seconds is None else left_s):
                self._moved.clear()
                progress()
        return self._call.result.done()

    def result(self) -> T:
        """What the call returned; what it raised is raised. Waits, as `ends_in`."""
        self.ends_in(None)
        found: T = self._call.result.result()
        return found

    def _run(self) -> None:
        before = owned(self)
        self._call.run()()
        owned(before)


def _closed() -> Overloaded:
    return Overloaded("what was asked for is being stopped", hint="try again in a moment")


def _waits_for_disk(thread: int) -> bool:
    """Whether the thread is in uninterruptible sleep: state D of proc(5). Only Linux tells."""
    try:
        with open(f"/proc/self/task/{thread}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].startswith(b"D")
    except OSError:
        return False
