"""How this very vragd is run again. Standard library only."""

from __future__ import annotations

import os
import re
from pathlib import Path

_GOES_AWAY = re.compile(r"/(?:uv/(?:archive|environments)-v\d+|pipx/\.cache|\.cache/pipx|Cellar|nix/store)/")
"""Where uvx and `pipx run` make environments; versions of Homebrew and Nix, which have links to the one of now."""


def own(executable: str) -> list[str]:
    """The script beside the interpreter `executable`, or the interpreter with the module; absolute."""
    # not resolved: the interpreter of a venv is a link, and what it leads to knows nothing of the venv
    interpreter = os.path.abspath(executable)  # noqa: PTH100
    script = Path(interpreter).with_name("vragd")
    return [str(script)] if runs(script) else [interpreter, "-m", "vragd"]


def lasting(executable: str, search: str) -> list[str]:
    """
    The program that runs as `executable`'s vragd, as an absolute path: the name by which it is found along `search` (a
    PATH), which outlives the versions it leads to; else as `own`.
    """
    script, *module = own(executable)
    for folder in () if module else search.split(os.pathsep):
        found = Path(folder) / "vragd"
        if folder.startswith("/") and runs(found) and os.path.realpath(found) == os.path.realpath(script):
            return [str(found)]
    return [script, *module]


def goes_away(path: str) -> bool:
    """Whether a path is one of a version, or of one run, that an upgrade or a clean-up takes away."""
    return _GOES_AWAY.search(f"{path}/") is not None


def runs(path: Path) -> bool:
    """Whether there is a program."""
    return path.is_file() and os.access(path, os.X_OK)
