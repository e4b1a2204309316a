"""How this very vragd is run again. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path


def own(executable: str) -> list[str]:
    """The script beside the interpreter `executable`, or the interpreter with the module; absolute."""
    # not resolved: the interpreter of a venv is a link, and what it leads to knows nothing of the venv
    interpreter = os.path.abspath(executable)  # noqa: PTH100
    script = Path(interpreter).with_name("vragd")
    return [str(script)] if runs(script) else [interpreter, "-m", "vragd"]


def runs(path: Path) -> bool:
    """Whether there is a program."""
    return path.is_file() and os.access(path, os.X_OK)
