"""How good a ranking is: the usual measures over one question's ranking, and their means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

RELEVANT = 1.0
DEPTHS = (5, 10)


def ndcg(ranking: Sequence[str], gains: Mapping[str, float], depth: int) -> float:
    """Discounted gain of the first `depth`, over that of the best ranking there is; gains are taken as they are."""

    def discounted(values: Sequence[float]) -> float:
        return sum(value / math.log2(at + 2) for at, value in enumerate(values[:depth]))

    best = discounted(sorted(gains.values(), reverse=True))
    return discounted([gains.get(found, 0.0) for found in ranking]) / best if best else 0.0


def measured(ranking: Sequence[str], gains: Mapping[str, float]) -> dict[str, float]:
    """One question's figures. Relevant is what has a gain of RELEVANT at least; less is only good for nDCG."""
    relevant = {name for name, gain in gains.items() if gain >= RELEVANT}
    first = next((at for at, found in enumerate(ranking, 1) if found in relevant), None)
    return {
        **{f"ndcg@{depth}": ndcg(ranking, gains, depth) for depth in DEPTHS},
        "mrr": 1 / first if first else 0.0,
        "hit@1": float(first == 1),
        "recall@10": len(relevant & set(ranking[:10])) / len(relevant) if relevant else 0.0,
        "answered": float(bool(ranking)),
    }


def mean(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """The mean of each figure over the rows that have it, to four digits, and how many rows there are."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    found: dict[str, Any] = {"questions": len(rows)}
    for name in names:
        values = [row[name] for row in rows if name in row]
        found[name] = round(sum(values) / len(values), 4)
    return found
