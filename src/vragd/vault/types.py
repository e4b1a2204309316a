"""Of what types a vault says that properties are, and of what format daily notes: in its config folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from vragd.system.clock import SYSTEM, Clock
from vragd.vault.reread import Reread
from vragd.vault.root import Root

TYPES, DAILY = "types.json", "daily-notes.json"
MAX_BYTES, MAX_FORMAT = 1 << 20, 200
KINDS = frozenset({"text", "multitext", "number", "checkbox", "date", "datetime", "tags", "aliases"})

Kinds = tuple[tuple[str, str], ...]
"""(name in lower case, one of KINDS) of each property that has a type, by name; (UNNAMED, format) of daily notes."""
UNNAMED = ""
"""Not the name of a property that has a type: under it the day in a note's own name has its format."""
Types = tuple[tuple[str, Kinds], ...]
"""(folder of a vault, '' for the one that the source is or is in, its types) of each vault that says any."""


def kinds_in(types_json: bytes | None) -> Kinds:
    """What the text of a `types.json` says; nothing for what is none. Types of plugins are passed over."""
    try:
        document = json.loads(types_json or b"")
    except (ValueError, RecursionError):
        return ()
    said = document.get("types") if isinstance(document, dict) else None
    if not isinstance(said, dict):
        return ()
    found: dict[str, str] = {}
    for name, kind in said.items():
        if isinstance(kind, str) and kind in KINDS and name.strip():
            found.setdefault(name.strip().lower(), kind)
    return tuple(sorted(found.items()))


def format_in(daily_json: bytes | None) -> Kinds:
    """The format of daily notes in the text of a `daily-notes.json`; nothing for what says none, or is none."""
    try:
        document = json.loads(daily_json or b"")
    except (ValueError, RecursionError):
        return ()
    said = document.get("format") if isinstance(document, dict) else None
    return ((UNNAMED, said.strip()),) if isinstance(said, str) and 0 < len(said.strip()) <= MAX_FORMAT else ()


class PropertyTypes:
    """Those of one source's vaults. On the source's own lane, but for `said`, which is replaced whole."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._files = Reread[Kinds](clock)
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

    def _read(self, root: Root, config: str, before: Kinds) -> Kinds:
        found: Kinds = ()
        for file, read in ((TYPES, kinds_in), (DAILY, format_in)):
            try:
                found += self._files.meaning(root, f"{config}/{file}", read, MAX_BYTES)
            except NotADirectoryError:
                continue
            except OSError:
                found += tuple(one for one in before if (one[0] == UNNAMED) == (file == DAILY))
        return found
