"""Which folders hold templates: Obsidian's own setting, and that of the Templater plugin."""

from __future__ import annotations

import json
from collections.abc import Callable

SETTINGS = (
    (".obsidian/templates.json", "folder"),
    (".obsidian/plugins/templater-obsidian/data.json", "templates_folder"),
)


def template_folders(read: Callable[[str], bytes | None], before: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The folders, relative to the vault, as `read` finds them set; those of `before` where it cannot be told."""
    found: list[str] = []
    for name, key in SETTINGS:
        try:
            raw = read(name)
            document = json.loads(raw) if raw else {}
        except NotADirectoryError:
            continue
        except (OSError, ValueError, RecursionError):  # Obsidian is writing it, or it is no JSON
            return before
        folder = document.get(key) if isinstance(document, dict) else None
        if isinstance(folder, str) and (folder := folder.strip().strip("/")):
            found.append(folder)
    return tuple(dict.fromkeys(found))
