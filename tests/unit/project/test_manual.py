"""The manual page and docs/commands.md are what the tree of commands says; its help fits a terminal."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from vragd.cli import tree
from vragd.cli.main import parser
from vragd.cli.manual import FILES, main, term_of

ROOT = Path(__file__).parents[3]
COMMANDS = {one.prog: one for one in tree.every(parser())}


def test_what_is_written_is_what_would_be_written_now(tmp_path: Path) -> None:
    assert main(tmp_path) == 0
    for name in FILES:
        assert (tmp_path / name).read_text() == (ROOT / name).read_text(), "run python -m vragd.cli.manual ."


def test_both_have_every_command_and_every_flag() -> None:
    manual, reference = ((ROOT / name).read_text().replace("\\-", "-") for name in FILES)
    for prog, one in COMMANDS.items():
        assert prog in manual
        assert prog in reference
        for flag in tree.flags(one):
            if flag not in ("-h", "--help", "--version"):
                assert flag in manual, (prog, flag)
                assert flag in reference, (prog, flag)


@pytest.mark.parametrize("prog", COMMANDS)
def test_help_fits_a_terminal_and_says_something_of_every_argument(prog: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    one = COMMANDS[prog]
    assert [line for line in one.format_help().split("\n") if len(line) > 80] == []
    silent = [term_of(action) for _, actions in tree.groups(one) for action in actions if not action.help]
    assert [said for said in silent if said not in ("COMMAND", "ACTION")] == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("man") is None or shutil.which("groff") is None, reason="there is no man here")
def test_man_shows_it_without_a_complaint() -> None:
    done = subprocess.run(
        ["man", "--warnings", "-l", str(ROOT / "man/vragd.1")], capture_output=True, text=True, check=False,
        env={"MANWIDTH": "80", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "vragd query [TEXT...] [FLAGS]" in done.stdout
