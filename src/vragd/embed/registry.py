"""
Makes the embedder of a type. Standard library only, so that commands may look here; the types stand in
`terms.embedders`.

A type is a folder: `settings.py` with a class `Settings`, and `embedder.py` with `create(settings)`.
docs/backends.md says how to write one, here or in a package of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vragd.terms.embedders import TYPES

if TYPE_CHECKING:
    from vragd.embed.base import Embedder


def create_embedder(kind: str, settings: Any) -> Embedder:
    """The embedder of type `kind`. Does not contact a server. Raises ConfigError for an unknown type."""
    embedder: Embedder = TYPES.load(kind, "embedder").create(settings)
    return embedder
