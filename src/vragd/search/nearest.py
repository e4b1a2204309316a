"""The name somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from vragd.catalog.fold import fold


def nearest_name(name: str, names: Sequence[str]) -> str:
    """That of `names` which is most like `name`; "" if none is."""
    by_folded = {fold(one): one for one in names if one}
    found = difflib.get_close_matches(fold(name), list(by_folded), n=1)
    return by_folded[found[0]] if found else ""


def nearness(one: str, other: str) -> float:
    """How alike two names are, 0 to 1, as `nearest_name` has it."""
    return difflib.SequenceMatcher(None, fold(other), fold(one)).ratio()
