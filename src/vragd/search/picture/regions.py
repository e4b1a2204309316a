"""Where in a picture notes crowd, and what is said there and not elsewhere. The same points give the same regions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vragd.catalog.alike import known
from vragd.catalog.fold import fold, is_unspaced, pairs
from vragd.catalog.profile import OTHER, every_term, term_hash
from vragd.catalog.reader import Snapshot
from vragd.catalog.stems import stem

MOST = 24
WORDS = 3
_LEAST_NOTES, _LEAST_SHARE = 3, 0.01
_CELLS = 64  # a side
_WIDTH, _WIDER = 0.24, 1.2  # of the hill each note is taken for, in a picture 2 wide; if there are too many regions
_CANDIDATES = 12
_LOOKED_AT, _CHARS = 10, 8_000  # notes of a region, and how much of each, for how a word is spelt
_LETTERS = 3
_WORD = re.compile(r"[^\W\d_]+")
_NO_WORDS = frozenset(("com", "http", "https", "html", "jpg", "org", "pdf", "png", "www"))


@dataclass(frozen=True, slots=True)
class Region:
    """`name` is words with a comma between; `x` and `y` are the middle of its notes, of which there are `notes`."""

    name: str
    x: float
    y: float
    notes: int


def regions(now: Snapshot, rows: Sequence[int], points: np.ndarray) -> list[Region]:
    """Of notes (ids), each at its point; the largest region first."""
    label = clusters(points)
    n = int(label.max(initial=-1)) + 1
    found = []
    for at, words in enumerate(_named(now, rows, points, label, n)):
        if words:
            x, y = points[label == at].mean(axis=0).tolist()
            found.append(Region(", ".join(words), round(x, 5), round(y, 5), int((label == at).sum())))
    return sorted(found, key=lambda one: (-one.notes, one.name, one.x, one.y))


def clusters(points: np.ndarray) -> np.ndarray:
    """
    For each point, shape (n, 2), in [-1, 1], the number of its hill, -1 for one of few: where the points are so dense
    that it is downhill from there to every side. MOST at most.
    """
    n = len(points)
    cell = np.clip(((points.astype(np.float64) + 1) / 2 * _CELLS).astype(np.int64), 0, _CELLS - 1)
    heap = np.zeros((_CELLS, _CELLS))
    np.add.at(heap, (cell[:, 0], cell[:, 1]), 1.0)
    place = cell[:, 0] * _CELLS + cell[:, 1]
    least = max(_LEAST_NOTES, round(_LEAST_SHARE * n))
    width = _WIDTH * max(n, 1) ** (-1 / 6) * _CELLS / 2
    while True:
        _, label, counts = np.unique(_uphill(heap, width)[place], return_inverse=True, return_counts=True)
        large = counts >= least
        if large.sum() <= MOST:
            numbers: np.ndarray = np.where(large, np.cumsum(large) - 1, -1)
            return numbers[label]
        width *= _WIDER


def _uphill(heap: np.ndarray, width: float) -> np.ndarray:
    """Of each cell, the cell on whose top one arrives that always goes up."""
    far = np.arange(_CELLS)[:, None] - np.arange(_CELLS)[None, :]
    blur = np.exp(-0.5 * (far / width) ** 2)
    high = np.pad(np.round(blur @ heap @ blur.T, 9), 1, constant_values=-1.0)
    steps = [(0, 0)] + [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]  # who stands stays
    around = np.stack([high[1 + a : 1 + a + _CELLS, 1 + b : 1 + b + _CELLS] for a, b in steps])
    by = np.array([a * _CELLS + b for a, b in steps])[around.argmax(axis=0)].ravel()
    to: np.ndarray = np.arange(_CELLS * _CELLS) + by
    while not np.array_equal(to, to[to]):
        to = to[to]
    return to


def _named(
    now: Snapshot, rows: Sequence[int], points: np.ndarray, label: np.ndarray, n: int
) -> Iterator[list[str]]:  # fmt: skip
    """The words of each region."""
    if not n:
        return
    store = known(now.db)
    of = dict(zip(rows, label.tolist(), strict=True))
    terms = every_term(store.profiles)
    kept = terms.groups != OTHER  # folders and properties
    pairs_ = np.unique(terms.notes[kept] << 26 | terms.hashes[kept])
    note, term = pairs_ >> 26, pairs_ & ((1 << 26) - 1)
    region = np.array([of.get(row, -2) for row in store.notes.tolist()], dtype=np.int64)[note]
    shown = region > -2
    note, term, region = note[shown], term[shown], region[shown]
    distinct, which = np.unique(term, return_inverse=True)
    everywhere = np.bincount(which, minlength=len(distinct))
    for at in range(n):
        here = region == at
        size = int((label == at).sum())
        inside = np.bincount(which[here], minlength=len(distinct))
        share, rest = inside / size, (everywhere - inside + 0.5) / (len(rows) - size + 1)
        score = np.where(inside >= 2, share * np.log(np.maximum(share / rest, 1e-9)), -1.0)
        best = np.lexsort((distinct, -np.round(score, 9)))[:_CANDIDATES]
        wanted = {int(distinct[one]): float(score[one]) for one in best.tolist() if score[one] > 0}
        having = Counter(note[here & np.isin(term, list(wanted))].tolist())
        most = sorted(having, key=lambda one: (-having[one], one))[:_LOOKED_AT]
        yield _spelt(now, sorted(int(store.notes[one]) for one in most), wanted)


def _spelt(now: Snapshot, rows: Sequence[int], wanted: dict[int, float]) -> list[str]:
    """The best of the terms (by hash) as they are mostly written in these notes, of several forms of a word one."""
    forms: dict[int, Counter[str]] = {}
    seen: dict[str, list[tuple[int, str]]] = {}
    for _, text in now.selecting.texts(np.array(rows, dtype=np.int64)):
        for word in _WORD.findall(text[:_CHARS]):
            if word not in seen:
                seen[word] = [one for one in _terms(word) if one[0] in wanted]
            for term, said in seen[word]:
                forms.setdefault(term, Counter())[said] += 1
    words: list[str] = []
    stems = set[str]()
    for term in sorted(forms, key=lambda one: (-wanted[one], one)):
        said = min(forms[term], key=lambda form: (-forms[term][form], form))
        if (root := stem(fold(said))) not in stems and len(words) < WORDS:
            words.append(said)
            stems.add(root)
    return words


def _terms(word: str) -> Iterator[tuple[int, str]]:
    """(hash, as it is written) of what full text makes of a word, but for what says nothing."""
    folded = fold(word)
    if is_unspaced(folded):
        yield from ((term_hash(pair), pair) for pair in pairs(folded))
    elif len(folded) >= _LETTERS and folded not in _NO_WORDS:
        yield term_hash(folded), word
