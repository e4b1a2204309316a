"""
Makes the embedder of a type. Standard library only, so that commands may look here; the types stand in
`terms.embedders`.

A type is a folder: `settings.py` with a class `Settings`, and `embedder.py` with `create(settings)`; with
`create(settings, data_dir)` where it has to do with that directory (`wants_data_dir` of its settings); and where its
models are fetched by their names (`named`) `fetching.py` with `asked(named, data_dir)`.
docs/backends.md says how to write one, here or in a package of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vragd.errors import UsageError
from vragd.terms.embedders import BY_HUB, TYPES

if TYPE_CHECKING:
    from vragd.embed.base import Embedder
    from vragd.terms.settings import Named as Named


class Offered(Protocol):
    """
    A model that a hub has: of `host`, at a `commit`, `paths` of files, `n_bytes` of which `n_missing` are not here yet.

    `folder` is where it will be; `was` the commit that the revision was here before, if any. `is_here`: all of it is.
    """

    @property
    def host(self) -> str: ...
    @property
    def commit(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def paths(self) -> list[str]: ...
    @property
    def n_bytes(self) -> int: ...
    @property
    def n_missing(self) -> int: ...
    @property
    def was(self) -> str | None: ...
    @property
    def is_here(self) -> bool: ...

    def ensure_room(self) -> None:
        """Raise DiskFull where it would not fit."""

    def fetch(self, told: Callable[[str, int], None]) -> Path:
        """Have it in its folder, which this gives; `told` which file comes, and how many bytes of all are here."""


def create_embedder(kind: str, settings: Any, data_dir: Path | None = None) -> Embedder:
    """
    The embedder of type `kind`. Does not contact a server. Raises ConfigError for an unknown type.

    `data_dir` is where it counts what it is sent, if it does (without one it sends nothing where that has a limit), and
    where a model is that was fetched by its name.
    """
    create = TYPES.load(kind, "embedder").create
    wants = getattr(settings, "wants_data_dir", False)
    embedder: Embedder = create(settings, data_dir) if wants else create(settings)
    return embedder


def model_named(name: str, revision: str | None, weights: str | None) -> tuple[str, Named]:
    """Who runs a model of that name on a hub, and which it is. Raises UsageError for what cannot be one."""
    from pydantic import ValidationError

    given = {key: value for key, value in (("revision", revision), ("weights", weights)) if value is not None}
    try:
        named = TYPES.settings(BY_HUB).model_validate({"type": BY_HUB, "model": name, **given}).named
    except ValidationError as error:
        from vragd.embed.known import meant

        wrong = {part for one in error.errors(include_url=False) for part in one["loc"]}
        if "weights" in wrong:
            hint = "such as onnx/model_quantized.onnx, as the hub lists it"
            raise UsageError(f"{weights!r} is no file of weights", hint=hint) from None
        if "revision" in wrong or ("model" not in wrong and ".." in (revision or "")):
            hint = "a branch, a tag or a commit; left out it is main"
            raise UsageError(f"{revision!r} is no revision of a model", hint=hint) from None
        raise UsageError(f"{name!r} is no model of a hub: expected OWNER/NAME", hint=meant(name)) from None
    return BY_HUB, named


def ask_hub(kind: str, named: Named, data_dir: Path) -> Offered:
    """What a hub has of a model that type `kind` runs. Asks it, fetches nothing. Raises VragdError."""
    found: Offered = TYPES.load(kind, "fetching").asked(named, data_dir)
    return found
