"""Every check on every embedder, and on broken ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest

from tests.conformance.embedders import BROKEN, FACTORIES
from vragd.embed.base import Embedder
from vragd.embed.conformance import CHECKS
from vragd.terms.embedders import TYPES


@pytest.mark.parametrize("check", CHECKS, ids=lambda fn: fn.__name__)
@pytest.mark.parametrize("name", sorted(FACTORIES))
def test_contract(check: Callable[..., None], name: str) -> None:
    with ExitStack() as stack:

        def new() -> Embedder:
            return stack.enter_context(closing(FACTORIES[name](stack)))

        check(new)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda cls: cls.__name__)
def test_the_suite_catches(broken: type) -> None:
    (check,) = (check for check in CHECKS if check.__name__ == broken.caught_by)
    with pytest.raises((AssertionError, UnicodeEncodeError)):
        check(broken)


def test_every_check_catches_something() -> None:
    assert {broken.caught_by for broken in BROKEN} == {check.__name__ for check in CHECKS}


def test_every_registered_embedder_is_under_test() -> None:
    embedding = {name for name in TYPES.ours if TYPES.settings(name).gives_vectors}
    assert {name.partition("-")[0] for name in FACTORIES} == embedding
