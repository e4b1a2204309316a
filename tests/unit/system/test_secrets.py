"""What a secret is read from, and what is told of a file that is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vragd.system.secrets import Unfit, can_be_sent, secret_in


def private(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_white_space_and_a_mark_of_order_are_no_part_of_a_secret(tmp_path: Path) -> None:
    assert secret_in(str(private(tmp_path / "a", b"\xef\xbb\xbf planted \r\n"))) == "planted"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_what_others_can_read_or_write_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    file = private(tmp_path / "a", b"planted")
    file.chmod(mode)
    with pytest.raises(Unfit, match=f"read by others .mode 0{mode:o}") as caught:
        secret_in(str(file))
    assert caught.value.hint == f"chmod 600 {file}"


def test_what_is_no_ordinary_file_is_refused_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(Unfit, match="no ordinary file"):
            secret_in(str(path))


def test_nothing_of_what_is_in_a_file_is_told(tmp_path: Path) -> None:
    file = private(tmp_path / "a", b"planted\xff")
    with pytest.raises(Unfit, match="is no UTF-8") as caught:
        secret_in(str(file))
    assert "planted" not in str(caught.value)
    assert caught.value.__cause__ is None
    for path in (str(tmp_path / "none"), "a\0b"):
        with pytest.raises(Unfit, match="cannot be read"):
            secret_in(path)


def test_what_a_header_can_carry() -> None:
    assert can_be_sent("sk-aZ09_.~+/=")
    assert not any(can_be_sent(word) for word in ("a b", "a\nb", "\ufeffa", "schlüssel", "a\t"))
