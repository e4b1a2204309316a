"""
The vault of the model test: a real folder, every change a user makes to it, and what may be answered of each path.

Nothing here knows how vragd looks at a vault; only how a note is cut is taken from it.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from vragd.notes.chunk import read_note
from vragd.notes.model import NotIndexable

MAX_BYTES = 8_000
"""What is larger is no note."""
ERA_S = 1e9
"""Thirty years: as far from now as no stamp in the vault is."""
SECRET = "what stands outside of the vault is nobody's business, lantern"

Part = tuple[str, tuple[str, ...], tuple[int, int], str]
"""(title, heading, lines, text) of a chunk."""
Version = tuple[Part, ...]
"""What is answered of a path: its chunks in order; () also if there is no note."""


def version_of(path: str, data: bytes) -> Version:
    """What is to be answered of a note with these bytes."""
    if len(data) > MAX_BYTES:
        return ()
    stem = path.rpartition("/")[2].rpartition(".")[0]
    try:
        note = read_note(data, stem.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    except NotIndexable:
        return ()
    return in_order((note.title, chunk.heading, chunk.lines, chunk.text) for chunk in note.chunks)


def in_order(chunks: Iterable[Part]) -> Version:
    """Parts of a note as they stand in it."""
    return tuple(sorted(chunks, key=lambda part: (part[2], part)))


class Vault:
    """
    The folder at `root`, what is `outside` of it, and by path every version there was.

    While it is `away`, nothing at its place proves anything.
    """

    def __init__(self, home: Path, *, obsidian: bool) -> None:
        self.root, self.outside, self._aside = home / "vault", home / "outside", home / "vault away"
        self.obsidian, self.hidden = obsidian, False
        self.away = False
        self.versions: dict[str, list[Version]] = {}
        self._at: dict[str, int] = {}
        self._n_aside = 0
        self.root.mkdir()
        if obsidian:
            (self.root / ".obsidian").mkdir()
        for folder in ("Hers", "His"):
            (self.outside / folder / "Deep").mkdir(parents=True)
            (self.outside / folder / "a.md").write_text(f"lantern of {folder}\n")
            (self.outside / folder / "Deep" / "b.md").write_text("lantern below\n")
        (self.outside / "secret.md").write_text(SECRET)
        self._stamper = home / "stamper"
        self.settled = False
        """Whether time has passed since the last change: what changes next has other stamps than all that is there."""
        self.tree = self._look()

    # -- time

    def clock(self) -> int:
        """
        Nanoseconds: so late that no stamp is fresh, or now, when within `ERA_S` each is.

        By the real window it would depend on the machine's load what is read again.
        """
        return 1 << 62 if self.settled else time.time_ns()

    def time_passes(self) -> None:
        """Until a change of a file has another stamp than every earlier one."""
        self._stamper.touch()
        last = self._stamper.stat().st_ctime_ns
        while self._stamper.stat().st_ctime_ns == last:
            time.sleep(0.001)
            self._stamper.touch()
        self.settled = True

    # -- what is there -------------------------------------------------------------------------------

    def notes(self) -> dict[str, bytes]:
        """The notes on the disk now, by path; {} while the vault is away."""
        found = {} if self.away else dict(self._files())
        return {path: data for path, data in found.items() if not self._excluded(path)}

    def folders(self) -> list[str]:
        """The folders on the disk now, but for hidden ones."""
        found = (os.path.relpath(folder, self.root) for folder, _, _ in os.walk(self.root))
        return sorted(folder for folder in found if not folder.startswith("."))

    def _excluded(self, path: str) -> bool:
        return self.hidden and path.startswith("Private/")

    def _files(self) -> Iterator[tuple[str, bytes]]:
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                at = os.path.join(folder, name)
                path = os.path.relpath(at, self.root)
                if name.endswith(".md") and not name.startswith(".") and stat.S_ISREG(os.lstat(at).st_mode):
                    yield path, Path(at).read_bytes() if os.access(at, os.R_OK) else b""

    def _look(self) -> dict[str, tuple[object, ...]]:
        """Everything below the root and outside: kind and mode, time, and bytes or where a link leads."""
        seen: dict[str, tuple[object, ...]] = {}
        for top in (self.root, self._aside, self.outside):
            for folder, folders, files in os.walk(top):
                for name in (*folders, *files, "."):
                    at = os.path.join(folder, name)
                    info = os.lstat(at)
                    if stat.S_ISLNK(info.st_mode):
                        inside: object = str(Path(at).readlink())
                    elif stat.S_ISREG(info.st_mode) and os.access(at, os.R_OK):
                        inside = Path(at).read_bytes()
                    else:
                        inside = None
                    seen[at] = (info.st_mode, info.st_mtime_ns, info.st_ctime_ns, info.st_uid, inside)
        return seen

    def changed(self) -> None:
        """Remember what a change made: to be called after each."""
        self.settled = False
        self.tree = self._look()
        if self.away:
            return
        notes = self.notes()
        for path in {*self.versions, *notes}:
            if path in notes and not os.access(self.root / path, os.R_OK):
                continue  # nobody can know what it is now
            there = version_of(path, notes[path]) if path in notes else ()
            versions = self.versions.setdefault(path, [()])
            if versions[-1] != there:
                versions.append(there)

    def check_untouched(self) -> None:
        """Nobody but the model has changed anything."""
        now = self._look()
        differ = sorted(at for at in {*now, *self.tree} if now.get(at) != self.tree.get(at))
        assert not differ, f"somebody else has changed {differ}"

    # -- what may be answered ------------------------------------------------------------------------

    def judge(self, path: str, answered: Version) -> None:
        """An answer is a whole version, the one answered before or a later one."""
        versions, at = self.versions.get(path, [()]), self._at.get(path, 0)
        for i in range(at, len(versions)):
            if versions[i] == answered:
                self._at[path] = i
                return
        before = answered in versions[:at]
        raise AssertionError(
            f"{path!r}: {'an older version than before' if before else 'no version that ever was'} is answered:"
            f" {answered!r}\nfrom version {at} on it may be one of {versions[at:]!r}"
        )

    # -- changes -------------------------------------------------------------------------------------

    def make_room(self, path: str) -> Path:
        """The place of a path, with real folders above it and nothing there."""
        at = self.root
        for folder in path.split("/")[:-1]:
            at /= folder
            if at.is_symlink() or at.is_file():
                at.unlink()
            at.mkdir(exist_ok=True)
        at /= path.rpartition("/")[2]
        if at.is_dir() and not at.is_symlink():
            shutil.rmtree(at)
        else:
            at.unlink(missing_ok=True)
        return at

    def write(self, path: str, data: bytes, *, how: str) -> None:
        """A saved note: `in_place`, by a `renamed` temporary file, or with the old time stamps (`sneaky`)."""
        at = self.root / path
        old = at.stat() if path in self.notes() and os.access(at, os.W_OK) else None
        if how == "renamed" or old is None:
            at = self.make_room(path)
            temporary = at.with_name(".saving.tmp")
            temporary.write_bytes(data)
            temporary.rename(at)
        else:
            with at.open("r+b") as file:  # as a file that is written in place, not as a new one
                file.write(data)
                file.truncate()
        if how == "sneaky" and old is not None:
            os.utime(at, ns=(old.st_atime_ns, old.st_mtime_ns))
        self.changed()

    def append(self, path: str, data: bytes) -> None:
        with (self.root / path).open("ab") as file:
            file.write(data)
        self.changed()

    def truncate(self, path: str, size: int) -> None:
        os.truncate(self.root / path, size)
        self.changed()

    def touch(self, path: str, mode: int) -> None:
        """Other attributes, the same bytes."""
        (self.root / path).chmod(mode)
        os.utime(self.root / path)
        self.changed()

    def rename(self, path: str, to: str) -> None:
        aside = self.root / ".renaming"
        (self.root / path).rename(aside)
        aside.rename(self.make_room(to))
        self.changed()

    def swap(self, one: str, other: str) -> None:
        aside = self.root / ".swapping"
        (self.root / one).rename(aside)
        (self.root / other).rename(self.root / one)
        aside.rename(self.root / other)
        self.changed()

    def copy(self, path: str, to: str) -> None:
        data = self.notes()[path]
        self.make_room(to).write_bytes(data)
        self.changed()

    def delete(self, path: str) -> None:
        """A file, a link, or a folder with all that is in it."""
        at = self.root / path
        if at.is_dir() and not at.is_symlink():
            shutil.rmtree(at)
        else:
            at.unlink()
        self.changed()

    def make_folder(self, path: str) -> None:
        self.make_room(path).mkdir()
        self.changed()

    def link(self, path: str, target: Path) -> None:
        self.make_room(path).symlink_to(target)
        self.changed()

    def move_folder(self, folder: str, to: str) -> None:
        aside = self.root / ".moving"
        (self.root / folder).rename(aside)
        aside.rename(self.make_room(to))
        self.changed()

    def take_out(self, folder: str) -> None:
        """Out of the vault, where the last one that was taken out makes room."""
        shutil.rmtree(self.outside / "Taken out", ignore_errors=True)
        (self.root / folder).rename(self.outside / "Taken out")
        self.changed()

    def bring_in(self, name: str, folder: str) -> bool:
        """A copy of a folder outside, moved in as a whole; False if there is none of that name."""
        if not (self.outside / name).is_dir():
            return False
        moving = self.outside / "Moving"
        shutil.copytree(self.outside / name, moving, symlinks=True)
        moving.rename(self.make_room(folder))
        self.changed()
        return True

    def hide(self, hidden: bool) -> None:
        """What Obsidian calls *Excluded files*."""
        self.hidden = hidden
        filters = ["Private/"] if hidden else []
        (self.root / ".obsidian" / "app.json").write_text(json.dumps({"userIgnoreFilters": filters}))
        self.changed()

    # -- the whole of it -----------------------------------------------------------------------------

    def go_away(self, leaving: str) -> None:
        """Unmounted: at its place there is nothing, an empty folder, an empty vault or a file."""
        self.root.rename(self._aside)
        self.away = True
        if leaving == "file":
            self.root.write_bytes(b"no folder")
        elif leaving != "nothing":
            self.root.mkdir()
            if leaving == "vault" and self.obsidian:
                (self.root / ".obsidian").mkdir()
        self.changed()

    def come_back(self) -> None:
        if self.root.is_dir():
            shutil.rmtree(self.root)
        else:
            self.root.unlink(missing_ok=True)
        self._aside.rename(self.root)
        self.away = False
        self.changed()

    def restore(self, lacks: str) -> None:
        """A backup in its place, which is another directory and lacks one note."""
        self._n_aside += 1
        old = self.root.with_name(f"vault before {self._n_aside}")
        self.root.rename(old)
        shutil.copytree(old, self.root, symlinks=True)
        (self.root / lacks).unlink()
        shutil.rmtree(old)
        self.changed()
