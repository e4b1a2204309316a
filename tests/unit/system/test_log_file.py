"""The log file: bounded, private, and never a reason for the daemon to fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.harness import unmeasured
from vragd.config.load import load

pytestmark = pytest.mark.slow


def run(code: str, file: Path, *, before: str = "", **popen: Any) -> subprocess.CompletedProcess[str]:
    """`code` in a process of its own that logs to `file`, 20,000 bytes and two older ones."""
    head = f"""
import os, resource, structlog
from vragd.system import log
{textwrap.dedent(before)}
log.set_up(file=__import__("pathlib").Path({str(file)!r}), max_bytes=20_000, keep=2)
logger = structlog.get_logger()
"""
    return subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(code)],
        text=True, check=False, timeout=60, **{"capture_output": True, **popen},
    )  # fmt: skip


MANY = "for i in range(2000): logger.info('a.b_c', i=i, text='ä' * 20)"


def numbers(file: Path) -> list[int]:
    return [json.loads(line)["i"] for line in file.read_text("utf-8").splitlines()]


def test_old_files_are_few_and_small_and_hold_the_latest_lines_in_order(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "vragd.log"
    done = run(MANY, file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in file.parent.iterdir()) == [
        "vragd.log",
        "vragd.log.1",
        "vragd.log.2",
    ]
    assert all(path.stat().st_size <= 20_000 for path in file.parent.iterdir())
    kept = [i for name in ("vragd.log.2", "vragd.log.1", "vragd.log") for i in numbers(file.with_name(name))]
    assert kept == list(range(kept[0], 2000))


def test_the_files_are_private_under_any_umask(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "vragd.log"
    run(MANY, file, before="os.umask(0)")
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}


def test_a_file_that_was_open_to_others_is_closed_to_them_and_its_folder_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    file = tmp_path / "vragd.log"
    file.write_text("")
    file.chmod(0o644)
    run("logger.info('a.b_c', i=1)", file)
    assert numbers(file) == [1]
    assert file.stat().st_mode & 0o777 == 0o600
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_set_up_again_opens_the_file_anew(tmp_path: Path) -> None:
    file = tmp_path / "vragd.log"
    run(
        f"""
        logger.info('a.b_c', i=1)
        os.rename({str(file)!r}, {str(tmp_path / "moved")!r})
        log.set_up(file=log.Path({str(file)!r}))
        logger.info('a.b_c', i=2)
        """,
        file,
    )
    assert numbers(tmp_path / "moved") == [1]
    assert numbers(file) == [2]


def unusable(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["event"] for line in done.stderr.splitlines()]


def test_a_file_that_cannot_be_used_leaves_standard_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("folder", "pipe", "link", "pipe/below"):
        assert unusable(run("logger.info('a.b_c')", tmp_path / name)) == ["log.file_unusable", "a.b_c"]
    assert not (tmp_path / "target").exists()


def test_a_disk_that_is_full_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    # beyond this size every write fails, as on a full disk
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))"
    done = run(MANY + "\nprint('alive')", tmp_path / "vragd.log", before=limit, env=unmeasured())
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")
    assert (tmp_path / "vragd.log").stat().st_size <= 5_000


def test_a_folder_that_is_gone_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "vragd.log"
    done = run(f"__import__('shutil').rmtree({str(file.parent)!r})\n{MANY}\nprint('alive')", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")


def test_a_standard_error_that_is_full_or_closed_does_not_even_spoil_the_exit_status() -> None:
    code = "import structlog\nfrom vragd.system import log\nlog.set_up()\n"
    code += "structlog.get_logger().info('a.b_c')\nprint('alive')"
    for redirect in ("2>/dev/full", "2>&-"):
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" -c "$1" {redirect}', sys.executable, code],
            stdout=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "alive\n"), redirect


def test_a_standard_error_that_nobody_reads_holds_up_nobody_and_goes_on_when_it_is_read() -> None:
    code = f"""
import structlog
from vragd.system import log
log.set_up()
logger = structlog.get_logger()
{MANY}
print('alive', flush=True)
input()
logger.info('a.b_c', i='last', text='x' * 9_000)
"""
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=writing, text=True
    ) as process:
        os.close(writing)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "alive\n"
            os.set_blocking(reading, False)
            read = os.read(reading, 1 << 20)
            os.set_blocking(reading, True)
            process.communicate("\n", timeout=60)
            with open(reading, "rb") as rest:
                read += rest.read()
        finally:
            process.kill()
    lines = [json.loads(line)["i"] for line in read.splitlines()]
    assert lines == [*range(len(lines) - 1), "last"]
    assert len(lines) < 2000


def test_a_terminal_that_nobody_reads_holds_up_nobody() -> None:
    ours, theirs = os.openpty()
    code = f"""
import structlog
from vragd.system import log
log.set_up()
logger = structlog.get_logger()
{MANY}
print('alive')
"""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, text=True, check=False, timeout=60
        )
        os.set_blocking(ours, False)
        written = os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, done.stdout) == (0, "alive\n")
    assert written


def test_the_flag_comes_before_the_environment_and_this_before_the_file(tmp_path: Path, monkeypatch: Any) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("log: {file: /var/log/one, keep: 5}\n")
    assert load(config).config.log.file == Path("/var/log/one")
    monkeypatch.setenv("VRAGD_LOG_FILE", "/var/log/two")
    assert load(config).config.log.file == Path("/var/log/two")
    assert load(config, log_file="/var/log/three").config.log.file == Path("/var/log/three")
    assert load(config).config.log.keep == 5
