"""
What cosines are like in a space, as far as a few texts of ours tell: for a store with too few titles to measure that.

A model may have none below 0.7; taken as they are, they would make every note a good match.
"""

from __future__ import annotations

import numpy as np

from vragd.embed.base import Embedder

TITLES = (
    "Bread without kneading",
    "Replacing a bicycle chain",
    "Notes from the parents' evening",
    "How the tides work",
    "Packing list for the mountains",
    "Restore a database from a backup",
    "Watering tomatoes",
    "A letter to the landlord",
)
PASSAGES = (
    "The kettle has to be descaled every few months; vinegar does it, and two rinses afterwards.",
    "We agreed to meet again on Thursday and to send the draft to everybody before.",
    "An index makes reads quicker and writes slower, because it has to be kept up to date.",
    "She argues that habits are formed by cues, and that willpower has little to do with them.",
    "The train leaves at seven from platform four, and the tickets are in the blue folder.",
    "Chords of the second verse: A minor, F, C, G, twice, and then the bridge.",
    "Cut back the roses in March, above a bud that points outwards.",
    "The invoice is due within thirty days, after which interest is added.",
)
"""None of them is about what one of the titles is: measured is how near texts are that have nothing in common."""

OURS = (0.046, 0.086)
"""Mean and deviation of the cosines of these with the builtin model, by whose scale scores are made."""
SCALE = (0.08, 0.10)
"""What those are in a store of that model, of titles with chunks, which have more in common."""


def embedded(embedder: Embedder) -> np.ndarray:
    """The vectors of `TITLES` and, below them, of `PASSAGES`. Raises as `embed_documents`. Blocks."""
    texts, size = [*TITLES, *PASSAGES], embedder.batch_size
    return np.concatenate([embedder.embed_documents(texts[n : n + size]) for n in range(0, len(texts), size)])


def supposed(rows: np.ndarray) -> tuple[float, float] | None:
    """
    Mean and deviation that the cosines of a store's titles with chunks are taken to have, in the space of `rows`, which
    are as `embedded` gives them; None where all of these are alike.
    """
    cosines = rows[: len(TITLES)] @ rows[len(TITLES) :].T
    mean, deviation = float(cosines.mean()), float(cosines.std())
    if deviation < 1e-6:
        return None
    (ours, spread), (usual, width) = OURS, SCALE
    return mean + (usual - ours) / spread * deviation, width / spread * deviation
