"""Every check of the contract: one function per promise, every backend, no opting out."""

from __future__ import annotations

from collections.abc import Callable

from vragd.backends.conformance import answering, changing, holding, wording

CHECKS: list[Callable[[holding.NewBackend], None]] = [
    check
    for module in (holding, answering, changing, wording)
    for name, check in sorted(vars(module).items())
    if name.startswith("check_") and check.__module__ == module.__name__
]
