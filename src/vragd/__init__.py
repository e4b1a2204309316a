"""vragd keeps Obsidian vaults searchable from every program on the machine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vragd.api import Answer, AsyncClient, Client, Hit, Question
    from vragd.backends.given import Record
    from vragd.backends.opened import open_backend
    from vragd.backends.vectors import Found, Vectors

__version__ = "0.1.0"
__all__ = [
    "Answer", "AsyncClient", "Client", "Found", "Hit", "Question", "Record", "Vectors", "__version__", "open_backend",
]  # fmt: skip

_PLACES = dict.fromkeys(("Answer", "AsyncClient", "Client", "Hit", "Question"), "vragd.api")
_PLACES |= dict.fromkeys(("Found", "Vectors"), "vragd.backends.vectors")
_PLACES |= {"Record": "vragd.backends.given", "open_backend": "vragd.backends.opened"}


def __getattr__(name: str) -> Any:
    """What is public, loaded when it is asked for: a command that searches loads none of it."""
    if name not in _PLACES:
        raise AttributeError(f"module 'vragd' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
