"""
What tells a model whose server has no digest of it: the vectors of three texts of ours, as a string.

A server's arithmetic is not the same to the last bit each time, so of such strings `alike` is asked, not equality.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np

PROBES = ("vragd", "Bread needs flour, water, salt and time.", "Winds and tides of the northern sea, 1987")
"""Sent as they stand, without prompts. Other texts are other digests: every model so told would embed anew."""

_PER_PROBE, _STEP = 16, 0.5
_SKETCH = re.compile(r"probe-([0-9a-f]{48})((?::\d+)?)")
_MOST_MOVED = 6
"""Of 48. Where vectors have a cosine of 0.9999 one moves, on average; where 0.98 (another quantisation), a third."""


def sketch(rows: np.ndarray) -> str:
    """
    The digest of a model that embeds `PROBES` as `rows`: unit vectors, shape (3, dimension).

    Sixteen sums of each row under signs that are the same everywhere, in steps so wide that noise rarely crosses one.
    """
    signs = _signs(rows.shape[1])
    steps = np.clip(np.rint((rows @ signs) / _STEP) + 8, 0, 15).astype(int)
    return "probe-" + "".join(f"{step:x}" for step in steps.ravel())


def alike(one: str, other: str) -> bool:
    """Whether both are sketches, of what is one model as far as they tell."""
    found, expected = _SKETCH.fullmatch(one), _SKETCH.fullmatch(other)
    if found is None or expected is None or found[2] != expected[2]:
        return False
    moved = [abs(int(a, 16) - int(b, 16)) for a, b in zip(found[1], expected[1], strict=True)]
    return max(moved) <= 1 and sum(moved) <= _MOST_MOVED


def _signs(dimension: int) -> np.ndarray:
    """±1, shape (dimension, 16). A generator of random numbers may change with its library; a hash does not."""
    stream = hashlib.shake_256(b"vragd probes").digest(dimension * _PER_PROBE // 8)
    bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8))
    return bits.reshape(dimension, _PER_PROBE).astype(np.float32) * 2 - 1
