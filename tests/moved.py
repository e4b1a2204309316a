"""A store on notes that was indexed by a daemon which has ended, and what is exported of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.world import World
from vragd.config.load import Loaded
from vragd.config.settings import Config, SourceSettings, StoreSettings
from vragd.errors import VragdError
from vragd.stores.moves import places, written

NOTES = {
    "Heron.md": "# Heron\n\nThe heron stood at the pond.",
    "Private/Diary.md": "A heron again, and nobody is to know.",
    "Tagged.md": "---\ntags: [bird]\nrating: 4\n---\n# Bird\n\nThe heron flew. „Größe“",
    "Long.md": "\n\n".join(f"# Part {i}\n\n{'Words of part ' + str(i) + ' go on. '} {'more ' * 300}" for i in range(4)),
}


def indexed(home: Path, notes: Mapping[str, str] = NOTES) -> Loaded:
    """A configuration with the store `notes`, below `home`, whose vectors are those of `WordEmbedder`."""
    world = World(home)
    for path, text in notes.items():
        world.write(path, text)
    world.restart()
    world.apply(*world.scan())
    world.store.close()
    stores = home / "data/stores"
    stores.mkdir(mode=0o700, parents=True)
    world.folder.rename(stores / "notes")
    settings = StoreSettings(sources=(SourceSettings(path=world.vault),))
    return Loaded(Config(stores={"notes": settings}), None, home / "data", home / "s")


def exported(loaded: Loaded, out: Path, name: str = "notes", **how: Any) -> written.Written:
    with places.origin_of(loaded, name) as origin:
        return written.export(origin, out, **how)


def lines_of(file: Path) -> list[dict[str, Any]]:
    """The lines of a whole export, but for its last, which says how many passages there are."""
    *found, end = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert end == {"end": len(found) - 1}
    return found


def says(error: VragdError) -> str:
    """All that it says, for a test of the words."""
    return f"{error.message} {error.hint}"
