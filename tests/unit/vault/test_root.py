"""The identity of a source's directory, and what it is on."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from vragd.system.places import as_on_disk
from vragd.vault.root import Root, Spot, file_system, sees_events, stamp_resolution_s
from vragd.vault.source import Source


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "vault"
    (folder / ".obsidian").mkdir(parents=True)
    return folder


@pytest.fixture
def root(path: Path) -> Iterator[Root]:
    opened = Root(path)
    yield opened
    opened.close()


def test_an_untouched_root_is_ok(root: Root, path: Path) -> None:
    (path / "n.md").write_text("x")
    assert root.health() == "ok"
    assert root.identity.obsidian


def test_a_removed_root_is_missing(root: Root, path: Path) -> None:
    shutil.rmtree(path)
    assert root.health() == "missing"


def test_a_renamed_root_is_missing_and_replaced_when_another_takes_its_place(root: Root, path: Path) -> None:
    path.rename(path.with_name("moved"))
    assert root.health() == "missing"
    (path / ".obsidian").mkdir(parents=True)
    assert root.health() == "replaced"
    shutil.rmtree(path)
    path.with_name("moved").rename(path)
    assert root.health() == "ok"


def test_a_recreated_root_is_never_taken_for_the_old_one(root: Root, path: Path) -> None:
    for _ in range(20):  # the held descriptor keeps the inode from being used again
        shutil.rmtree(path)
        (path / ".obsidian").mkdir(parents=True)
        assert root.health() == "replaced"


def test_a_file_in_the_roots_place_is_replaced(root: Root, path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("x")
    assert root.health() == "replaced"


def test_a_vault_that_lost_its_obsidian_folder_is_replaced(root: Root, path: Path) -> None:
    (path / ".obsidian").rmdir()
    assert root.health() == "replaced"


def test_a_plain_folder_needs_no_obsidian_folder(tmp_path: Path) -> None:
    root = Root(tmp_path)
    assert not root.identity.obsidian
    (tmp_path / ".obsidian").mkdir()
    assert root.health() == "ok"
    root.close()


def test_a_link_to_another_vault_is_replaced(root: Root, path: Path) -> None:
    other = path.with_name("other")
    (other / ".obsidian").mkdir(parents=True)
    path.rename(path.with_name("moved"))
    path.symlink_to(other)
    assert root.health() == "replaced"


@pytest.mark.slow
def test_a_root_behind_a_closed_folder_is_a_matter_of_permission() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else in a child")
    with tempfile.TemporaryDirectory(dir="/tmp") as base:
        above = Path(base)
        above.chmod(0o755)
        (above / "closed" / "vault").mkdir(parents=True)
        root = Root(above / "closed" / "vault")
        (above / "closed").chmod(0o700)
        if (pid := os.fork()) == 0:
            os.setuid(65534)
            os._exit(0 if root.health() == "permission" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        root.close()


@pytest.mark.parametrize("kind", ["absent", "file"])
def test_opening_what_is_no_directory_fails_as_open_does(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / "x").write_text("x")
    with pytest.raises(FileNotFoundError if kind == "absent" else NotADirectoryError):
        Root(tmp_path / "x")


def test_settings_are_read_up_to_the_limit(root: Root, path: Path) -> None:
    (path / ".obsidian" / "app.json").write_bytes(b"{}" * 100)
    assert root.read(".obsidian/app.json") == b"{}" * 100
    assert root.read(".obsidian/app.json", limit=3) == b"{}{"
    assert root.read(".obsidian/none.json") is None


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_settings_that_are_no_file_neither_block_nor_leak(root: Root, path: Path) -> None:
    (path / ".obsidian" / "app.json").mkdir()
    os.mkfifo(path / ".obsidian" / "fifo.json")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(IsADirectoryError):
            root.read(".obsidian/app.json")
        assert not root.read(".obsidian/fifo.json")
    assert len(os.listdir("/proc/self/fd")) == before


MOUNTS = b"""\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /run rw,nosuid - tmpfs tmpfs rw
40 22 0:40 / /mnt/nas rw - nfs4 server:/export rw
41 22 0:41 / /mnt/nas/local\\040disk rw shared:1 - xfs /dev/vdb rw
42 22 0:42 / /mnt/\xe6\x97\xa5\xe6\x9c\xac rw - cifs //server/share rw
43 22 0:43 / /over rw - ext4 /dev/vdc rw
44 43 0:44 / /over rw - fuse.rclone remote rw
45 22 0:45 / /mnt/bad\xff\xe2\x80\xa8name rw - fuse.sshfs host: rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/vault", "ext4"),
        ("/run/x", "tmpfs"),
        ("/running", "ext4"),
        ("/mnt/nas/vault", "nfs4"),
        ("/mnt/nas", "nfs4"),
        ("/mnt/nas/local disk/vault", "xfs"),
        ("/mnt/日本/vault", "cifs"),
        ("/over/vault", "fuse.rclone"),
        (os.fsdecode(b"/mnt/bad\xff\xe2\x80\xa8name/vault"), "fuse.sshfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(tmp_path: Path, path: str, kind: str) -> None:
    (tmp_path / "mountinfo").write_bytes(MOUNTS)
    assert file_system(Path(path), tmp_path / "mountinfo") == kind


def test_without_a_mount_table_the_system_does_not_tell(tmp_path: Path) -> None:
    assert file_system(tmp_path, tmp_path / "none") is None


def test_events_are_trusted_on_local_file_systems_only(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    for kind, trusted in (("ext4", True), ("overlay", True), ("nfs4", False), ("9p", False), (None, True)):
        mounts.write_text(f"1 0 0:1 / / rw - {kind} none rw\n" if kind else "")
        assert sees_events(tmp_path, mounts) is trusted, kind
        assert stamp_resolution_s(tmp_path, mounts) == (0.05 if trusted else 2.0)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has a mount table")
def test_this_machines_own_mount_table_is_understood(tmp_path: Path) -> None:
    assert file_system(Path("/proc/self")) == "proc"
    assert file_system(tmp_path) not in (None, "proc")


@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_a_path_is_found_however_it_is_composed(tmp_path: Path, typed: Literal["NFC", "NFD"]) -> None:
    other: Literal["NFC", "NFD"] = "NFD" if typed == "NFC" else "NFC"
    here = tmp_path / unicodedata.normalize(other, "Trésor") / unicodedata.normalize(other, "Été.md")
    here.parent.mkdir()
    here.touch()
    asked = str(tmp_path / unicodedata.normalize(typed, "Trésor/Été.md"))
    assert as_on_disk(asked) == str(here)
    assert Spot.of(asked).below(str(tmp_path)) == str(here.relative_to(tmp_path))
    assert as_on_disk(f"{asked}/never") == f"{here}/never"


def test_a_name_that_is_there_or_could_be_two_is_left_as_it_was_typed(tmp_path: Path) -> None:
    composed, decomposed = (tmp_path / unicodedata.normalize(form, "Été") for form in ("NFC", "NFD"))
    for folder in (composed, decomposed):
        folder.mkdir()
    assert as_on_disk(str(composed)) == str(composed)
    assert as_on_disk(str(decomposed)) == str(decomposed)
    assert as_on_disk(str(tmp_path / "E\u0301te\u0301/É")) == str(tmp_path / "E\u0301te\u0301/É")


def test_what_is_mounted_inside_is_known_with_its_kind(tmp_path: Path) -> None:
    assert Root(tmp_path).mounts() == {}
    assert Root(Path("/")).mounts()["proc"].kind == "proc"
    assert Root(Path("/")).is_mount("proc") and Root(Path("/proc")).is_mount("../proc")
    assert not Root(tmp_path).is_mount("proc")
    assert Root(Path("/")).mounted("proc") is not None
    assert Root(tmp_path.parent).mounted(tmp_path.name) is None


def test_whether_case_counts_is_told_by_what_is_there(tmp_path: Path) -> None:
    assert not Root(tmp_path).ignores_case()
    (tmp_path / "a.md").touch()
    assert not Root(tmp_path).ignores_case()
    (tmp_path / "A.MD").touch()
    assert not Root(tmp_path).ignores_case(), "two files"


def test_a_closed_root_is_closed_once(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.close()
    other = os.open(tmp_path, os.O_RDONLY)  # the same number again
    del root
    os.fstat(other)
    os.close(other)


@pytest.mark.parametrize(
    ("named", "inside"),
    [
        ("folder", ""), ("folder/", ""), ("folder/sub/..", ""), ("folder/sub/.", "sub"), ("folder/sub/../n.md", "n.md"),
        ("folder/sub/x.md", "sub/x.md"), ("folder/link.md", "link.md"), ("link/n.md", "n.md"), ("link", ""),
        ("folder/..", None), ("folder/sub/../..", None), ("folder2", None), ("/", None),
    ],
)  # fmt: skip
def test_a_named_path_is_found_below_the_root_whatever_dots_and_links_are_in_it(
    tmp_path: Path, named: str, inside: str | None
) -> None:
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder2").mkdir()
    (tmp_path / "folder" / "link.md").symlink_to(tmp_path / "elsewhere.md")
    (tmp_path / "link").symlink_to("folder")
    spot = Spot.of(f"{tmp_path}/{named}" if named != "/" else "/")
    source = Source(tmp_path / "link", 1, "u", label="link", include=["*.md"], max_file_bytes=1000)
    root = source.find(False)
    assert root is not None
    source.take(root)
    assert source.inside(spot) == inside
