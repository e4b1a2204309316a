"""
Makes the backend of a type. Standard library only, so that commands may look here; the types stand in `terms.backends`.

A type is a folder: `settings.py` with a class `Settings`, and `backend.py` with `create(settings, data_dir)`.
docs/backends.md says how to write one, here or in a package of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vragd.terms.backends import BUCKET, PATHS, SCHEMES, TYPES

if TYPE_CHECKING:
    from vragd.backends.base import VectorBackend

MakeBackend = Callable[[str, Any, Path], "VectorBackend"]
"""Makes the backend of a type from its settings, keeping local files below a folder."""


def create_backend(kind: str, settings: Any, data_dir: Path) -> VectorBackend:
    """The backend of type `kind`, keeping local files below `data_dir`. ConfigError for an unknown type."""
    backend: VectorBackend = TYPES.load(kind, "backend").create(settings, data_dir)
    return backend


def is_path(kind: str) -> bool:
    """Whether the place of a type is a path: `TYPE:PATH` on the command line."""
    return kind in PATHS


def of_bucket(name: str) -> str:
    """The URL that the bare name of a place means."""
    return f"{BUCKET}://{quote(name, safe='')}"


def settings_at(url: str) -> type[Any]:
    """The class of the settings that a URL is one of. Raises ConfigError for an unknown type."""
    scheme = url.partition(":")[0]
    return TYPES.settings(SCHEMES.get(scheme, scheme))


def buckets(how: Mapping[str, str]) -> list[str]:
    """The bare names that there are where `how` leads, sorted."""
    found: list[str] = TYPES.load(BUCKET, "backend").places(how)
    return found
