"""How to open each backend under test: a new backend is one line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vragd.backends.base import VectorBackend, create_backend
from vragd.settings import FaissBackend, MemoryBackend

FACTORIES: dict[str, Callable[[Path], VectorBackend]] = {
    "faiss": lambda path: create_backend("faiss", FaissBackend(), path),
    "faiss-flat": lambda path: create_backend("faiss", FaissBackend(index="flat"), path),
    "faiss-hnsw": lambda path: create_backend("faiss", FaissBackend(index="hnsw"), path),
    "faiss-ivf": lambda path: create_backend("faiss", FaissBackend(index="ivf"), path),
    "memory": lambda path: create_backend("memory", MemoryBackend(type="memory"), path),
}
