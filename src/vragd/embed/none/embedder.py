"""Embeds nothing. It is only asked who it is: a space without a dimension, in which notes have their words alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Never

import numpy as np

from vragd.embed.base import Space
from vragd.embed.none.settings import NoEmbedder
from vragd.errors import EmbedderRefused


def create(settings: NoEmbedder) -> WordsAlone:
    """Loads nothing."""
    return WordsAlone()


class WordsAlone:
    """Thread-safe: there is nothing in it."""

    batch_size = 1

    def space(self, chunker: str) -> Space:
        """The space of no vectors."""
        return Space("none", "words", "0", 0, "", chunker)

    def still_makes(self, space: Space) -> bool:
        """Whether that is a space of no vectors, too."""
        return self.space("").meaning == space.meaning

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        """No row for no text: float32, shape (0, 0). Raises EmbedderRefused for any."""
        if texts:
            _refuse()
        return np.empty((0, 0), dtype=np.float32)

    def embed_query(self, text: str) -> np.ndarray:
        """Raises EmbedderRefused."""
        _refuse()

    def close(self) -> None:
        """Nothing is held."""


def _refuse() -> Never:
    raise EmbedderRefused("this store keeps words alone: nothing is embedded", hint="its embedder: chooses a model")
