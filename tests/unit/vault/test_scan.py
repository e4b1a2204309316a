"""Scanning a real tree."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.system import System
from vragd.config.settings import DEFAULT_INCLUDE
from vragd.vault.ignore import Rules
from vragd.vault.read import StatKey
from vragd.vault.scan import Scan, forgive_inodes, scan

RULES = Rules(DEFAULT_INCLUDE, ())
ASKED_FOR_TMP = Rules(("*.md", "*.tmp"), ())


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    for path in ("a.md", "b/c.md", "b/d/e.txt", "b/d/p.png", ".obsidian/x.md", "z z/ü.MD"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


SYNCTHINGS = "l.sync-conflict-20260101-120000-ABCDEFG.md"
NAMES = (
    "a.md", "b.MD", "c.txt", ".d.md", "~e.md", "~$f.md", ".#g.md", "#h.md", "#i.md#", "j.md~", "k.md.tmp", "4913",
    "x.TMP", SYNCTHINGS, "m (conflicted copy).md", "conflict.md", "n.tmp", "#", "o", "p.", ".md", "q.pdf",
    "tmp.md",
)  # fmt: skip


@pytest.mark.parametrize(
    "rules",
    [RULES, ASKED_FOR_TMP, Rules(("*.md", "o*"), ("tmp*",)), Rules(("*.md",), (), ("a.", "/^b/"))],
    ids=["plain", "temporary ones asked for", "patterns", "obsidian's"],
)
def test_a_scan_and_the_rules_agree_on_every_name(tmp_path: Path, rules: Rules) -> None:
    for name in NAMES:
        (tmp_path / name).touch()
    taken = {name for name in NAMES if rules.excluded(name) is None}
    assert set(scan(tmp_path, rules).notes) == taken
    assert ("x.TMP" in taken) == (rules is ASKED_FOR_TMP)  # the case of a temporary file's ending counts
    assert "conflict.md" in taken and not taken & {
        ".d.md",
        "~$f.md",
        "j.md~",
        SYNCTHINGS,
        "n.tmp",
        ".md",
    }


def test_a_scan_lists_every_note_with_its_key(vault: Path) -> None:
    found = scan(vault, RULES)
    assert set(found.notes) == {"a.md", "b/c.md", "b/d/e.txt", "z z/ü.MD"}
    assert all(key == StatKey.of((vault / path).stat()) for path, key in found.notes.items())
    assert not found.unreadable
    assert not found.skipped
    assert not found.stopped


def test_a_folder_is_scanned_alone_with_paths_from_the_root(vault: Path) -> None:
    assert set(scan(vault, RULES, "b").notes) == {"b/c.md", "b/d/e.txt"}
    assert set(scan(vault, RULES, "b/d").notes) == {"b/d/e.txt"}


def test_the_root_itself_may_be_a_link(vault: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("links") / "vault"
    link.symlink_to(vault)
    assert scan(link, RULES).notes == scan(vault, RULES).notes


@pytest.mark.skipif(sys.platform != "linux", reason="macOS names are UTF-8")
def test_any_name_the_system_allows_is_listed_as_it_is(tmp_path: Path) -> None:
    names = [
        b"bad\xff.md",
        b"two\nlines.md",
        b"dir\xfe\n/n.md",
        "nfc-\u00e9.md".encode(),
        "nfc-e\u0301.md".encode(),
    ]
    for name in names:
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    found = scan(tmp_path, RULES)
    assert sorted(os.fsencode(path) for path in found.notes) == sorted(names)


def test_what_is_no_regular_file_is_skipped_with_the_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.md")
    (tmp_path / "link.md").symlink_to("/etc/hostname")
    (tmp_path / "dangling.md").symlink_to("nowhere")
    (tmp_path / "folder.md").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.md"))
        found = scan(tmp_path, RULES)
    assert not found.notes
    assert found.skipped == {
        "fifo.md": "not_a_regular_file",
        "link.md": "symbolic_link",
        "dangling.md": "symbolic_link",
        "socket.md": "not_a_regular_file",
    }


@pytest.fixture
def linked(vault: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "sub").mkdir()
    (outside / "secret.md").write_text("secret")
    (outside / "sub" / "secret.md").write_text("secret")
    (vault / "b" / "link").symlink_to(outside)
    return vault


def test_linked_folders_are_not_entered(linked: Path) -> None:
    assert set(scan(linked, RULES).notes) == {"a.md", "b/c.md", "b/d/e.txt", "z z/ü.MD"}


@pytest.mark.parametrize("folder", ["b/link", "b/link/sub"])
def test_a_folder_that_became_a_link_is_gone_and_not_followed(linked: Path, folder: str) -> None:
    found = scan(linked, RULES, folder)
    assert not found.notes
    assert found.covers(f"{folder}/known.md")


def test_a_folder_that_is_gone_proves_its_notes_gone(vault: Path) -> None:
    for folder in ("never", "a.md", "never/was"):
        found = scan(vault, RULES, folder)
        assert not found.notes
        assert found.covers(f"{folder}/known.md")


def test_a_missing_root_proves_nothing(tmp_path: Path) -> None:
    for folder in ("", "b"):
        found = scan(tmp_path / "unmounted", RULES, folder)
        assert found.unreadable == {"": "enoent"}
        assert not found.covers("b/known.md")
        assert not found.covers("known.md")


def test_covers_only_what_is_below_the_scanned_folder() -> None:
    assert Scan("").covers("a.md")
    assert Scan("b").covers("b/c.md")
    assert not Scan("b").covers("a.md")
    assert not Scan("b").covers("bc/d.md")
    assert not Scan("b").covers("b")


def test_covers_nothing_below_an_unreadable_folder_but_everything_beside_it() -> None:
    found = Scan("", unreadable={"b/closed": "eacces", "one.md": "eio"})
    assert not found.covers("b/closed/n.md")
    assert not found.covers("b/closed/deep/n.md")
    assert not found.covers("one.md")
    assert found.covers("b/closedness/n.md")
    assert found.covers("b/n.md")
    assert not Scan("", unreadable={"": "eio"}).covers("a.md")


def test_a_stopped_scan_covers_nothing(vault: Path) -> None:
    answers: Iterator[bool] = iter([False, True])
    found = scan(vault, RULES, stop=lambda: next(answers))
    assert found.stopped
    assert not found.covers("gone.md")


@pytest.mark.slow
def test_an_unreadable_folder_is_told_and_the_rest_is_listed(vault: Path) -> None:
    if os.geteuid() == 0 and os.fork() == 0:
        status = 99
        try:  # root reads everything: ask as somebody else
            for path in (vault, *vault.rglob("*")):
                path.chmod(0o755)
            (vault / "b" / "d").chmod(0o700)
            os.chdir(vault)  # the folders above belong to root
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            status = int(not _sees_closed_folder(Path()))
        finally:
            os._exit(status)
    elif os.geteuid() == 0:
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
    else:
        (vault / "b" / "d").chmod(0)
        try:
            assert _sees_closed_folder(vault)
        finally:
            (vault / "b" / "d").chmod(0o755)


def _sees_closed_folder(vault: Path) -> bool:
    found = scan(vault, RULES)
    return (
        set(found.notes) == {"a.md", "b/c.md", "z z/ü.MD"}
        and found.unreadable == {"b/d": "eacces"}
        and not found.covers("b/d/e.txt")
        and found.covers("b/x.md")
    )


class _Failing:
    """A listing that gives what it has and then fails, as a dying disk does."""

    def __init__(self, entries: Any, error: int) -> None:
        self._entries, self._error = entries, error

    def __enter__(self) -> Iterator[os.DirEntry[str]]:
        def give() -> Iterator[os.DirEntry[str]]:
            yield from self._entries
            raise OSError(self._error, os.strerror(self._error))

        return give()

    def __exit__(self, *_: object) -> None:
        self._entries.close()


def _failing_second_listing(error: int) -> System:
    calls = iter(range(100))
    return System(scandir=lambda fd: _Failing(os.scandir(fd), error) if next(calls) == 1 else os.scandir(fd))


def test_a_listing_that_fails_half_way_makes_its_folder_unknown(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "n.md").write_text("x")
    found = scan(tmp_path, RULES, system=_failing_second_listing(errno.EIO))
    assert found.unreadable == {"only": "eio"}
    assert not found.covers("only/known.md")
    assert found.covers("known.md")


class _Unknowable:
    """An entry whose status cannot be had."""

    def __init__(self, entry: os.DirEntry[str]) -> None:
        self.name, self.is_file, self.is_dir = entry.name, entry.is_file, entry.is_dir

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        raise OSError(errno.EIO, "Input/output error")


def test_a_note_whose_status_cannot_be_had_is_unknown(vault: Path) -> None:
    @contextmanager
    def scandir(fd: int) -> Iterator[Iterator[Any]]:
        with os.scandir(fd) as entries:
            yield (_Unknowable(entry) if entry.name == "a.md" else entry for entry in entries)

    found = scan(vault, RULES, system=System(scandir=scandir))
    assert found.unreadable == {"a.md": "eio"}
    assert not found.covers("a.md")
    assert "b/c.md" in found.notes


def test_what_rules_exclude_is_told_unless_it_is_noise(vault: Path) -> None:
    (vault / "b" / "n.md~").write_text("x")
    (vault / "b" / "n (Ann's conflicted copy 2026-01-02).md").write_text("x")
    rules = Rules(DEFAULT_INCLUDE, ["b/d/"], ["z z/", "/^a/"])
    found = scan(vault, rules)
    assert set(found.notes) == {"b/c.md"}
    assert found.skipped == {
        "b/d/": "excluded_by_config",
        "z z/": "excluded_by_obsidian",
        "a.md": "excluded_by_obsidian",
        "b/n (Ann's conflicted copy 2026-01-02).md": "conflict_copy",
    }


def test_the_list_of_skipped_paths_is_bounded(tmp_path: Path) -> None:
    for i in range(20):
        (tmp_path / f"{i}.md").symlink_to("nowhere")
    assert len(scan(tmp_path, RULES, max_skipped=5).skipped) == 5


def test_a_tree_deeper_than_the_longest_path_is_scanned(tmp_path: Path) -> None:
    # a path longer than the 4096 bytes the system takes in one call
    name = "d" * 30
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(200):
        os.mkdir(name, dir_fd=fd)
        deeper = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(os.open("n.md", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    assert list(scan(tmp_path, RULES).notes) == [f"{name}/" * 200 + "n.md"]


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_a_scan_leaves_no_descriptor_open(linked: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for folder in ("", "b/link", "never", "a.md"):
        scan(linked, RULES, folder)
    assert len(os.listdir("/proc/self/fd")) == before


def test_links_are_listed_whatever_they_lead_to_and_not_followed_to_tell(
    vault: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "deep").mkdir(parents=True)
    (outside / "n.md").write_text("x")
    for name, target in {
        "Folder": outside,
        "v1.2 notes": outside,
        "gone": outside / "never",
        "n.md": outside / "n.md",
        ".hidden": outside,
    }.items():
        (vault / name).symlink_to(target)
    found = scan(vault, RULES)
    assert found.skipped == dict.fromkeys(["Folder", "v1.2 notes", "gone", "n.md"], "symbolic_link")


def test_files_of_several_names_are_told_by_what_they_are(vault: Path) -> None:
    os.link(vault / "a.md", vault / "b" / "again.md")
    os.link(vault / "b/c.md", vault / "b" / "p2.png")
    found = scan(vault, RULES)
    assert sorted(map(sorted, found.linked.values())) == [["a.md", "b/again.md"], ["b/c.md"]]
    excluding = scan(vault, Rules(DEFAULT_INCLUDE, ("nothing",)))
    assert excluding.linked == found.linked


def test_vaults_inside_are_told_by_their_config_folders(vault: Path) -> None:
    (vault / "b/.obsidian").mkdir()
    (vault / "z z/.other").mkdir()
    (vault / "z z/.other/app.json").write_text("{}")
    (vault / "b/d/.git").mkdir()
    assert scan(vault, RULES).vaults == {"b", "z z"}


def test_what_is_withheld_is_neither_there_nor_gone(vault: Path) -> None:
    found = scan(vault, Rules(DEFAULT_INCLUDE, (), [r"/^b\/d\/(/"]))
    assert "b/d/e.txt" in found.withheld and "b/d/e.txt" not in found.notes
    assert found.skipped["b/d/e.txt"] == "withheld"
    assert not found.covers("b/d/e.txt")
    assert "a.md" in found.notes


def key(inode: int, size: int = 1, at: int = 5) -> StatKey:
    return StatKey(inode, size, at, at)


def test_inodes_that_are_invented_anew_each_time_are_forgiven() -> None:
    found = Scan("", {f"n{i}.md": key(100 + i) for i in range(9)} | {"changed.md": key(1, size=2)})
    known = {f"n{i}.md": (*key(i), 0) for i in range(9)} | {"changed.md": (*key(7, size=1), 0)}
    forgive_inodes(found, known)
    assert all(found.notes[f"n{i}.md"] == key(i) for i in range(9))
    assert found.notes["changed.md"] == key(1, size=2)


def test_one_file_in_the_place_of_another_is_not_forgiven() -> None:
    found = Scan("", {f"n{i}.md": key(i) for i in range(9)} | {"other.md": key(99)})
    known = {f"n{i}.md": (*key(i), 0) for i in range(9)} | {"other.md": (*key(10), 0)}
    forgive_inodes(found, known)
    assert found.notes["other.md"] == key(99)


@pytest.mark.parametrize("seconds", [-(2**33), 2**33 + 5, 9_223_372_037, 15_032_385_535, -1])
def test_times_beyond_what_can_be_kept_are_the_nearest_that_can(seconds: int) -> None:
    class Info:
        st_ino, st_size = 1 << 63 | 7, 1
        st_mtime_ns = st_ctime_ns = seconds * 10**9

    made = StatKey.of(Info())  # type: ignore[arg-type]
    assert all(-(2**63) <= value < 2**63 for value in made)
    assert made.inode == 7
    assert made == StatKey.of(Info())  # type: ignore[arg-type]
