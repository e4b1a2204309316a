"""What the watcher hints at, for the ways programs really save. Real inotify, no sleeps."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vragd.config.settings import DEFAULT_INCLUDE
from vragd.vault.ignore import Rules
from vragd.vault.read import Content, read_note
from vragd.vault.scan import scan
from vragd.vault.watch import Watcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the events are those of inotify")

DEADLINE_S = 20.0
Hint = tuple[str, bool]


class Hints:
    """A started watcher and what it said since the last `clear`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: list[Hint] = []
        self._changed = threading.Condition()
        self.watcher = Watcher(root, self._take, self._trouble)
        self.troubles: list[str] = []
        self._marks = 0

    def _take(self, path: str, is_folder: bool) -> None:
        with self._changed:
            self.seen.append((path, is_folder))
            self._changed.notify_all()

    def _trouble(self, kind: str, error: OSError | None) -> None:
        self.troubles.append(kind)

    def until(self, *wanted: Hint) -> None:
        with self._changed:
            arrived = self._changed.wait_for(lambda: set(wanted) <= set(self.seen), DEADLINE_S)
            assert arrived, f"wanted {wanted}, had {self.seen}"

    def settled(self) -> list[Hint]:
        """All hints so far: a mark is made and waited for, and what comes before it in the queue has come."""
        self._marks += 1
        mark = f"mark-{self._marks}"
        (self.root / mark).touch()
        self.until((mark, False))
        with self._changed:
            return [hint for hint in self.seen if not hint[0].startswith("mark-")]

    def clear(self) -> None:
        self.settled()
        with self._changed:
            self.seen.clear()


@pytest.fixture
def watch() -> Iterator[Callable[[Path], Hints]]:
    made: list[Hints] = []

    def start(root: Path) -> Hints:
        made.append(Hints(root))
        made[-1].watcher.start()
        return made[-1]

    yield start
    for hints in made:
        assert not hints.troubles
        hints.watcher.stop()
        hints.watcher.join(DEADLINE_S)
        assert not hints.watcher.healthy(), "the observer does not stop"


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    root = tmp_path / "vault"
    (root / "dir" / "sub").mkdir(parents=True)
    for name in ("n.md", "dir/a.md", "dir/sub/b.md"):
        (root / name).write_text("old")
    return root


@pytest.fixture
def hints(vault: Path, watch: Callable[[Path], Hints]) -> Hints:
    return watch(vault)


def test_a_new_file_is_hinted(vault: Path, hints: Hints) -> None:
    (vault / "dir" / "new.md").write_text("x")
    hints.until(("dir/new.md", False))


def test_an_edit_in_place_is_hinted(vault: Path, hints: Hints) -> None:
    (vault / "n.md").write_text("new")
    hints.until(("n.md", False))


def test_an_append_is_hinted(vault: Path, hints: Hints) -> None:
    with (vault / "dir" / "sub" / "b.md").open("a") as file:
        file.write("more")
    hints.until(("dir/sub/b.md", False))


def test_a_truncation_is_hinted(vault: Path, hints: Hints) -> None:
    os.truncate(vault / "n.md", 1)
    hints.until(("n.md", False))


@pytest.mark.parametrize("place", ["beside", "outside"])
def test_an_atomic_save_by_rename_is_hinted_under_the_notes_name(
    vault: Path, hints: Hints, tmp_path: Path, place: str
) -> None:
    temporary = (vault if place == "beside" else tmp_path) / "temporary"
    temporary.write_text("new")
    hints.clear()
    temporary.rename(vault / "n.md")
    hints.until(("n.md", False))


def test_a_save_as_vim_does_it_is_hinted_under_the_notes_name(vault: Path, hints: Hints) -> None:
    (vault / "4913").touch()
    (vault / "4913").unlink()
    (vault / "n.md").rename(vault / "n.md~")
    (vault / "n.md").write_text("new")
    (vault / "n.md~").unlink()
    hints.until(("n.md", False), ("n.md~", False))


@pytest.mark.slow
def test_sed_in_place_is_hinted(vault: Path, hints: Hints) -> None:
    subprocess.run(["sed", "-i", "s/old/new/", str(vault / "n.md")], check=True)
    hints.until(("n.md", False))


def test_changed_times_and_rights_are_hinted(vault: Path, hints: Hints) -> None:
    os.utime(vault / "n.md", (0, 0))
    (vault / "dir" / "a.md").chmod(0o600)
    hints.until(("n.md", False), ("dir/a.md", False))


def test_changed_rights_of_a_folder_hint_at_the_folder(vault: Path, hints: Hints) -> None:
    (vault / "dir").chmod(0o700)
    hints.until(("dir", True))


def test_changed_rights_of_the_root_hint_at_everything(vault: Path, hints: Hints) -> None:
    vault.chmod(0o700)
    hints.until(("", True))


def test_a_deletion_is_hinted(vault: Path, hints: Hints) -> None:
    (vault / "n.md").unlink()
    hints.until(("n.md", False))


def test_a_rename_hints_at_both_names(vault: Path, hints: Hints) -> None:
    (vault / "n.md").rename(vault / "dir" / "m.md")
    hints.until(("n.md", False), ("dir/m.md", False))


def test_two_notes_that_swap_are_both_hinted(vault: Path, hints: Hints) -> None:
    (vault / "n.md").rename(vault / "x")
    (vault / "dir" / "a.md").rename(vault / "n.md")
    (vault / "x").rename(vault / "dir" / "a.md")
    hints.until(("n.md", False), ("dir/a.md", False))


def test_new_folders_filled_at_once_are_hinted_and_nothing_in_them_is_missed(vault: Path, hints: Hints) -> None:
    wanted = set()
    for i in range(100):
        folder = vault / f"t{i}" / "b" / "c"
        folder.mkdir(parents=True)
        for name in ("1.md", "2.md"):
            (folder / name).write_text("x")
            wanted.add(f"t{i}/b/c/{name}")
        hints.until((f"t{i}", True))
    rules = Rules(DEFAULT_INCLUDE, ())
    found: set[str] = set()
    for path, is_folder in hints.settled():
        found |= set(scan(vault, rules, path).notes) if is_folder else {path}
    assert wanted <= found


def test_a_file_made_later_in_a_new_folder_is_hinted(vault: Path, hints: Hints) -> None:
    (vault / "new" / "deep").mkdir(parents=True)
    hints.until(("new", True))
    hints.settled()
    (vault / "new" / "deep" / "n.md").write_text("x")
    hints.until(("new/deep/n.md", False))


def test_a_folder_moved_in_is_hinted_and_then_watched(vault: Path, hints: Hints, tmp_path: Path) -> None:
    (tmp_path / "outside" / "deep").mkdir(parents=True)
    (tmp_path / "outside" / "n.md").write_text("x")
    (tmp_path / "outside").rename(vault / "in")
    hints.until(("in", True))
    hints.settled()
    (vault / "in" / "deep" / "later.md").write_text("x")
    hints.until(("in/deep/later.md", False))


def test_a_folder_moved_out_is_hinted(vault: Path, hints: Hints, tmp_path: Path) -> None:
    (vault / "dir").rename(tmp_path / "out")
    hints.until(("dir", True))


def test_a_folder_moved_within_hints_at_both_places_and_stays_watched(vault: Path, hints: Hints) -> None:
    (vault / "dir").rename(vault / "moved")
    hints.until(("dir", True), ("moved", True))
    hints.settled()
    (vault / "moved" / "sub" / "later.md").write_text("x")
    hints.until(("moved/sub/later.md", False))


def test_a_removed_folder_is_hinted(vault: Path, hints: Hints) -> None:
    shutil.rmtree(vault / "dir")
    hints.until(("dir", True))


def test_a_move_between_two_watched_vaults_hints_in_both(
    vault: Path, hints: Hints, watch: Callable[[Path], Hints], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = watch(tmp_path / "other")
    (vault / "dir").rename(tmp_path / "other" / "dir")
    hints.until(("dir", True))
    other.until(("dir", True))


def test_a_folder_replaced_by_a_link_is_hinted(vault: Path, hints: Hints, tmp_path: Path) -> None:
    (vault / "dir").rename(tmp_path / "out")
    (vault / "dir").symlink_to(tmp_path / "out")
    hints.until(("dir", True), ("dir", False))


def test_a_link_to_a_folder_is_not_watched_through(vault: Path, tmp_path: Path, watch: Callable[[Path], Hints]) -> None:
    (tmp_path / "outside").mkdir()
    (vault / "link").symlink_to(tmp_path / "outside")
    (vault / "loop").symlink_to(".")
    hints = watch(vault)
    (tmp_path / "outside" / "n.md").write_text("x")
    (vault / "n.md").write_text("x")
    assert {path for path, _ in hints.settled()} == {"n.md"}


def test_a_vault_reached_by_a_link_hints_relative_to_it(
    vault: Path, tmp_path: Path, watch: Callable[[Path], Hints]
) -> None:
    (tmp_path / "link").symlink_to(vault)
    hints = watch(tmp_path / "link")
    (vault / "dir" / "a.md").write_text("new")
    hints.until(("dir/a.md", False))


@pytest.mark.parametrize("raw", [b"bad\xff.md", b"two\nlines.md", "e\u0301.md".encode(), b"-rf *.md"])
def test_any_name_the_system_allows_is_hinted_as_a_scan_lists_it(vault: Path, hints: Hints, raw: bytes) -> None:
    name = os.fsdecode(raw)
    (vault / name).write_text("x")
    hints.until((name, False))
    assert name in scan(vault, Rules(DEFAULT_INCLUDE, ())).notes


def test_our_own_scanning_and_reading_gives_no_hints(vault: Path, hints: Hints) -> None:
    hints.clear()
    notes = scan(vault, Rules(DEFAULT_INCLUDE, ())).notes
    root_fd = os.open(vault, os.O_RDONLY)
    for path in notes:
        assert isinstance(read_note(root_fd, path, 1 << 20, 0.05), Content)
    os.close(root_fd)
    assert hints.settled() == []


def test_every_folder_is_watched_when_start_returns(tmp_path: Path, watch: Callable[[Path], Hints]) -> None:
    for i in range(300):
        (tmp_path / f"d{i}").mkdir()
    hints = watch(tmp_path)
    for i in range(300):
        (tmp_path / f"d{i}" / "n.md").touch()
    hints.until(*((f"d{i}/n.md", False) for i in range(300)))


def test_folders_made_while_no_file_can_be_opened_are_said_to_be_unwatched_and_are_tried_again(
    vault: Path, hints: Hints
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        (vault / "new").mkdir()
        hints.until(("new", True))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert hints.watcher.unwatched == {"": "emfile"}
    assert (hints.watcher.retry(), hints.watcher.unwatched) == ([""], {})
    (vault / "new" / "a.md").write_text("x")
    hints.until(("new/a.md", False))
    assert set(hints.troubles) == {"watch_failed"}
    hints.troubles.clear()


def test_after_stop_nothing_is_hinted_and_stopping_twice_or_unstarted_is_harmless(tmp_path: Path) -> None:
    hints = Hints(tmp_path)
    hints.watcher.stop()
    hints = Hints(tmp_path)
    hints.watcher.start()
    hints.settled()
    hints.watcher.stop()
    hints.watcher.stop()
    hints.watcher.join(DEADLINE_S)
    assert not hints.watcher.healthy()
    before = list(hints.seen)
    (tmp_path / "n.md").write_text("x")
    assert hints.seen == before
