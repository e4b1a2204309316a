"""Of what types a vault says that properties are: `types.json` in its config folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from vragd.vault.root import Root

TYPES = "types.json"
MAX_BYTES = 1 << 20
KINDS = frozenset({"text", "multitext", "number", "checkbox", "date", "datetime", "tags", "aliases"})

Kinds = tuple[tuple[str, str], ...]
"""(name in lower case, one of KINDS) of each property that has a type, by name."""
Types = tuple[tuple[str, Kinds], ...]
"""(folder of a vault, '' for the one that the source is or is in, its types) of each vault that says any."""


def kinds_in(types_json: bytes) -> Kinds:
    """What the text of a `types.json` says; nothing for what is none. Types of plugins are passed over."""
    try:
        document = json.loads(types_json)
    except (ValueError, RecursionError):
        return ()
    said = document.get("types") if isinstance(document, dict) else None
    if not isinstance(said, dict):
        return ()
    found: dict[str, str] = {}
    for name, kind in said.items():
        if isinstance(kind, str) and kind in KINDS:
            found.setdefault(name.strip().lower(), kind)
    return tuple(sorted(found.items()))


class PropertyTypes:
    """Those of one source's vaults. On the source's own lane, but for `said`, which is replaced whole."""

    def __init__(self) -> None:
        self.said: Types = ()
        """As an earlier process knew them, until they are looked at."""

    def look(self, root: Root, configs: Mapping[str, Sequence[str]], is_gone: Callable[[str], bool]) -> None:
        """
        Read them again; `configs` are the paths of config folders by the vault's folder: what the first says, counts.

        What cannot be read is as it was read last, and so is a vault that `configs` has not unless it `is_gone`.
        """
        before = dict(self.said)
        said = [(vault, kinds) for vault, kinds in self.said if not (vault in configs or is_gone(vault))]
        for vault, paths in sorted(configs.items()):
            kinds: dict[str, str] = {}
            for path in reversed(paths):
                kinds.update(self._read(root, path, before.get(vault, ())))
            if kinds:
                said.append((vault, tuple(sorted(kinds.items()))))
        self.said = tuple(sorted(said))

    @staticmethod
    def _read(root: Root, config: str, before: Kinds) -> Kinds:
        try:
            raw = root.read(f"{config}/{TYPES}", MAX_BYTES)
        except NotADirectoryError:
            return ()
        except OSError:
            return before
        return kinds_in(raw) if raw else ()
