"""The module `os`, but for the calls a test wants otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


class System:
    """`System(fsync=fail)`: to be given wherever `os` may be."""

    def __init__(self, **calls: Callable[..., Any]) -> None:
        vars(self).update(calls)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)
