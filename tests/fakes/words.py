"""Full text as the stand-ins of engines have it: what it finds is right, how it ranks is no engine's own formula."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def words(text: str) -> list[str]:
    """As the standard analyser cuts them, nearly: runs of letters and digits, and each ideograph alone."""
    return re.findall(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+", text.lower())


def relevance(source: Mapping[str, Any], field: str, asked: str) -> float:
    """Above 0 where any word is there; more of them are better, and a shorter text. No engine's own formula."""
    held = words(str(source.get(field) or ""))
    there = set(words(asked)) & set(held)
    return len(there) + sum(held.count(word) for word in there) / (1 + len(held)) if there else 0.0
