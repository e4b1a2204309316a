"""The table of mounts is read again when it changed, and not before."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vragd.vault.mounts import MOUNTINFO, Table, mounts, parsed

LINE = b"36 35 98:0 /x /mnt/a\\040b rw,noatime shared:1 - ext4 /dev/root rw\n"


def test_a_table_is_read_by_its_columns() -> None:
    assert parsed(LINE + b"nonsense\n") == [(b"/mnt/a b", "ext4", b"36 98:0 /x")]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the table")
def test_a_table_that_does_not_change_stays_the_same_object_and_is_that_of_the_system() -> None:
    table = Table()
    first = table.rows()
    assert first == parsed(MOUNTINFO.read_bytes())
    assert table.rows() is first
    assert mounts() is mounts()


def test_a_file_of_another_name_is_read_each_time_and_none_has_no_mounts(tmp_path: Path) -> None:
    file = tmp_path / "mountinfo"
    assert mounts(file) == ()
    assert Table(file).rows() == ()
    file.write_bytes(LINE)
    assert len(mounts(file)) == 1
    file.write_bytes(2 * LINE)
    assert len(mounts(file)) == 2
