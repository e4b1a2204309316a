"""
Makes the embedder of a type. Standard library only, so that commands may look here; the types stand in
`terms.embedders`.

A type is a folder: `settings.py` with a class `Settings`, and `embedder.py` with `create(settings)`; with
`create(settings, data_dir)` where what it is sent is counted there (`account` of its settings).
docs/backends.md says how to write one, here or in a package of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.terms.embedders import TYPES

if TYPE_CHECKING:
    from vragd.embed.base import Embedder


def create_embedder(kind: str, settings: Any, data_dir: Path | None = None) -> Embedder:
    """
    The embedder of type `kind`. Does not contact a server. Raises ConfigError for an unknown type.

    `data_dir` is where it counts what it is sent, if it does; without one it sends nothing where that has a limit.
    """
    create = TYPES.load(kind, "embedder").create
    is_counted = getattr(settings, "account", "")
    embedder: Embedder = create(settings, data_dir) if is_counted else create(settings)
    return embedder
