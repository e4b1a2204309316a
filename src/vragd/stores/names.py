"""Names of stores, sources and what is in the stores that run, for who is typing one."""

from __future__ import annotations

from typing import Any, Literal

from vragd.search.names import Kind, names_in
from vragd.stores.audience import Audience
from vragd.stores.links import linked_of
from vragd.stores.stores import Stores

Asked = Literal["store", "source"] | Kind


async def names(stores: Stores, kind: Asked, prefix: str, limit: int) -> dict[str, Any]:
    """
    Up to `limit` names that begin with `prefix`, sorted, and whether that is all (`whole`). Stores that cannot be asked
    just now are left out: nobody waits for a name.
    """
    indexers = list(stores.indexers.values())
    found, whole = set[str](), True
    if kind == "store":
        found = _beginning(prefix, stores.standings)
    elif kind == "source":
        found = _beginning(prefix, [one.label for each in indexers for one in each.store.sources.values()])
    else:
        for indexer in indexers:
            target = linked_of(Audience(stores), indexer, frozenset())
            some, all_of_it = await stores.aside.run(names_in, target, kind, prefix, limit)
            found.update(some)
            whole = whole and all_of_it
    ordered = sorted(found)
    return {"names": ordered[:limit], "whole": whole and len(ordered) <= limit}


def _beginning(prefix: str, names: Any) -> set[str]:
    return {name for name in names if name.lower().startswith(prefix.lower())}
