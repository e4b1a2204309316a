"""Every check of the contract: one function per promise, every backend, no opting out."""

from __future__ import annotations

from collections.abc import Callable

from tests.conformance import suite, suite_answers, suite_changes

CHECKS: list[Callable[[suite.NewBackend], None]] = [
    check
    for module in (suite, suite_answers, suite_changes)
    for name, check in sorted(vars(module).items())
    if name.startswith("check_") and check.__module__ == module.__name__
]
