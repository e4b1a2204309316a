"""
Models that are known to embed notes well, by the type that runs them. Standard library only: a command lists them.

What each type knows stands in `known.py` of its folder, as `KNOWN`; and as `NAMES` what hubs call the models it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from vragd.errors import nearest
from vragd.terms.embedders import REGISTRY

UNMEASURED = "not measured here"


@dataclass(frozen=True, slots=True)
class Model:
    """
    `mib`: what is loaded, in MiB; None where it is not on this machine. `settings` are those of `embedder:`, as YAML.
    `quality`: nDCG@5 over notes of two vaults, or that nobody measured it here. `ran`: whether vragd's tests run it.
    """

    name: str
    mib: int | None
    languages: str
    dimension: int
    licence: str
    settings: str
    quality: str = UNMEASURED
    ran: bool = False


def known() -> Iterator[tuple[str, Model]]:
    """Each with its type, in the order of the registry."""
    for kind, module in _modules():
        for model in module.KNOWN:
            yield kind, model


def meant(name: str) -> str:
    """A hint for who asked a hub for a model that there is not."""
    names = [one for _, module in _modules() for one in getattr(module, "NAMES", ())]
    last = name.rpartition("/")[2].casefold()
    near = next((one for one in names if one.rpartition("/")[2].casefold() == last), "") or nearest(name, names)
    return f"did you mean {near}? vragd models lists some" if near else "vragd models lists some"


def _modules() -> Iterator[tuple[str, ModuleType]]:
    for kind, folder in REGISTRY.items():
        if find_spec(f"{folder}.known"):
            yield kind, import_module(f"{folder}.known")
