"""
One answer for a note that several machines have put into one index.

Each machine puts a vault that a sync tool shares under keys of its own. What stands behind a key's source is made of
path and text alone, so a passage that both have as it is has the same there: of such twins one is shown. Where two
sources hold mostly twins they are one vault, and a note is shown as the machine has it that knows its last change. Two
vaults that only have their name in common keep all they have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from vragd.backends.base import Match, Matches, VectorBackend
from vragd.sync.vectors import source_of

WIDER, LEAST = 2, 32
"""How much more is asked for than is wanted: what is nearest may be of the older copy."""
SAMPLE = 100
ALIKE = 0.5
"""The share of a sample that another source must hold, too, to be another copy of the same vault."""


def best(backend: VectorBackend, name: str, find: Callable[[int], Matches], top_k: int) -> list[Match]:
    """
    The best `top_k` of what is left when each note is there once.

    `find` gives as many matches with payload as it is asked for, the best first.
    """
    most = backend.traits.max_matches
    asked, one_vault = max(WIDER * top_k, LEAST), Vaults(backend, name)
    while True:
        asked = asked if most is None else min(asked, most)
        matches = find(asked)
        kept = each_once(one_vault, matches.items)
        if len(kept) >= top_k or len(kept) == len(matches.items) or matches.end != "more" or asked == most:
            return kept[:top_k]
        asked *= WIDER


def each_once(one_vault: Vaults, matches: Sequence[Match]) -> list[Match]:
    """Those of `matches`, in their order, that are of no note that another one has newer, or just so."""
    notes: dict[tuple[str, str], dict[str, list[Match]]] = {}
    for match in matches:
        if path := str(match.payload.get("path", "")):
            note = notes.setdefault((str(match.payload.get("source_name", "")), path), {})
            note.setdefault(source_of(match.key), []).append(match)
    left_out: set[str] = set()
    for copies in notes.values():
        ranked = sorted(copies.items(), key=lambda copy: (-_changed(copy[1]), -len(copy[1]), copy[0]))
        for i, (uid, copy) in enumerate(ranked):
            for newer, other in ranked[:i]:
                twins = {_place(match.key) for match in other}
                is_older = 0 < _changed(copy) < _changed(other) and one_vault.are(newer, uid, matches)
                left_out |= {match.key for match in copy if is_older or _place(match.key) in twins}
    return [match for match in matches if match.key not in left_out]


def _changed(copy: Iterable[Match]) -> int:
    """When a note was changed, as far as its passages tell, in seconds since 1970; 0 for rows of before."""
    times = (match.payload.get("changed_at", 0) for match in copy)
    return max((int(time) for time in times if isinstance(time, int | float)), default=0)


def _place(key: str) -> str:
    return key.partition("-")[2]


class Vaults:
    """Which sources are copies of one vault. Asked for once each, and only where notes of one name and path meet."""

    def __init__(self, backend: VectorBackend, name: str) -> None:
        self._backend, self._name = backend, name
        self._known: dict[tuple[str, str], bool] = {}

    def are(self, one: str, other: str, matches: Sequence[Match]) -> bool:
        pair = (min(one, other), max(one, other))
        if pair not in self._known:
            self._known[pair] = max(self._share(one, other, matches), self._share(other, one, matches)) >= ALIKE
        return self._known[pair]

    def _share(self, one: str, other: str, matches: Sequence[Match]) -> float:
        """Of a sample of what `one` holds, and of what was found of it, how much `other` has just so."""
        listed = (key for key, _ in islice(self._backend.list_keys(self._name, f"{one}-"), SAMPLE))
        places = {_place(key) for key in listed}
        places |= {_place(match.key) for match in matches if source_of(match.key) == one}
        held = self._backend.get(self._name, [f"{other}-{place}" for place in places], values=False)
        return len(held) / max(1, len(places))
