"""
The embedder contract, and the identity of an embedding (`Space`).

Adding an embedder is one folder and one line in `terms.embedders`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from vragd.embed.probes import alike
from vragd.errors import EmbedderChanged, EmbedderRejected

MIN_NORM = 1e-6


@dataclass(frozen=True, slots=True)
class Space:
    """
    The identity of an embedding. Vectors of two spaces are never compared.

    `digest` names the exact weights, with `:N` where only the first N numbers of a vector are kept; `prompts` is
    whatever is put around a text before it is embedded.
    """

    provider: str
    model: str
    digest: str
    dimension: int
    prompts: str
    chunker: str

    @property
    def meaning(self) -> str:
        """32 hexadecimal characters, equal where vectors may be compared: however the texts were cut."""
        return replace(self, chunker="").fingerprint()

    @property
    def title(self) -> str:
        """Provider and model, for people."""
        return f"{self.provider}/{self.model}"

    def is_like(self, other: Space) -> bool:
        """Whether it is `other`, but for what a server's arithmetic changes from one day to the next."""
        return self == other or (
            replace(self, digest="") == replace(other, digest="") and alike(self.digest, other.digest)
        )

    def fingerprint(self) -> str:
        """32 hexadecimal characters, equal for equal spaces, on every machine."""
        identity = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(identity.encode()).hexdigest()[:32]


class Embedder(Protocol):
    """
    Turns texts into unit vectors. Safe to call from several threads.

    `embed_query` never waits behind `embed_documents`: it has a path of its own.
    """

    def space(self, chunker: str) -> Space:
        """
        The space of the vectors made now. Raises EmbedderUnavailable; may ask a server.

        Of one model it is equal each time, or at least `is_like` the one before where no server names weights.
        """

    def still_makes(self, space: Space) -> bool:
        """
        Whether vectors made now may be compared with those of `space`. Raises EmbedderUnavailable.

        Quick: asks a server at most what it holds, and has no model loaded.
        """

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        """
        One unit vector per text: float32, shape (len(texts), dimension), row i is texts[i].

        Empty input gives shape (0, dimension). Raises EmbedderUnavailable (safe to retry) or
        EmbedderRejected (one of the texts is at fault; ask again with fewer). Blocks.
        """

    def embed_query(self, text: str) -> np.ndarray:
        """The unit vector of a question: float32, shape (dimension,). Raises as `embed_documents`."""

    @property
    def batch_size(self) -> int:
        """How many texts to hand over in one call, so that no call takes more than a second or so."""

    def close(self) -> None:
        """Free what is held. A call in flight on another thread may end in EmbedderUnavailable."""


def checked(vectors: Any, *, count: int, dimension: int | None) -> np.ndarray:
    """
    `vectors` as float32 unit rows of shape (count, dimension); raises EmbedderRejected, EmbedderChanged.

    Every embedder passes its answers through here: the right number of rows, the right dimension
    (any, when None), every value finite, no zero row. Nothing else in the project sees a vector
    that was not checked.
    """
    try:
        rows = np.asarray(vectors, dtype=np.float64)  # norms of large float32 values would overflow
    except (TypeError, ValueError, OverflowError) as error:
        raise EmbedderRejected(f"the embedder's answer is not a table of numbers: {error}") from error
    if rows.ndim != 2 or rows.shape[0] != count or not rows.shape[1]:
        raise EmbedderRejected(f"the embedder answered with shape {rows.shape} for {count} texts")
    if dimension is not None and rows.shape[1] != dimension:
        raise EmbedderChanged(
            f"the embedder answered with {rows.shape[1]}-d vectors, its space has {dimension}",
            hint="the model behind this name was replaced; vragd asks for its new identity by itself",
        )
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(norms).all():
        raise EmbedderRejected("the embedder answered with a value that is not a finite number")
    if rows.size and float(norms.min()) < MIN_NORM:
        raise EmbedderRejected("the embedder answered with a zero vector")
    return np.ascontiguousarray(rows / norms, dtype=np.float32)
