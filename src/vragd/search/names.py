"""What the names in a store begin with, for who is typing one."""

from __future__ import annotations

from typing import Literal

from vragd.catalog.names import PROPERTIES, TAGS, Names
from vragd.search.links import Linked
from vragd.system.filenames import exact

Kind = Literal["tag", "property", "folder", "note"]


def names_in(target: Linked, kind: Kind, prefix: str, limit: int) -> tuple[list[str], bool]:
    """
    Up to `limit` names of a kind that begin with `prefix`, and whether that is all there are.

    Tags and properties in whatever case. Notes by what links call them, in whatever case; folders and notes by their
    path too, from the source or with its name before it, a part at a time. What is withheld is not named.
    """
    vague = {label: root.withheld for label, root in target.roots.items() if root.withheld is not None}

    def withheld(source: str, path: str) -> bool:
        hides = vague.get(source)
        return source not in target.roots or (hides is not None and hides(path))

    with target.reader.snapshot() as now:
        names = Names(now.db, limit, withheld)
        if kind in ("tag", "property"):
            found = names.facts(TAGS if kind == "tag" else PROPERTIES, prefix)
        else:
            found = _places(target, names, kind, prefix)
        return [name for name in found if exact(name) is None], names.whole


def _places(target: Linked, names: Names, kind: Kind, prefix: str) -> list[str]:
    found = list[str]()
    for label in target.roots:
        if prefix.startswith(f"{label}/"):
            inside = names.below(label, prefix[len(label) + 1 :], folders=kind == "folder")
            found += [f"{label}/{path}" for path in inside]
        elif label.lower().startswith(prefix.lower()):
            found.append(f"{label}/")
        elif "/" in prefix:
            found += names.below(label, prefix, folders=kind == "folder")
    if kind == "note" and "/" not in prefix:
        found += names.called(prefix)
    return found
