"""What other programs keep in a folder or beside it, and what was imported already. Names are looked at, and heads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vragd.system.files import bytes_below, write_atomic

IMPORTED = "imported"
"""The folder of the data directory that imported stores are in."""

USUAL = "~/.config/vector-rag-tool/stores"
"""Where one of them keeps what it makes, whatever folder that is of."""
MARKS = ("docstore.json", "chroma.sqlite3", ".meta.json")
"""How a name ends that is worth a second look."""
PASSED_OVER = frozenset({".git", ".hg", ".obsidian", ".trash", ".venv", "venv", "node_modules", "__pycache__"})
DEEP, MOST_FOLDERS, WITHIN_S = 3, 2_000, 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """What `vragd import KIND PATH` would take; `size` in bytes."""

    kind: str
    path: Path
    size: int


def found_near(folders: Sequence[Path], within_s: float = WITHIN_S) -> list[Found]:
    """
    What there is in these folders, beside them and in the usual place, each once: what is seen in so many seconds.

    Blocks no longer than that, or twice where something is to be looked into, also where a file system hangs. No link
    is followed.
    """
    found: list[Found] = []
    marked, over = threading.Event(), threading.Event()
    look = threading.Thread(target=_look, args=(folders, found.append, marked, over), name="nearby", daemon=True)
    look.start()
    look.join(within_s)
    if marked.is_set() and look.is_alive():
        from vragd.stores.moves import foreign  # noqa: F401  what the other waits for takes a second to load

        look.join(within_s)
    over.set()
    return list(found)


def _look(
    folders: Sequence[Path], give: Callable[[Found], None], marked: threading.Event, over: threading.Event
) -> None:  # fmt: skip
    seen = set[Path]()
    places = [(folder, DEEP) for folder in folders] + [(folder.parent, 1) for folder in folders]
    for place, deep in [*places, (Path(USUAL).expanduser(), 0)]:
        for path, is_marked in _folders(place, deep):
            if over.is_set() or len(seen) > MOST_FOLDERS:
                return
            if path in seen:
                continue
            seen.add(path)
            if is_marked:
                marked.set()
            kind = _kind(path) if is_marked else ""
            if kind and not over.is_set():
                give(Found(kind, path, bytes_below(path)))


def _folders(top: Path, deep: int) -> Iterator[tuple[Path, bool]]:
    """`top` and what is below it, so many steps deep, the nearest first; and whether a name there is marked."""
    level = [top]
    for _ in range(deep + 1):
        following: list[Path] = []
        for folder in level:
            below, is_marked = _inside(folder)
            yield folder, is_marked
            following += below
        level = following


def _inside(folder: Path) -> tuple[list[Path], bool]:
    below, is_marked = [], False
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_marked = is_marked or entry.name.endswith(MARKS)
                if entry.name not in PASSED_OVER and entry.is_dir(follow_symlinks=False):
                    below.append(Path(entry.path))
    except OSError:
        return [], False
    return sorted(below), is_marked


def _kind(folder: Path) -> str:
    from vragd.stores.moves.foreign import looks_like  # most have nothing of the kind, and `status` asks each time

    try:
        return looks_like(folder)
    except OSError:
        return ""


# -- what was imported -----------------------------------------------------------------------------


def imported_names(data_dir: Path) -> list[str]:
    """The imported stores that are asked by their name, sorted: whole ones which no store on notes supersedes."""
    try:
        names = sorted(file.stem for file in (data_dir / IMPORTED).iterdir() if file.suffix == ".db")
    except OSError:
        return []
    folder = data_dir / IMPORTED
    return [n for n in names if not (folder / f"{n}.db.part").exists() and not (data_dir / "stores" / n).is_dir()]


def remember_origin(data_dir: Path, name: str, path: Path) -> None:
    """Put down which folder a store was imported from, of which `path` may be a file: it is not offered again."""
    folder = path if path.is_dir() else path.parent
    write_atomic(data_dir / IMPORTED / f"{name}.db.from", [os.fsencode(folder.resolve())])


def origins(data_dir: Path) -> set[Path]:
    """Folders of what was imported, as long as the stores made of it are there."""
    files = [data_dir / IMPORTED / f"{name}.db.from" for name in imported_names(data_dir)]
    return {Path(os.fsdecode(file.read_bytes())) for file in files if file.is_file()}
