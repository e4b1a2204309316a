"""Where segments and manifests are kept."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Moved(Exception):
    """The manifest is another one than was read: somebody else changed it."""


class Missing(Exception):
    """A segment is not there. With a manifest read anew it may not be wanted any longer."""


class Storage(Protocol):
    """
    Small named files of collections. Any thread. Raises BackendUnavailable, BackendRefused, DiskFull.

    What was put or swapped in is durable when the call returns. `quick`: somebody waits for an answer.
    """

    def collections(self) -> list[str]:
        """Names of those that have a manifest."""

    def manifest(self, collection: str, *, quick: bool = False) -> tuple[bytes, str] | None:
        """Content, and a tag that is another one after each `swap`; None where there is none."""

    def swap(self, collection: str, content: bytes, tag: str | None) -> str:
        """Put a manifest in the place of that with `tag`, or where none was, and give its tag. Raises Moved."""

    def put(self, collection: str, name: str, content: bytes) -> None: ...

    def segment(self, collection: str, name: str, *, quick: bool = False) -> np.ndarray:
        """Its bytes, uint8. Raises Missing."""

    def is_whole(self, collection: str, name: str, n_bytes: int) -> bool:
        """Whether the bytes that `segment` gave can still be read, all of them."""

    def forget(self, collection: str, name: str) -> None:
        """Delete a segment; who reads it already goes on."""

    def segments(self, collection: str) -> list[str]:
        """Those that are there, whether a manifest names them or not; what else a crash left is deleted."""

    def remove(self, collection: str, tag: str) -> None:
        """Delete a collection, its manifest first. Raises Moved."""

    def place(self, collection: str) -> str:
        """Where a collection is, for people."""

    def close(self) -> None: ...
