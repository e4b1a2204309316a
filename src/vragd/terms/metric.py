"""How near two vectors are, and by which names that is asked for."""

from __future__ import annotations

from typing import Literal

Metric = Literal["cosine", "euclidean", "dot"]

METRICS: frozenset[Metric] = frozenset({"cosine", "euclidean", "dot"})
