"""What memory a process has, and whether it may have enough to begin."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from vragd.errors import TooLittleMemory
from vragd.system.memory import TO_RUN_MIB, ensure_room, resident_bytes

SHELL = 'ulimit -v "$1"; shift; exec "$0" -m vragd "$@"'


def test_a_process_has_some_memory_where_the_system_does_not_tell_too(tmp_path: Path) -> None:
    assert resident_bytes() > 1 << 20
    assert resident_bytes(tmp_path / "none") > 1 << 20


def test_whoever_may_have_too_little_is_told_how_much_and_why() -> None:
    ensure_room(TO_RUN_MIB, TO_RUN_MIB << 20)
    ensure_room(TO_RUN_MIB, resource.RLIM_INFINITY)
    ensure_room(1)
    with pytest.raises(TooLittleMemory, match=f"may have 390 MiB of address space, and vragd takes {TO_RUN_MIB}"):
        ensure_room(TO_RUN_MIB, 400_000 << 10)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is not kept elsewhere")
@pytest.mark.parametrize(
    ("kib", "words", "status"),
    [(400_000, ("run",), 78), (60_000, ("run",), 78), (100_000, ("query", "x"), 4), (300_000, ("store", "list"), 4)],
)
def test_under_a_limit_of_the_shell_a_command_says_so_and_does_not_crash(
    tmp_path: Path, kib: int, words: tuple[str, ...], status: int
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"stores: {{notes: {{sources: [{{path: {tmp_path}}}]}}}}\n")
    (tmp_path / "data").mkdir()  # without one there is nothing to load
    env = {
        "HOME": str(tmp_path),
        "VRAGD_CONFIG": str(config),
        "VRAGD_DATA_DIR": str(tmp_path / "data"),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "PATH": "/usr/bin:/bin",
    }
    command = ["sh", "-c", SHELL, sys.executable, str(kib), *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("Error: this process may have")
    assert "Traceback" not in done.stderr
    assert "ulimit -v unlimited" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is not kept elsewhere")
def test_where_nothing_is_indexed_a_question_loads_nothing_to_say_so(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = ["sh", "-c", SHELL, sys.executable, "100000", "query", "x"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("Error: no vragd is running")
