"""
How often which term stands in which chunk of a note: one packed row a note, from which any of its chunks is scored.

Full text finds chunks, but cannot be asked cheaply how well a chunk that something else found has the words: it would
walk through every place of every word. A profile is read by the note's id.

A row: how many groups; of each its id, its number of terms in the text and of distinct ones; then the terms, 26 bits of
a hash and 6 of a count, which ends at 63. Group NAMES are the note's names, OTHER what else belongs to the note (its
folders, the values of its properties); any other id is that of a chunk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

NAMES, OTHER = 0, -1
HEADING_COUNTS = 2  # a heading names its section: a word there says more than one in the text
_COUNT_BITS = 6
_MOST = (1 << _COUNT_BITS) - 1
_GROUP = np.dtype([("id", "<i8"), ("length", "<u4"), ("distinct", "<u4")])
_SIEVE = 4096

NOTHING = (0).to_bytes(4, "little")
"""The row of a note without any words."""

_known: dict[str, int] = {}


def term_hash(term: str) -> int:
    """26 bits: that a word of a note is taken for one of the question happens in one note of ten thousand."""
    found = _known.get(term)
    if found is None:
        if len(_known) > 50_000:
            _known.clear()
        found = _known[term] = xxhash.xxh32_intdigest(term.encode("utf-8", "replace")) >> _COUNT_BITS
    return found


Group = tuple[int, bytes]
"""The length of a text in terms, and its distinct ones, packed."""


def group(terms: Sequence[str], heading: Sequence[str] = ()) -> Group:
    """Of the terms of one text."""
    counts = Counter(terms)
    for term in heading:
        counts[term] += HEADING_COUNTS
    packed = [term_hash(term) << _COUNT_BITS | min(count, _MOST) for term, count in counts.items()]
    return len(terms), np.array(packed, dtype="<u4").tobytes()


def packed(groups: Sequence[tuple[int, Group]]) -> bytes:
    """The row of these groups, each with its id."""
    heads = np.array([(group_id, length, len(terms) // 4) for group_id, (length, terms) in groups], dtype=_GROUP)
    return b"".join([len(groups).to_bytes(4, "little"), heads.tobytes(), *(terms for _, (_, terms) in groups)])


def with_groups(row: bytes, groups: Mapping[int, Group]) -> bytes:
    """The row with these groups in the place of those of the same ids."""
    heads = np.frombuffer(row, dtype=_GROUP, count=int.from_bytes(row[:4], "little"), offset=4)
    at, made = 4 + heads.nbytes, list[tuple[int, Group]]()
    for group_id, length, distinct in heads.tolist():
        made.append((group_id, groups.get(group_id, (length, row[at : at + 4 * distinct]))))
        at += 4 * distinct
    return packed(made)


@dataclass(frozen=True, slots=True)
class Counts:
    """
    Of some notes: `ids`, `notes` (which of them, by place), `lengths`, one a group; `tf`, shape (groups, terms).
    """

    ids: np.ndarray
    notes: np.ndarray
    lengths: np.ndarray
    tf: np.ndarray


@dataclass(frozen=True, slots=True)
class EveryTerm:
    """Of some notes, one a term and group: the id of the group, the note by place, the hash and the count."""

    groups: np.ndarray
    notes: np.ndarray
    hashes: np.ndarray
    counts: np.ndarray


def every_term(rows: Sequence[bytes]) -> EveryTerm:
    """All that the rows hold."""
    flat = np.frombuffer(b"".join(rows), dtype="<u4")
    head, notes, begins = _heads(rows, flat)
    distinct = head[:, 3]
    starts = np.cumsum(distinct) - distinct
    at = np.arange(int(distinct.sum())) + np.repeat(begins - starts, distinct)
    values = flat[at].astype(np.int64)
    ids = head[:, 0] | head[:, 1] << 32
    return EveryTerm(
        np.repeat(ids, distinct), np.repeat(notes, distinct), values >> _COUNT_BITS, values & _MOST
    )  # fmt: skip


def _heads(rows: Sequence[bytes], flat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each group its head, its note by place, and where in `flat` its terms begin."""
    ends = np.cumsum([len(row) // 4 for row in rows], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]])
    n_groups = flat[starts].astype(np.int64)
    notes = np.repeat(np.arange(len(rows)), n_groups)
    within = np.arange(len(notes)) - np.repeat(np.cumsum(n_groups) - n_groups, n_groups)
    head = flat[(starts[notes] + 1 + 4 * within)[:, None] + np.arange(4)].astype(np.int64)
    before = np.cumsum(head[:, 3]) - head[:, 3]
    first = (np.cumsum(n_groups) - n_groups)[notes]
    return head, notes, starts[notes] + 1 + 4 * n_groups[notes] + before - before[first]


def counted(rows: Sequence[bytes], columns: Sequence[Sequence[str]]) -> Counts:
    """How often the terms of each column of `tf` stand in each group of the rows."""
    flat = np.frombuffer(b"".join(rows), dtype="<u4")
    head, notes, begins = _heads(rows, flat)
    distinct = head[:, 3]
    tf = np.zeros((len(head), len(columns)), dtype=np.float32)
    hashes = {(term_hash(term), column) for column, terms in enumerate(columns) for term in terms}
    sieve = np.zeros(_SIEVE, dtype=bool)
    sieve[[value % _SIEVE for value, _ in hashes]] = True
    found = np.flatnonzero(sieve[(flat >> _COUNT_BITS) & (_SIEVE - 1)])
    groups = np.searchsorted(begins, found, side="right") - 1
    inside = (groups >= 0) & (found < (begins + distinct)[groups])  # and in no head
    groups, values = groups[inside], flat[found[inside]]
    for value, column in hashes:
        hit = (values >> _COUNT_BITS) == value
        tf[groups[hit], column] += values[hit] & _MOST  # of a group each term is there once
    return Counts((head[:, 0] | head[:, 1] << 32), notes, head[:, 2].astype(np.float32), tf)
