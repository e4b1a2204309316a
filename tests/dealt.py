"""Which tests each worker of a run begins with: what takes long first and to each its share, a file in one piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeVar

T = TypeVar("T")


def dealt(items: Sequence[T], n_workers: int, file_of: Callable[[T], str], seconds_of: Callable[[T], float]) -> list[T]:
    """
    The same items in another order, to be cut into `n_workers` pieces of equally many as `--dist worksteal` cuts them.

    Each piece begins with whole files of slow tests, about as many seconds as another's, and ends with quick ones:
    these are what a worker that is ready takes from others. `seconds_of` is 0 for what is quick.
    """
    files = [list(of_file) for _, of_file in groupby(items, file_of)]
    slow = [some for some in files if any(seconds_of(item) for item in some)]
    quick = [item for some in files if not any(seconds_of(item) for item in some) for item in some]
    sums = [0.0] * n_workers
    pieces: list[list[T]] = [[] for _ in range(n_workers)]
    for some in sorted(slow, key=lambda some: -sum(map(seconds_of, some))):
        least = sums.index(min(sums))
        pieces[least] += some
        sums[least] += sum(map(seconds_of, some))
    for i, piece in enumerate(pieces):
        n = max(0, len(items) * (i + 1) // n_workers - len(items) * i // n_workers - len(piece))
        piece += quick[:n]
        del quick[:n]
    return [item for piece in pieces for item in piece] + quick
