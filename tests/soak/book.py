"""
What the soak itself knows of the vault: every byte it wrote, every version a note had, and what follows for the index.

Nothing here asks vragd but for the chunker, which is a function of the bytes.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vragd.notes.chunk import read_note
from vragd.notes.model import NotIndexable

MAX_FILE_BYTES = 1024 * 1024
SUFFIXES = (".md", ".markdown", ".txt")


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link in the vault."""

    target: str


Content = bytes | Link
Row = tuple[str, str, str, int, int, str]  # path, title, heading (JSON), first line, last line, text


def is_note(path: str) -> bool:
    """Whether a regular file at `path` is to be indexed, by the rules the README states."""
    *folders, name = path.split("/")
    if any(folder.startswith(".") for folder in folders) or name.startswith((".", "~$")):
        return False
    return name.lower().endswith(SUFFIXES) and "conflicted copy" not in name and ".sync-conflict-" not in name


@lru_cache(maxsize=8192)
def rows_of(path: str, data: bytes) -> tuple[Row, ...]:
    """What the catalog must hold of a note with these bytes."""
    if not is_note(path) or len(data) > MAX_FILE_BYTES:
        return ()
    try:
        note = read_note(data, path.rpartition("/")[2].rpartition(".")[0])
    except NotIndexable:
        return ()
    return tuple((path, note.title, json.dumps(c.heading), *c.lines, c.text) for c in note.chunks)


def expected(files: Mapping[str, Content]) -> Counter[Row]:
    """What the catalog must hold of a vault with these files."""
    return Counter(row for path, data in files.items() if isinstance(data, bytes) for row in rows_of(path, data))


def walk(root: Path) -> dict[str, Content]:
    """Every file and link below `root` as it is on the disk; no link is followed."""
    found: dict[str, Content] = {}
    for folder, folders, names in os.walk(root):
        for name in [*names, *(f for f in folders if (Path(folder) / f).is_symlink())]:
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            found[relative] = Link(str(path.readlink())) if path.is_symlink() else path.read_bytes()
    return found


@dataclass(slots=True)
class Version:
    """A note as it was from `since` on; `until` is when it surely was another, or none."""

    data: bytes
    since: float
    until: float = float("inf")


class Book:
    """The vault as the editor left it, and the versions of its notes not long ago. Thread-safe."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.root = root
        """Where the vault is right now."""
        self.files: dict[str, Content] = {}
        self.away_since: float | None = None
        """Since when (monotonic) the vault is not where it belongs."""
        self.pretend: dict[str, Content] = {}
        """What `expected_rows` takes for true whatever is there: for a test of the soak."""
        self._versions: dict[str, list[Version]] = {}
        self._moving: Counter[str] = Counter()
        self._stamps: dict[str, tuple[int, int]] = {}
        self._clock = clock
        self._lock = threading.Lock()

    @contextmanager
    def changing(self, changes: Mapping[str, Content | None]) -> Iterator[None]:
        """
        The block makes these files what is given; None for gone.

        While it runs the old and the new are both true.
        """
        with self._lock:
            for path, data in changes.items():
                if isinstance(data, bytes) and is_note(path) and not self._is_now(path, data):
                    self._versions.setdefault(path, []).append(Version(data, self._clock()))
            self._moving.update(changes.keys())
        yield
        with self._lock:
            self._moving -= Counter(changes.keys())
            for path, data in changes.items():
                self._close(path, data)

    def _is_now(self, path: str, data: bytes) -> bool:
        versions = self._versions.get(path)
        return bool(versions) and versions[-1].data == data and versions[-1].until == float("inf")

    def _close(self, path: str, data: Content | None) -> None:
        versions = self._versions.get(path, [])
        current = versions[-1] if versions and isinstance(data, bytes) else None
        for version in versions:
            if version is not current and version.until == float("inf"):
                version.until = self._clock()
        if data is None:
            self.files.pop(path, None)
            self._stamps.pop(path, None)
        else:
            self.files[path] = data
            info = (self.root / path).lstat()
            self._stamps[path] = (info.st_mtime_ns, info.st_mode)

    def adopt(self) -> None:
        """Begin with what is there."""
        files = walk(self.root)
        with self.changing(files):
            pass

    def notes(self) -> list[str]:
        """The regular files that are notes by their names, in a stable order."""
        with self._lock:
            files = list(self.files.items())
        return sorted(path for path, data in files if isinstance(data, bytes) and is_note(path))

    def path_of(self, relative: str) -> Path:
        return self.root / relative

    def expected_rows(self) -> Counter[Row]:
        """What the catalogs must hold, by a walk of the disk."""
        return expected(walk(self.root) | self.pretend)

    def forget(self, before: float) -> None:
        """Drop versions that ended before this moment: an index that was found right since cannot show them."""
        with self._lock:
            for path in list(self._versions):
                kept = [version for version in self._versions[path] if version.until >= before]
                if kept:
                    self._versions[path] = kept
                else:
                    del self._versions[path]

    def last_true(self, path: str, text: str) -> float | None:
        """When a note last had a chunk with this text: infinity for now, None for never within memory."""
        with self._lock:
            versions = list(self._versions.get(path, ()))
        times = [version.until for version in versions if any(row[-1] == text for row in rows_of(path, version.data))]
        return max(times, default=None)

    def exists(self, path: str) -> bool:
        return isinstance(self.files.get(path), bytes)

    def unchanged_since(self, path: str, moment: float) -> bytes | None:
        """The bytes of a note that was the same ever since `moment` and is not being changed; None for any other."""
        with self._lock:
            versions = self._versions.get(path, ())
            if (
                path not in self._moving
                and versions
                and versions[-1].until == float("inf")
                and all(v.since <= moment for v in versions)
            ):
                return versions[-1].data
        return None

    def tampered(self) -> list[tuple[str, str]]:
        """(path, what is wrong) of each file that is not as the editor left it: bytes, time or mode."""
        found, wrong = walk(self.root), []
        for path in sorted(found.keys() | self.files.keys()):
            if path not in found:
                wrong.append((path, "is gone, and nobody but the editor may delete"))
            elif path not in self.files:
                wrong.append((path, "appeared, and nobody but the editor may write"))
            elif found[path] != self.files[path]:
                wrong.append((path, "has other bytes than the editor wrote"))
            else:
                info = (self.root / path).lstat()
                if (info.st_mtime_ns, info.st_mode) != self._stamps[path]:
                    wrong.append((path, "has another time or mode than the editor left"))
        return wrong


def differences(want: Counter[Row], have: Counter[Row]) -> list[tuple[str, str, str]]:
    """(path, expected, found) of each note with a row missing, too much or different. Empty: the index is the vault."""
    missing, extra = want - have, have - want
    by_path: dict[str, tuple[list[Row], list[Row]]] = {}
    for i, rows in enumerate((missing, extra)):
        for row in rows.elements():
            by_path.setdefault(row[0], ([], []))[i].append(row)
    return [(path, _brief(lacks), _brief(has)) for path, (lacks, has) in sorted(by_path.items())]


def _brief(rows: list[Row]) -> str:
    if not rows:
        return "nothing more"
    _, title, heading, first, last, text = rows[0]
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"{title!r} {heading} lines {first}-{last} {text[:60]!r}{more}"
