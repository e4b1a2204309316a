"""Models by their names on a hub: which are wanted, and fetching one. `vragd models download` alone asks for that."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vragd.config.load import Loaded
from vragd.embed.registry import Offered as Offered
from vragd.embed.registry import ask_hub, model_named
from vragd.errors import DaemonBusy, UsageError
from vragd.stores.registry import Registry
from vragd.system.lock import only_process

if TYPE_CHECKING:
    from vragd.embed.registry import Named


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model to be fetched: the type that runs it, and the stores that are to be embedded by it, if any."""

    kind: str
    named: Named
    stores: tuple[str, ...] = ()


def configured(loaded: Loaded) -> list[Wanted]:
    """The models that stores name, each once."""
    found: dict[tuple[str, Named], tuple[str, ...]] = {}
    for name, entry in Registry(loaded).entries().items():
        named = entry.settings.embedder.named if entry.settings is not None else None
        if entry.settings is not None and named is not None:
            key = entry.settings.embedder.type, named
            found[key] = (*found.get(key, ()), name)
    return [Wanted(kind, named, stores) for (kind, named), stores in found.items()]


def wanted(
    loaded: Loaded, name: str | None, revision: str | None, weights: str | None, told: Callable[[str], None]
) -> list[Wanted]:
    """
    The model of that name, as stores have it where nothing else is said; without a name all that stores have, but those
    that are never to be fetched: `told` is told of each.

    Raises UsageError for a name, a revision or a file that cannot be, and where all are never to be fetched.
    """
    found = configured(loaded)
    if name is not None:
        found = [one for one in found if one.named.name == name]
    never = {one.named.name: one.stores[0] for one in found if one.named.here_only}
    whys = [f"{model} is not to be fetched: local_files_only of store {store}" for model, store in never.items()]
    found = [one for one in found if one.named.name not in never]
    if whys and not found:
        raise UsageError("; ".join(whys), hint="take that out; or have its folder as path:")
    for why in whys:
        told(why)
    if name is None:
        return found
    meant_so = [one for one in found if revision in (None, one.named.revision) and weights in (None, one.named.weights)]
    return meant_so or [Wanted(*model_named(name, revision, weights))]


def settings_of(one: Wanted) -> str:
    """What stands behind `embedder:` for it, as YAML: a tag may look like a number."""
    import yaml

    given = {"type": one.kind, "model": one.named.name}
    given |= {"weights": one.named.weights} if one.named.weights else {}
    given |= {"revision": one.named.revision} if one.named.revision != "main" else {}
    return yaml.safe_dump(
        given, default_flow_style=True, sort_keys=False, allow_unicode=True, width=sys.maxsize
    ).strip()


def offer(one: Wanted, data_dir: Path) -> Offered:
    """What a hub has of it. Asks the hub, blocks, fetches nothing. Raises VragdError."""
    return ask_hub(one.kind, one.named, data_dir)


def fetch(offered: Offered, data_dir: Path, told: Callable[[str, int], None]) -> Path:
    """Have it in its folder, which this gives. Blocks. Raises VragdError."""
    if not (data_dir / "lock").exists():  # the mark by which the directory is known for ours
        with suppress(DaemonBusy), only_process(data_dir):
            pass
    return offered.fetch(told)
