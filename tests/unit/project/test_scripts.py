"""The scripts that watch over the tests find what was planted."""

from __future__ import annotations

import ast
from pathlib import Path

from tests import covered, seams

PATCHED = """
def test_it(monkeypatch, mp):
    monkeypatch.setattr(module, "NAME", 1)
    mp.setattr("module.NAME", 1)
    monkeypatch.setenv("NAME", "1")
"""
PRIVATE = """
def test_it(self):
    store._catalog = self._catalog
    assert world.store._syncer._space
    assert cls._x and super()._x and os._exit and store.__class__ and point._replace(x=1)
    worker._tasks["apply"]._state
"""


def test_patches_are_counted_under_any_name() -> None:
    assert seams.patched(ast.parse(PATCHED)) == [3, 4]


def test_lines_that_touch_anothers_private_fields_are_counted_once_each() -> None:
    assert seams.private(ast.parse(PRIVATE)) == [3, 4, 6]


def test_more_seams_than_there_were_fail(tmp_path: Path) -> None:
    assert seams.main(tmp_path) == 0
    (tmp_path / "test_a.py").write_text("def test_it(mp):\n" + "    mp.setattr('a.b', 1)\n" * (seams.MAX_PATCHED + 1))
    assert seams.main(tmp_path) == 1


def test_a_rooms_share_is_that_of_all_its_files() -> None:
    files = {"src/vragd/sync/a.py": (30, 30), "src/vragd/sync/deep/b.py": (10, 2), "src/vragd/client.py": (4, 4)}
    assert covered.shares(files) == {"client.py": 100.0, "sync": 80.0}


def test_a_room_that_is_low_or_has_fallen_is_named() -> None:
    before = {"sync": 99.0, "search": 95.0, "gone": 90.0}
    assert covered.complaints({"sync": 98.5, "search": 95.0}, before) == []
    assert covered.complaints({"sync": 97.5, "search": 79.0}, before) == [
        "search: 79.0 %, at least 80.0 %",
        "sync: 97.5 %, it was 99.0 %",
        "search: 79.0 %, it was 95.0 %",
    ]
