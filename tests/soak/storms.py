"""Edits of many notes at once: folders, checkouts, storms beyond the kernel's queue, the vault itself away."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from tests.soak.book import Content
from tests.soak.editor import Editor
from tests.soak.texts import branch, note

REPO, N_FILES = "Repo", 240
BRANCHES = ("main", "feature", "release")
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


class Storms(Editor):
    """An editor that also moves folders and checks out branches."""

    kinds = Editor.kinds | {
        "mkdir": 3, "folder_rename": 2, "folder_out": 2, "folder_in": 3, "folder_delete": 1, "checkout": 1,
        "root_away": 1,
    }  # fmt: skip

    _branch = ""

    def below(self, folder: str) -> dict[str, Content]:
        return {path: data for path, data in self.book.files.items() if path.startswith(folder + "/")}

    def folder(self) -> str | None:
        """A folder that is small enough to play with."""
        tops = sorted({path.partition("/")[0] for path in self.book.notes() if "/" in path})
        small = [top for top in tops if top != REPO and len(self.below(top)) < 60]
        return self.rng.choice(small) if small else None

    def edit_mkdir(self) -> None:
        """Folders in folders and at once a note in each: the watch cannot be there in time."""
        self._n += 1
        folder = f"Made {self._n}"
        for part in ("a", "a/b", "a/b/c"):
            self.overwrite(self.fresh(f"{folder}/{part}"), note(self.rng, 1))

    def _move(self, folder: str, to: str) -> None:
        moved: dict[str, Content | None] = dict.fromkeys(self.below(folder))
        moved |= {to + path.removeprefix(folder): data for path, data in self.below(folder).items()}
        with self.book.changing(moved):
            self.path(folder).rename(self.path(to))

    def edit_folder_rename(self) -> bool:
        if folder := self.folder():
            self._n += 1
            self._move(folder, f"{folder[:20].rstrip()} {self._n}")
        return bool(folder)

    def edit_folder_out(self) -> bool:
        """A folder leaves the vault; what is written to it out there is nobody's."""
        if len(list(self.outside.iterdir())) < 3 and (folder := self.folder()):
            self._n += 1
            to = self.outside / f"{folder[:20].rstrip()} {self._n}"
            with self.book.changing(dict.fromkeys(self.below(folder))):
                self.path(folder).rename(to)
            (to / "written outside.md").write_bytes(note(self.rng))
            return True
        return False

    def edit_folder_in(self) -> bool:
        for folder in sorted(self.outside.iterdir())[:1]:
            content: dict[str, Content] = {}
            for file in folder.rglob("*"):
                if file.is_symlink():
                    file.unlink()
                elif file.is_file():
                    content[f"{folder.name}/{file.relative_to(folder).as_posix()}"] = file.read_bytes()
            with self.book.changing(content):
                folder.rename(self.path(folder.name))
            return True
        return False

    def edit_folder_delete(self) -> bool:
        if folder := self.folder():
            with self.book.changing(dict.fromkeys(self.below(folder))):
                shutil.rmtree(self.path(folder))
        return bool(folder)

    def edit_checkout(self) -> None:
        """As `git checkout` of another branch: each file that differs is unlinked and made anew."""
        name = self.rng.choice([branch for branch in BRANCHES if branch != self._branch])
        self._branch = name
        n_files = {"main": N_FILES, "feature": N_FILES - 40, "release": N_FILES // 2}[name]
        for i in range(N_FILES):
            path = f"{REPO}/{i % 7}/file {i}.md"
            if path in self.book.files:
                with self.book.changing({path: None}):
                    self.path(path).unlink()
            if i < n_files:
                self.path(path).parent.mkdir(parents=True, exist_ok=True)
                data = branch(name, i)
                with self.book.changing({path: data}):
                    self.path(path).write_bytes(data)

    def edit_root_away(self) -> None:
        """The vault is renamed away for some seconds, edited there, and comes back."""
        home, away = self.book.root, self.book.root.with_name("Vault elsewhere")
        home.rename(away)
        self.book.root, self.book.away_since = away, time.monotonic()
        try:
            self.wait(self.rng.choice((0.2, 2.0, 14.0)))
            for kind in self.rng.choices(("append", "delete", "rename", "write"), k=3):
                self.do(kind)
            self.wait(self.rng.choice((0.0, 1.0)))
        finally:
            self.book.away_since = None
            away.rename(home)
            self.book.root = home

    def overflow(self) -> None:
        """More events than the kernel keeps for somebody who does not look, and edits among them."""
        room = int(QUEUE.read_text()) + 1000
        names = ["flood a.tmp", "flood b.tmp"]
        for name in names:
            self.path(name).touch()
        for i in range(room):
            os.utime(self.path(names[i % 2]))  # the same twice in a row would be one event
        for kind in self.rng.choices(("append", "delete", "rename", "write", "atomic_save"), k=8):
            self.do(kind)
        for name in names:
            self.path(name).unlink()
        self.counts["overflow"] += 1
