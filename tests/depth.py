"""
How deep tests go: `make test` as deep as each change is worth, `make test-campaign` (`pytest --campaign`) deeper.

A campaign runs what has more to it than `make test` tried, and nothing else:

- `@campaign`, or `more(...)` among a test's cases: a case for a campaign alone, like another that `make test` runs;
- `@deeper`: what runs in both, and asks `at(usual, campaign)` how much to do in which; `@examples(usual, campaign)` for
  Hypothesis.

Which cases a test has, and what they are called, is the same in both: `tests/unit/project/test_depth.py` shows that
each is in one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import settings

T = TypeVar("T")

campaign = pytest.mark.campaign
deeper = pytest.mark.deeper

COLLECTED = pytest.StashKey[tuple[pytest.Item, ...]]()
"""All that a run has found, whichever it is."""

_begun: list[bool] = []
"""Whether this is a campaign, once somebody said so."""


def begin(*, is_campaign: bool) -> None:
    """Said before the first test is imported."""
    _begun[:] = [is_campaign]


def at(usual: T, campaign: T) -> T:
    """How much, in which of the two."""
    return campaign if _begun == [True] else usual


def more(*values: Any) -> list[Any]:
    """Cases of a test for a campaign: of several parameters, a tuple each."""
    return [pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=campaign) for value in values]


def examples(usual: int, campaign: int, **others: Any) -> Callable[[T], T]:
    """So many, the same ones in each run."""
    tried = settings(max_examples=at(usual, campaign), deadline=None, derandomize=True, **others)
    return lambda test: deeper(tried(test))


def chosen(items: Iterable[pytest.Item], *, is_campaign: bool) -> list[pytest.Item]:
    """Those of the tests that `make test` runs, or those of a campaign."""

    def has(item: pytest.Item, *names: str) -> bool:
        return any(item.get_closest_marker(name) for name in names)

    return [item for item in items if (has(item, "campaign", "deeper") if is_campaign else not has(item, "campaign"))]


def of_each(values: Sequence[T], kind: Callable[[T], object]) -> list[T]:
    """One of each kind, in their order; of the first kind the first, of the second the second, and so on."""
    by_kind: dict[object, list[int]] = {}
    for i, value in enumerate(values):
        by_kind.setdefault(kind(value), []).append(i)
    return [values[i] for i in sorted(places[n % len(places)] for n, places in enumerate(by_kind.values()))]
