"""What is kept of a picture, whom a point belongs to, and where notes crowd."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from vragd.errors import DataDirError
from vragd.search.picture.kept import Kept, digest
from vragd.search.picture.points import Listed, key_of, points_of
from vragd.search.picture.regions import MOST, clusters


def kept(*notes: str, space: str = "s") -> Kept:
    """Notes `key:mark`, each at a point of its own."""
    keys, marks = zip(*(note.split(":") for note in notes), strict=True) if notes else ((), ())
    points = np.array([[0.1 * i, -0.1 * i] for i in range(len(notes))], dtype=np.float32).reshape(-1, 2)
    named = [digest(key.encode()) for key in keys], [digest(mark.encode()) for mark in marks]
    return Kept(space, *named, points, np.arange(len(notes)) % 2 == 1)


def listed(*notes: str) -> Listed:
    one = kept(*notes)
    return Listed(list(range(len(notes))), list(one.keys), list(one.marks), [("v", note, note) for note in notes])


def test_a_layout_is_kept_for_the_user_alone_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "picture.layout"
    written = kept("a:1", "b:2", "c:3")
    written.write(file)
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    found = Kept.read(file, "s")
    assert found is not None
    assert (found.keys, found.marks) == (written.keys, written.marks)
    assert (found.points.tolist(), found.placed.tolist()) == (written.points.tolist(), written.placed.tolist())
    assert Kept.read(file, "another space") is None
    kept().write(file)
    assert len((Kept.read(file, "s") or written).keys) == 0


def test_a_file_that_is_damaged_cut_off_or_gone_is_none(tmp_path: Path) -> None:
    file = tmp_path / "picture.layout"
    kept("a:1", "b:2").write(file)
    whole = file.read_bytes()
    for at in range(0, len(whole), 7):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert Kept.read(file, "s") is None
        file.write_bytes(whole[:at])
        assert Kept.read(file, "s") is None
    file.unlink()
    assert Kept.read(file, "s") is None
    with pytest.raises(DataDirError):
        kept("a:1").write(tmp_path / "gone" / "picture.layout")


def test_a_note_has_its_point_as_long_as_it_has_its_text_whatever_it_is_called() -> None:
    points, placed = points_of(listed("a:1", "b:another", "renamed:3", "new:9"), kept("a:1", "b:2", "c:3"))
    assert np.isfinite(points).all(axis=1).tolist() == [True, False, True, False]
    assert (points[0].tolist(), points[2].tolist()) == ([0.0, -0.0], kept("a:1", "b:2", "c:3").points[2].tolist())
    assert placed.tolist() == [False, True, False, True]
    points, placed = points_of(listed("a:1"), None)
    assert (np.isnan(points).all(), placed.all()) == (True, True)


def test_a_note_of_another_source_or_a_name_that_is_no_utf_8_is_another_note() -> None:
    names = [("u", "a.md"), ("v", "a.md"), ("u", "b.md"), ("u", os.fsdecode(b"\xff.md"))]
    assert len({key_of(*name) for name in names}) == 4


def test_where_notes_crowd_is_a_region_and_a_few_apart_are_in_none() -> None:
    rng = np.random.default_rng(2)
    middles = np.array([[-0.7, -0.7], [0.7, 0.7], [0.7, -0.7]])
    points = np.concatenate([middle + 0.05 * rng.normal(size=(40, 2)) for middle in middles])
    label = clusters(np.concatenate([points, [[-0.9, 0.9]]]).astype(np.float32))
    assert [len({*label[at : at + 40].tolist()}) for at in (0, 40, 80)] == [1, 1, 1]
    assert (len({*label.tolist()}), label[-1]) == (4, -1)


@pytest.mark.parametrize("n", [0, 1, 2, 1500])
def test_there_are_never_too_many_regions(n: int) -> None:
    label = clusters(np.random.default_rng(3).uniform(-1, 1, (n, 2)).astype(np.float32))
    assert len(label) == n
    assert label.max(initial=-1) < MOST
