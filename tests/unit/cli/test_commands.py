"""How commands are spelt in what people are told: as they can type them here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vragd.cli.commands import MODULES, spelt

CODE = "import sys; from vragd.cli.commands import spelt; sys.argv[0] = sys.argv[1]; print(spelt(sys.argv[2]))"


def said(typed: str, text: str, path: str) -> str:
    """What a program that was started as `typed` says for `text`, with this PATH."""
    command = [sys.executable, "-c", CODE, typed, text]
    env = {"PATH": path, "PYTHONPATH": ":".join(filter(None, sys.path))}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "my tools" / "vragd"
    file.parent.mkdir()
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_a_command_is_spelt_as_the_program_was_started(program: Path, tmp_path: Path) -> None:
    text = "vragd run, or vragd service install; no vragd runs, and vragd never writes in a vault"
    there = f"'{program}' run, or '{program}' service install; no vragd runs, and vragd never writes in a vault"
    assert said(str(program), text, "/nowhere") == there
    assert said(str(program), text, str(program.parent)) == text, "the shell finds it"
    other = tmp_path / "vragd"
    other.write_bytes(program.read_bytes())
    other.chmod(0o755)
    assert said(str(program), text, str(other.parent)) == there, "the shell finds another"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/vragd").symlink_to(program)
    assert said(str(program), text, f"/nowhere:{tmp_path}/bin") == text, "by a link"
    module = f"{sys.executable} -m vragd"
    assert said("/x/vragd/__main__.py", "vragd run", "/nowhere") == f"{module} run"
    assert said("/usr/bin/pytest", text, "/nowhere") == text, "some other program's own"


def test_every_command_is_spelt_so_and_nothing_else(program: Path) -> None:
    text = " ".join(f"vragd {name}" for name in MODULES)
    assert said(str(program), text, "/nowhere") == text.replace("vragd ", f"'{program}' ")
    other = "vragd.sock /x/vragd run my-vragd run vragd-run vragd running"
    assert said(str(program), other, "/nowhere") == other
    assert spelt("vragd query") == "vragd query"
