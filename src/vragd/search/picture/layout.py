"""
Vectors → points in a plane: what is near stays near. NumPy alone, on one thread; the same rows give the same bytes.

As t-SNE does: the start are the two main components with fixed signs, near rows attract each other, and all repel all.
Near are the exact NEIGHBOURS nearest rows, by cosine. What repels is summed up on a grid, by one convolution a step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 15
MOST = 30_000
"""Rows that are laid out; any further one is put among those of them that it is nearest to."""
AMONG = 5
"""At the mean of how many of them."""
_PERPLEXITY = 10.0
_EARLY, _STEPS = 100, 400
_TOGETHER, _APART = 12.0, 1.2  # how much more is attracted than repelled, early and after
_STRIDE = 1 / 3  # for each row: what pulls at one has the weight 1/n
_LEAST_CELLS, _MOST_CELLS = 48, 192  # a side
_AT_ONCE = 1 << 22  # similarities
_BESIDE = 0.004  # how far copies are put from each other, in a picture 2 wide


def laid_out(vectors: np.ndarray) -> np.ndarray:
    """
    Of vectors, shape (n, dimension), their points: float32, shape (n, 2), each in [-1, 1], none NaN.

    Equal rows get points beside each other. Blocks: seconds for ten thousand.
    """
    rows = unit(np.nan_to_num(np.asarray(vectors, dtype=np.float32), posinf=0.0, neginf=0.0))
    distinct, which = _distinct(rows)
    rows = rows[distinct]
    points = np.zeros((len(rows), 2), dtype=np.float32)
    if len(rows):
        first = rows[:MOST]
        points[:MOST] = framed(_arranged(first) if len(first) > 3 else _main_components(first))
        points[MOST:] = among(rows[MOST:], first, points[:MOST])
    return framed(_beside(points[which], which))


def among(rows: np.ndarray, others: np.ndarray, points: np.ndarray) -> np.ndarray:
    """For unit rows, the mean of the points of the AMONG of `others` (unit rows) that are nearest; float32, (n, 2)."""
    n = min(AMONG, len(others))
    made = np.zeros((len(rows), 2), dtype=np.float32)
    if not n:
        return made
    for start, stop in _blocks(len(rows), len(others)):
        near, _ = _nearest(rows[start:stop] @ others.T, n)
        made[start:stop] = points[near].mean(axis=1)
    return made


def framed(points: np.ndarray) -> np.ndarray:
    """The points moved and shrunk, or spread, into [-1, 1]: float32. One alone is in the middle."""
    if not len(points):
        return np.zeros((0, 2), dtype=np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    half = float((high - low).max()) / 2
    moved = (points - (low + high) / 2) / (half if half > 0 else 1.0)
    made: np.ndarray = np.clip(moved, -1.0, 1.0).astype(np.float32)
    return made


def unit(rows: np.ndarray) -> np.ndarray:
    """Each of length 1; a row of nothing stays."""
    made: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)
    return made.astype(np.float32)


def nearest(rows: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each unit row the `n` others that are nearest, nearest first, and their cosines: shape (rows, n)."""
    near, cosines = np.zeros((len(rows), n), dtype=np.int64), np.zeros((len(rows), n), dtype=np.float32)
    for start, stop in _blocks(len(rows), len(rows)):
        found = rows[start:stop] @ rows.T
        found[np.arange(stop - start), np.arange(start, stop)] = -np.inf
        near[start:stop], cosines[start:stop] = _nearest(found, n)
    return near, cosines


def _blocks(n: int, wide: int) -> list[tuple[int, int]]:
    step = max(16, _AT_ONCE // max(1, wide))
    return [(start, min(n, start + step)) for start in range(0, n, step)]


def _nearest(cosines: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    some = np.argpartition(cosines, -n, axis=1)[:, -n:]
    some.sort(axis=1)  # equal ones in the order of the rows
    found = np.take_along_axis(cosines, some, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1), np.take_along_axis(found, order, axis=1)


def _distinct(rows: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The first of each that are equal, and of every row which of these it equals."""
    first: dict[bytes, int] = {}
    distinct: list[int] = []
    which = np.zeros(len(rows), dtype=np.int64)
    for at, row in enumerate(rows):
        key = row.tobytes()
        if key not in first:
            first[key] = len(distinct)
            distinct.append(at)
        which[at] = first[key]
    return distinct, which


def _beside(points: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Copies around the first of them, in a spiral."""
    order = np.argsort(which, kind="stable")
    _, starts, counts = np.unique(which[order], return_index=True, return_counts=True)
    turn = np.zeros(len(which))
    turn[order] = np.arange(len(which)) - np.repeat(starts, counts)
    angle, far = turn * 2.399963, _BESIDE * np.sqrt(turn)
    return points + np.stack([far * np.cos(angle), far * np.sin(angle)], axis=1)


def _main_components(rows: np.ndarray) -> np.ndarray:
    """The rows along their two main directions, each of which points to where its largest part is: float64, (n, 2)."""
    middle = (rows - rows.mean(axis=0)).astype(np.float64)
    _, directions = np.linalg.eigh(middle.T @ middle)
    chosen = directions[:, ::-1][:, :2]
    chosen = chosen * np.where(chosen[np.abs(chosen).argmax(axis=0), np.arange(chosen.shape[1])] < 0, -1.0, 1.0)
    made = np.zeros((len(rows), 2))
    made[:, : chosen.shape[1]] = middle @ chosen
    return made


# -- what attracts ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Near:
    """
    Who attracts whom, and how much: `one` is sorted, both ways are there, all weights are 1 together; `starts` are
    where each row's begin.
    """

    one: np.ndarray
    other: np.ndarray
    weight: np.ndarray
    starts: np.ndarray


def _near(rows: np.ndarray) -> Near:
    """The nearest of each row, nearer ones more, so that each has about as many as others have."""
    n, k = len(rows), min(NEIGHBOURS, len(rows) - 1)
    which, cosines = nearest(rows, k)
    far = np.maximum(2.0 - 2.0 * cosines.astype(np.float64), 0.0)
    far -= far[:, :1]
    wanted = np.log(min(_PERPLEXITY, max(1.5, k * 2 / 3)))
    low, high, sharp = np.zeros(n), np.full(n, np.inf), np.full(n, 10.0)
    for _ in range(50):
        share = np.exp(-far * sharp[:, None])
        total = share.sum(axis=1)
        spread = np.log(total) + sharp * (share * far).sum(axis=1) / total
        wide = spread > wanted
        low, high = np.where(wide, sharp, low), np.where(wide, high, sharp)
        sharp = np.minimum(np.where(np.isinf(high), sharp * 2, (low + high) / 2), 1e9)
    share = np.exp(-far * sharp[:, None])
    share /= share.sum(axis=1, keepdims=True)
    one, other = np.repeat(np.arange(n), k), which.ravel()
    pairs, at = np.unique(np.concatenate([one * n + other, other * n + one]), return_inverse=True)
    weight = np.bincount(at, np.concatenate([share.ravel(), share.ravel()]))
    one = pairs // n
    weight = (weight / weight.sum()).astype(np.float32)
    return Near(one, pairs % n, weight, np.searchsorted(one, np.arange(n)))


# -- what repels -----------------------------------------------------------------------------------


class Grid:
    """
    Cells over the plane, and what a point in one does to all others: kernels of 1/(1+d²), transformed once for a box.
    """

    def __init__(self, low: float, high: float, cells: int) -> None:
        self.low, self.high, self.cells = low, high, cells
        self.step = (high - low) / (cells - 1)
        along = np.fft.fftfreq(2 * cells, 1 / (2 * cells)) * self.step
        near = 1.0 / (1.0 + along[:, None] ** 2 + along[None, :] ** 2)
        kernels = near, near * near * along[:, None], near * near * along[None, :]
        self._kernels = [np.fft.rfft2(kernel.astype(np.float32)) for kernel in kernels]

    def holds(self, low: float, high: float) -> bool:
        """Whether points between these are inside, and the cells are no larger for them than they must be."""
        return self.low <= low and high <= self.high and high - low >= 0.5 * (self.high - self.low)

    def repelled(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How each point is pushed, by all others together; the sum over all pairs of 1/(1+d²) is 1 for it."""
        n, wide = self.cells, 2 * self.cells
        across, along = (x - self.low) / self.step, (y - self.low) / self.step
        column, row = across.astype(np.int64), along.astype(np.int64)
        right, up = across - column, along - row
        cell = column * n + row
        corners = ((0, (1 - right) * (1 - up)), (1, (1 - right) * up), (n, right * (1 - up)), (n + 1, right * up))
        heap = np.zeros(n * n)
        for beside, share in corners:
            heap += np.bincount(cell + beside, share, minlength=n * n)
        spread = np.fft.rfft2(heap.reshape(n, n).astype(np.float32), (wide, wide))

        def at_points(kernel: np.ndarray) -> np.ndarray:
            found = np.fft.irfft2(spread * kernel, (wide, wide))[:n, :n].ravel()
            total: np.ndarray = sum((found[cell + beside] * share for beside, share in corners), np.zeros(len(x)))
            return total

        total = max(float(at_points(self._kernels[0]).sum()) - len(x), 1e-6)
        return at_points(self._kernels[1]) / total, at_points(self._kernels[2]) / total


def _arranged(rows: np.ndarray) -> np.ndarray:
    """Four or more distinct unit rows, arranged."""
    n = len(rows)
    near, start = _near(rows), _main_components(rows)
    start *= 0.1 / max(float(start.std()), 1e-9)
    x, y = start[:, 0].copy(), start[:, 1].copy()
    speed_x, speed_y = np.zeros(n), np.zeros(n)
    stride = _STRIDE * n
    cells = 16 * round(min(_MOST_CELLS, max(_LEAST_CELLS, 2 * n**0.5)) / 16)  # which transforms are quick for
    grid = None
    for step in range(_STEPS):
        together, keeps = (_TOGETHER, 0.5) if step < _EARLY else (_APART, 0.8)
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        if grid is None or not grid.holds(low, high):
            margin = 0.1 * (high - low) + 1e-3
            grid = Grid(low - margin, high + margin, cells)
        push_x, push_y = grid.repelled(x, y)
        from_x, from_y = x[near.one] - x[near.other], y[near.one] - y[near.other]
        pull = near.weight / (1.0 + from_x * from_x + from_y * from_y)
        pull_x, pull_y = np.add.reduceat(pull * from_x, near.starts), np.add.reduceat(pull * from_y, near.starts)
        speed_x = keeps * speed_x - stride * (together * pull_x - push_x)
        speed_y = keeps * speed_y - stride * (together * pull_y - push_y)
        x, y = x + speed_x, y + speed_y
    return np.stack([x, y], axis=1)


# -- from one layout to the next -------------------------------------------------------------------


def fitted(points: np.ndarray, old: np.ndarray) -> np.ndarray:
    """
    The points turned, mirrored, moved and scaled so that they are nearest to `old`, a row each, NaN for one that had
    none (Procrustes); then shrunk into [-1, 1] if they must be. Fewer than two that had one change nothing.
    """
    had = np.isfinite(old).all(axis=1)
    if had.sum() < 2:
        return points
    here, there = points[had].astype(np.float64), old[had].astype(np.float64)
    middle, target = here.mean(axis=0), there.mean(axis=0)
    left, strength, right = np.linalg.svd((here - middle).T @ (there - target))
    size = float(((here - middle) ** 2).sum())
    if size < 1e-12 or strength.sum() < 1e-12:
        return points
    made = (points - middle) @ (left @ right) * (strength.sum() / size) + target
    largest = max(1.0, float(np.abs(made).max()))
    within: np.ndarray = np.clip(made / largest, -1.0, 1.0).astype(np.float32)
    return within
