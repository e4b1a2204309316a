"""The settings of FAISS."""

from __future__ import annotations

from typing import ClassVar, Literal

from vragd.backends.settings import BackendSettings


class FaissBackend(BackendSettings):
    """FAISS in the daemon's memory, with a cache on disk."""

    type: Literal["faiss"] = "faiss"
    index: Literal["auto", "flat", "ivf", "hnsw"] = "auto"

    needs_folder: ClassVar[bool] = True
    kept: ClassVar[str] = r"store\.json|vectors\.(?:faiss|corrupt)"


Settings = FaissBackend
