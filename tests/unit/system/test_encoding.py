"""A locale that is not UTF-8: names of files are, and the terminal is spoken to as it is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ANOTHER = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
CODE = """
import sys
from vragd.system.encoding import begin_in_utf8
begin_in_utf8()
print(sys.getfilesystemencoding(), sys.stdout.encoding, ascii(sys.argv[1:]), sys.flags.dont_write_bytecode)
"""


def begun(*flags: str, args: tuple[str, ...] = (), **env: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, *flags, "-c", CODE, *args],
        env=os.environ | env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split(maxsplit=2)


def test_names_are_utf_8_and_the_terminal_is_what_it_is() -> None:
    name = "\N{LATIN CAPITAL LETTER U WITH DIAERESIS}bersicht"
    files, terminal, rest = begun("-B", args=(name, "b c"), **ANOTHER)
    assert files == "utf-8"
    assert terminal != "utf-8", "what is printed is for a terminal that knows no other"
    assert rest == f"{[name, 'b c']!a} 1\n", "with all that it was begun with"


def test_where_they_are_already_nothing_is_begun_anew() -> None:
    assert begun(LC_ALL="C.UTF-8", PYTHONUTF8="0")[:2] == ["utf-8", "utf-8"]


@pytest.mark.parametrize("flag", ["-E", "-I"])
def test_who_hears_nothing_of_the_environment_is_begun_once(flag: str) -> None:
    files, *_ = begun(flag, "-X", "utf8=0", LC_ALL="C", PYTHONCOERCECLOCALE="0")
    assert files
