"""Opening a folder many levels down."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vragd.system import beneath

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@pytest.fixture(params=[True, False], ids=["in one step", "level by level"], autouse=True)
def possible(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beneath, "_is_possible", request.param and beneath._is_possible)


def opened(root: Path, path: str) -> Path:
    fd = os.open(root, FLAGS)
    for step in beneath.steps(path):
        above, fd = fd, beneath.open_step(fd, step, FLAGS)
        os.close(above)
    try:
        return Path(f"/proc/self/fd/{fd}").readlink()
    finally:
        os.close(fd)


def test_a_folder_is_opened_however_deep(tmp_path: Path) -> None:
    deep = "a/b/c/d/e/f/g/h"
    (tmp_path / deep).mkdir(parents=True)
    for path in ("a", "a/b", deep):
        assert opened(tmp_path, path) == tmp_path.resolve() / path


@pytest.mark.parametrize("at", ["a", "a/b/c/d", "a/b/c/d/e/f/g/h"])
def test_no_link_is_followed_on_the_way(tmp_path: Path, at: str) -> None:
    (tmp_path / "a/b/c/d/e/f/g/h").mkdir(parents=True)
    (tmp_path / at).rename(tmp_path / "away")
    (tmp_path / at).symlink_to(tmp_path / "away")
    with pytest.raises(OSError, match=r".") as caught:
        opened(tmp_path, "a/b/c/d/e/f/g/h")
    assert caught.value.errno == errno.ENOTDIR


def test_what_is_missing_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    with pytest.raises(FileNotFoundError):
        opened(tmp_path, "a/b/c/never/e/f/g")


def test_paths_longer_than_the_system_takes_are_cut(tmp_path: Path) -> None:
    path = "/".join(["d" * 200] * 60)
    assert all(len(step) < 4_096 for step in beneath.steps(path))
    assert "/".join(beneath.steps(path)) == path


def test_a_name_longer_than_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        opened(tmp_path, "a/b/c/d/" + "x" * 9_000 + "/e")
    assert caught.value.errno in (errno.ENOENT, errno.ENAMETOOLONG)
