"""A layout as it is kept between visits, in a file of the store's folder: so that what is where stays there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vragd.system.files import write_atomic

NAMES = {False: "picture.layout", True: "picture.assistants"}
"""Of the file, for people and for assistants, who are placed among what they are shown."""
KEY, MARK = 8, 8  # bytes
_FORMAT = b"vragd picture 1\n"
_SUM = 16


@dataclass(frozen=True, slots=True)
class Kept:
    """
    Notes with a point, in whatever order: `keys` say which note, `marks` which text it had, `points` are float32,
    shape (n, 2). `placed`, shape (n,): which of them were no part, as they are, of the last layout of all.
    """

    space: str
    keys: Sequence[bytes]
    marks: Sequence[bytes]
    points: np.ndarray
    placed: np.ndarray

    @classmethod
    def read(cls, file: Path, space: str) -> Kept | None:
        """What was kept there of this space (its fingerprint); None for nothing, or for what is damaged."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            data = file.read_bytes()
            told, body = data[len(_FORMAT) : len(_FORMAT) + _SUM], data[len(_FORMAT) + _SUM :]
            if data.startswith(_FORMAT) and _sum(body) == told:
                head, _, rest = body.partition(b"\n")
                said = json.loads(head)
                n = int(said["n"])
                marks, placed, points = n * KEY, n * (KEY + MARK), n * (KEY + MARK + 1)
                found = np.frombuffer(rest, dtype="<f4", offset=points).reshape(n, 2).astype(np.float32)
                if said["space"] == space and np.isfinite(found).all():
                    which = np.frombuffer(rest[placed:points], dtype=np.uint8) != 0
                    return cls(space, _cut(rest[:marks], KEY), _cut(rest[marks:placed], MARK), found, which)
        return None

    def write(self, file: Path) -> None:
        """Keep it. Raises DiskFull, and DataDirError where the store is gone."""
        head = json.dumps({"space": self.space, "n": len(self.keys)}).encode() + b"\n"
        placed = self.placed.astype(np.uint8).tobytes()
        body = b"".join([head, *self.keys, *self.marks, placed, self.points.astype("<f4").tobytes()])
        write_atomic(file, [_FORMAT, _sum(body), body])


def digest(data: bytes) -> bytes:
    """As keys and marks have it."""
    return hashlib.blake2b(data, digest_size=KEY).digest()


def _sum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_SUM).digest()


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
