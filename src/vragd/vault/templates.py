"""Which folders hold templates: Obsidian's own setting, and that of the Templater plugin."""

from __future__ import annotations

import json
from functools import partial

from vragd.system.clock import SYSTEM, Clock
from vragd.vault.reread import Reread
from vragd.vault.root import Root

SETTINGS = (
    (".obsidian/templates.json", "folder"),
    (".obsidian/plugins/templater-obsidian/data.json", "templates_folder"),
)


class Templates:
    """Those of one source. On the source's own lane, but for `folders`, which is replaced whole."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._files = Reread[str](clock)
        self.folders: tuple[str, ...] = ()
        """From the root of the vault."""

    def look(self, root: Root) -> None:
        """See how they are set now; where that cannot be told they are as they were."""
        found: list[str] = []
        for name, key in SETTINGS:
            try:
                found.append(self._files.meaning(root, name, partial(_folder, key)))
            except NotADirectoryError:
                continue
            except (OSError, ValueError, RecursionError):  # Obsidian is writing it, or it is no JSON
                return
        self.folders = tuple(dict.fromkeys(filter(None, found)))


def _folder(key: str, raw: bytes | None) -> str:
    document = json.loads(raw) if raw else {}
    folder = document.get(key) if isinstance(document, dict) else None
    return folder.strip().strip("/") if isinstance(folder, str) else ""
