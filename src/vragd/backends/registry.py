"""
The types of backends. Standard library only, so that commands may look here.

A type is a folder: `settings.py` with a class `Settings`, and `backend.py` with `create(settings, data_dir)`.
docs/backends.md says how to write one, here or in a package of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.system.packages import Types

if TYPE_CHECKING:
    from vragd.backends.base import VectorBackend

REGISTRY = {
    "elasticsearch": "vragd.backends.elasticsearch",
    "faiss": "vragd.backends.faiss",
    "file": "vragd.backends.file",
    "memory": "vragd.backends.memory",
    "opensearch": "vragd.backends.opensearch",
    "pgvector": "vragd.backends.pgvector",
    "qdrant": "vragd.backends.qdrant",
    "s3": "vragd.backends.s3",
    "s3vectors": "vragd.backends.s3vectors",
    "sqlite": "vragd.backends.sqlite",
}

DEFAULT = "faiss"
BUCKET = "s3vectors"
"""What a place means that is named on the command line without a type: `--bucket NAME`."""

SCHEMES = {
    "elasticsearch+http": "elasticsearch", "elasticsearch+https": "elasticsearch", "opensearch+http": "opensearch",
    "opensearch+https": "opensearch", "postgres": "pgvector", "postgresql": "pgvector",
    "qdrant+http": "qdrant", "qdrant+https": "qdrant",
}  # fmt: skip
"""What else than its type the URL of a place may begin with, because its own clients write it so."""

PATHS = frozenset({"file", "sqlite"})
"""Types whose place is a path: `TYPE:PATH` on the command line."""

CALLED = {
    "elastic": "elasticsearch", "es": "elasticsearch", "os": "opensearch", "pg": "pgvector", "postgres": "pgvector",
    "postgresql": "pgvector", "sqlite3": "sqlite",
}  # fmt: skip
"""What a type is called by who does not remember its name: it is suggested, and not taken."""

TYPES = Types("backend", REGISTRY, "vragd.backends", CALLED)


MakeBackend = Callable[[str, Any, Path], "VectorBackend"]
"""Makes the backend of a type from its settings, keeping local files below a folder."""


def create_backend(kind: str, settings: Any, data_dir: Path) -> VectorBackend:
    """The backend of type `kind`, keeping local files below `data_dir`. ConfigError for an unknown type."""
    backend: VectorBackend = TYPES.load(kind, "backend").create(settings, data_dir)
    return backend
