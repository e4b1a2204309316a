"""The types of backends there are, and what they are called. Standard library only, so that commands may look here."""

from __future__ import annotations

from vragd.system.packages import Types

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
