"""Words hashed into a vector: each word adds one at the place its hash names."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import xxhash

from vragd.embed.base import Space, checked

from .settings import Settings


def create(settings: Settings) -> Hashed:
    """The embedder; loads nothing."""
    return Hashed(settings.dimension)


class Hashed:
    """Thread-safe: it has no state."""

    batch_size = 64

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension

    def space(self, chunker: str) -> Space:
        return Space("hashed", "xxh32", "1", self._dimension, "", chunker)

    def still_makes(self, space: Space) -> bool:
        return self.space(space.chunker) == space

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(texts), self._dimension))
        for row, text in zip(rows, texts, strict=True):
            row[0] = 0.01  # a text without a word is no zero row
            for word in re.findall(r"\w+", text.lower()):
                row[xxhash.xxh32_intdigest(word.encode("utf-8", "surrogatepass")) % self._dimension] += 1
        return checked(rows, count=len(texts), dimension=self._dimension)

    def embed_query(self, text: str) -> np.ndarray:
        row: np.ndarray = self.embed_documents([text])[0]
        return row

    def close(self) -> None:
        return None
