"""The engines' scores, which are never negative, as ours."""

from __future__ import annotations

import math

_LARGEST = (2 - 2**-23) * 2.0**127
"""Of the numbers that engines score in. Beyond it one says "Infinity", which is no JSON."""


def near(raw: float) -> float:
    """Of 1 / (1 + d²): 1 / (1 + d)."""
    return 1 / (1 + math.sqrt(max(0.0, 1 / raw - 1))) if raw > 0 else 0.0


def product(raw: float) -> float:
    """Of 1 + p, or 1 / (1 - p) where that is negative: p."""
    return min(raw, _LARGEST) - 1 if raw >= 1 else 1 - 1 / raw if raw > 0 else -math.inf
