"""
Vectors as they are kept on disk: 16-bit whole numbers and one scale, the row's largest value divided by 32,767.

Half the bytes of float32. No value is off by more than a 65,534th of the row's largest: a cosine of unit vectors
of hundreds of dimensions changes in the sixth decimal; an embedder on another machine differs more than that.
"""

from __future__ import annotations

import numpy as np

_LARGEST = np.float32(32_767)


def kind(dimension: int) -> np.dtype[np.void]:
    """The type of a packed row, `bytes_of(dimension)` long, little endian."""
    return np.dtype([("scale", "<f4"), ("values", "<i2", (dimension,))])


def bytes_of(dimension: int) -> int:
    """Bytes of a packed row."""
    return 4 + 2 * dimension


def pack(rows: np.ndarray) -> np.ndarray:
    """Float rows, shape (n, dimension), packed: shape (n,) of `kind(dimension)`."""
    records = np.empty(len(rows), dtype=kind(rows.shape[1]))
    scale = np.abs(rows).max(axis=1, initial=0).astype(np.float32) / _LARGEST
    records["scale"] = scale
    records["values"] = np.rint(rows / np.where(scale > 0, scale, 1)[:, None])
    return records


def unpack(records: np.ndarray) -> np.ndarray:
    """The rows: float32, shape (n, dimension)."""
    rows: np.ndarray = records["values"] * records["scale"][:, None]
    return rows
