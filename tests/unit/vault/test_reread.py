"""A small file is opened again when it may be another, and only then."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from vragd.system.clock import Clock
from vragd.vault.reread import Reread
from vragd.vault.root import Root

FILE = ".obsidian/types.json"


class Later(Clock):
    """So long after now that no file is young."""

    ahead_s = 60.0

    def wall(self) -> float:
        return super().wall() + self.ahead_s


class Folder:
    """A folder with a small file, and what was made of that each time it was opened."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self.file.parent.mkdir()
        self.clock = Later()
        self.root, self.reread = Root(folder), Reread[str](self.clock)
        self.opened: list[str | None] = []

    def _read(self, raw: bytes | None) -> str:
        self.opened.append(None if raw is None else raw.decode())
        return "nothing" if raw is None else str(json.loads(raw))

    @property
    def meaning(self) -> str:
        return self.reread.meaning(self.root, FILE, self._read)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_file_that_is_as_it_was_is_not_opened_again(folder: Folder) -> None:
    folder.file.write_text("1")
    assert [folder.meaning for _ in range(3)] == ["1", "1", "1"]
    assert folder.opened == ["1"]


def test_what_has_the_size_and_the_time_of_before_is_seen_to_be_another(folder: Folder) -> None:
    folder.file.write_text("1")
    os.utime(folder.file, (1e9, 1e9))
    assert folder.meaning == "1"
    folder.file.write_text("2")
    os.utime(folder.file, (1e9, 1e9))
    assert folder.meaning == "2"
    other = folder.file.with_name("other")
    other.write_text("3")
    os.utime(other, (1e9, 1e9))
    other.replace(folder.file)
    assert folder.meaning == "3"


def test_what_is_so_young_that_it_may_change_and_keep_its_time_is_opened_each_time(folder: Folder) -> None:
    folder.file.write_text("1")
    folder.clock.ahead_s = 0.0
    assert [folder.meaning for _ in range(2)] == ["1", "1"]
    folder.clock.ahead_s = -3_600.0  # a clock that was set back
    assert folder.meaning == "1"
    folder.clock.ahead_s = 60.0
    assert [folder.meaning for _ in range(2)] == ["1", "1"]
    assert folder.opened == ["1"] * 4


def test_what_is_gone_or_cannot_be_understood_is_not_taken_for_what_it_was(folder: Folder) -> None:
    folder.file.write_text("1")
    assert folder.meaning == "1"
    folder.file.write_text("{")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"."):
            assert folder.meaning
    folder.file.unlink()
    assert [folder.meaning for _ in range(2)] == ["nothing", "nothing"]
    folder.file.mkdir()
    with pytest.raises(IsADirectoryError):
        assert folder.meaning
    folder.file.rmdir()
    folder.file.write_text("1")
    assert folder.meaning == "1"
