"""How much of their words notes have in common: cosines of their profiles, each term by how rare it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import apsw
import numpy as np

from vragd.catalog.profile import NAMES, every_term

RARE = 2.0
"""Of what makes two notes alike a rare word says more than its rarity does of what a question asks for."""
NAME_COUNTS = 3.0
"""A name says what the whole note is about."""


@dataclass(frozen=True, slots=True)
class Known:
    """What of a store notes are compared by: `notes` with their packed profiles, and what is there more than once."""

    notes: np.ndarray
    profiles: list[bytes]
    repeated: Mapping[int, int]
    """By chunk, in how many places its text stands, where that is more than one."""
    copies: Mapping[int, Sequence[int]]
    """By note, those that consist of the same texts, itself one of them, where there are others."""


def known(db: apsw.Connection) -> Known:
    """Of every note that can be found. Inside a transaction; reads all profiles."""
    rows = list(db.execute("select note_id, profile from note_words order by note_id"))
    sql = (
        "select c.id, c.note_id, c.text_hash, k.n from (select text_hash as h, count(*) as n from chunk"
        " group by text_hash having n > 1) k join chunk c on c.text_hash = k.h"
    )
    repeated, texts = dict[int, int](), dict[int, list[bytes]]()
    for chunk, note, text, n in db.execute(sql):
        repeated[chunk] = n
        texts.setdefault(note, []).append(text)
    notes = np.array([note for note, _ in rows], dtype=np.int64)
    return Known(notes, [row for _, row in rows], repeated, _copies(db, texts))


def _copies(db: apsw.Connection, repeated: Mapping[int, Sequence[bytes]]) -> dict[int, list[int]]:
    """`Known.copies`, of notes with their texts that stand elsewhere, too."""
    n_chunks = dict(db.execute("select note_id, count(*) from chunk group by note_id")) if repeated else {}
    alike: dict[frozenset[bytes], list[int]] = {}
    for note, texts in repeated.items():
        if len(texts) == n_chunks[note]:  # nothing in it is its own
            alike.setdefault(frozenset(texts), []).append(note)
    return {note: notes for notes in alike.values() if len(notes) > 1 for note in notes}


def cosines(store: Known, asked: bytes) -> np.ndarray:
    """
    Of the profile `asked` with that of each note of the store, in their order: float64, in [0, 1].

    A term counts by the logarithm of how often it is there, and by that of how few notes have it to the power of RARE;
    what stands in a passage that is in many places counts so many times less.
    """
    rows = [*store.profiles, asked]
    terms = every_term(rows)
    part = np.ones(len(terms.groups), dtype=np.float64)
    part[terms.groups == NAMES] = NAME_COUNTS
    if store.repeated:
        chunks = np.array(sorted(store.repeated), dtype=np.int64)
        times = np.array([store.repeated[chunk] for chunk in chunks.tolist()], dtype=np.float64)
        at = np.minimum(np.searchsorted(chunks, terms.groups), len(chunks) - 1)
        same = chunks[at] == terms.groups
        part[same] /= times[at[same]]
    keys, which = np.unique(terms.notes << 26 | terms.hashes, return_inverse=True)
    weights = np.log1p(np.bincount(which, weights=terms.counts * part))
    owner, found = keys >> 26, keys & ((1 << 26) - 1)
    distinct, which, in_notes = np.unique(found, return_inverse=True, return_counts=True)
    weights *= np.log1p(len(rows) / in_notes)[which] ** RARE
    mine = owner == len(store.profiles)
    of_asked = np.zeros(len(distinct))
    of_asked[which[mine]] = weights[mine]
    dots = np.bincount(owner, weights=weights * of_asked[which], minlength=len(rows))
    lengths = np.sqrt(np.bincount(owner, weights=weights * weights, minlength=len(rows)))
    made: np.ndarray = dots[:-1] / np.maximum(lengths[:-1] * lengths[-1], 1e-9)
    return made
