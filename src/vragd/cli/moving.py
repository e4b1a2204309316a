"""What `export`, `import` and `store copy` say of what they do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from vragd.cli.render import ago, plural, say
from vragd.errors import NotFound, VragdError

if TYPE_CHECKING:
    from vragd.stores.moves.transfer import Moved

EVERY_S = 0.2
NAMED = 3


class Told:
    """How far it is, on a terminal; a `with` around the work."""

    def __init__(
        self, count: int | None, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        stream = stream or sys.stderr
        self._stream = stream if stream is not None and stream.isatty() else None
        self.done = 0
        self._count, self._clock, self._began, self._last, self._drawn = count, clock, clock(), -EVERY_S, False

    def __enter__(self) -> Self:
        return self

    def progress(self, done: int) -> None:
        """So many are done."""
        self.done = done
        now = self._clock()
        if self._stream is None or now - self._last < EVERY_S:
            return
        self._last, self._drawn = now, True
        left = (now - self._began) * (self._count - done) / done if self._count and done else None
        of = f" of {self._count:,}" if self._count else ""
        more = f", {ago(left)} left" if left is not None and left >= 1 else ""
        self._stream.write(f"\r\033[K{done:,}{of}{more}")
        self._stream.flush()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self._stream is not None and self._drawn:
            self._stream.write("\r\033[K")
            self._stream.flush()


@contextmanager
def broken_off(told: Told, name: str, where: str) -> Iterator[None]:
    """Say how far a transfer came that ends before its end."""
    try:
        yield
    except (VragdError, KeyboardInterrupt):
        if told.done:
            say(f"{plural(told.done, 'passage')} of it are in {name} in {where}, which is not whole")
            say("the same command again goes on")
        raise


def said(left_out: Mapping[str, int]) -> None:
    """What was left out, and why."""
    for why, count in sorted(left_out.items()):
        say(f"left out: {plural(count, 'passage')} {why}")


def outcome(moved: Moved, name: str, where: str, *, imported: bool = False) -> None:
    """What became of a transfer, into an imported store or an index elsewhere. Raises VragdError if it is not whole."""
    said(moved.left_out)
    for key, why in list(moved.refused.items())[:NAMED]:
        say(f"refused: {key}: {why}")
    if not moved.n_held:
        raise NotFound(f"nothing of it could be put into {name} in {where}")
    what = f"{plural(moved.n_put, 'passage')} put, {moved.n_there:,} there before"
    if moved.is_whole:
        compared = (
            f", {plural(moved.n_compared, 'vector')} compared" if moved.n_compared else ", vectors are not given back"
        )
        say(f"{what}; {name} in {where} is whole: {plural(moved.n_held, 'key')} looked up{compared}")
        return
    faults = [
        (len(moved.refused), "refused"),
        (len(moved.missing), "not there"),
        (len(moved.other), "with another vector than was put"),
        (moved.extra, "there that the origin does not hold (any more)"),
    ]
    text = ", ".join(f"{count:,} {fault}" for count, fault in faults if count)
    at = "" if imported else "--backend URL "  # without it a store on notes of that name would go
    hint = "run it again" if not moved.extra else f"vragd store delete {at}{name}, and run it again"
    raise VragdError(f"{what}; {name} in {where} is not whole: {text}", hint=hint)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all below a folder."""
    from vragd.system.files import bytes_below

    return bytes_below(path) if path.is_dir() else path.stat().st_size
