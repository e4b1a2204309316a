"""Which colour a note has: that of the folder at the top that it is in, the largest folders first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

PALETTE = ("4e79a7", "f28e2b", "59a14f", "e15759", "b07aa1", "1f9d94", "c79a1b", "d37295", "9c755f")
"""Each is seen on white and on black."""
OTHER = "8a8a8a"
"""Of what is in no folder, or in a small one."""


def coloured(notes: Sequence[Mapping[str, Any]]) -> list[int]:
    """For each note the place of its colour in PALETTE; its length for OTHER."""
    tops = [note["folder"].partition("/")[0] for note in notes]
    counts = Counter(top for top in tops if top)
    largest = sorted(counts, key=lambda top: (-counts[top], top))[: len(PALETTE)]
    place = {top: at for at, top in enumerate(largest)}
    return [place.get(top, len(PALETTE)) for top in tops]
