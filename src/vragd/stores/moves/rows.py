"""
A flat index in a file of FAISS's, read row by row without that library, which trusts what it reads.

    4 bytes kind ("IxF2" by distance, "IxFI" by product), int32 dimension, int64 rows, two int64, bool, int32 metric,
    uint64 how many numbers, float32 each: little endian
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from vragd.errors import UsageError

_HEAD = struct.Struct("<4siqqqBi")
_COUNT = struct.Struct("<Q")
KINDS = {b"IxF2": "euclidean", b"IxFI": "dot"}
PRODUCT, DISTANCE = 0, 1
ANEW = "have the program that made it write it anew"


def is_index(first: bytes) -> bool:
    """Whether a file that begins so is an index of FAISS's, of whatever kind."""
    return first[:2] in (b"Ix", b"Iw", b"Ih", b"IH", b"Ib") and first[:4].isalnum()


class Rows:
    """The rows of such a file, until `close`. Raises UsageError for another kind, or one that is damaged."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        size = path.stat().st_size
        self._file = path.open("rb")
        try:
            head = self._file.read(_HEAD.size)
            if len(head) < _HEAD.size or head[:4] not in (*KINDS, b"IxFl"):
                raise UsageError(
                    f"{self._name} is an index of the kind {head[:4]!r}" if head else f"{self._name} is empty",
                    hint="flat ones are read: IxF2 and IxFI",
                )
            kind, self.dimension, self.count, _, _, _, metric = _HEAD.unpack(head)
            if metric not in (PRODUCT, DISTANCE):
                raise UsageError(f"{self._name} is by another measure than distance or product ({metric})")
            self.metric = KINDS.get(kind, "dot" if metric == PRODUCT else "euclidean")
            said = self._file.read(_COUNT.size)
            numbers = _COUNT.unpack(said)[0] if len(said) == _COUNT.size else -1
            self._begins = self._file.tell()
            expected = self.count * self.dimension
            if not (0 < self.dimension <= 1 << 20 and self.count >= 0 and numbers == expected):
                raise UsageError(f"{self._name} is damaged: it does not hold what its head says", hint=ANEW)
            if size < self._begins + 4 * expected:
                raise UsageError(f"{self._name} is damaged: it ends before its {self.count:,} rows do", hint=ANEW)
        except BaseException:
            self._file.close()
            raise

    def row(self, number: int) -> np.ndarray:
        """A row, float32, shape (dimension,)."""
        self._file.seek(self._begins + 4 * self.dimension * number)
        found = np.frombuffer(self._file.read(4 * self.dimension), dtype="<f4").astype(np.float32)
        if found.shape != (self.dimension,):
            raise UsageError(f"{self._name} was changed while it was read", hint="end the other program first")
        return found

    def close(self) -> None:
        self._file.close()
