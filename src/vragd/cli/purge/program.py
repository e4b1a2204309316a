"""How the program itself is removed: as it was installed."""

from __future__ import annotations

import shlex
from pathlib import Path


def removal(prefix: Path) -> str:
    """The command that removes what is installed in the environment at `prefix`, for people to type."""
    parts = prefix.parts
    if "pipx" in parts:
        return "pipx uninstall vragd"
    if parts[-3:-1] == ("uv", "tools"):
        return "uv tool uninstall vragd"
    if (prefix / "pyvenv.cfg").is_file() and _is_clone(prefix.parent):
        return f"rm -r {shlex.quote(str(prefix))}, or the whole clone"
    return f"{shlex.quote(str(prefix / 'bin' / 'python'))} -m pip uninstall vragd"


def _is_clone(folder: Path) -> bool:
    try:
        return 'name = "vragd"' in (folder / "pyproject.toml").read_text("utf-8")
    except (OSError, UnicodeError):
        return False
