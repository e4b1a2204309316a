"""
What real servers are made of, kept in the folder that `VRAGD_SERVERS` names: fetched once by `python -m tests.servers`.

What cannot be had here (a tool, a registry, the time) is told in its place, to whom the tests ask for it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

FOLDER = os.environ.get("VRAGD_SERVERS", "")
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
WITHIN_S = 900.0
"""How long all that one process fetches may take."""
_since = time.monotonic()

Maker = Callable[[Path], None]
"""Fills an empty folder. OSError says why it cannot."""


def fetched(name: str, within: str = FOLDER) -> Path:
    """The folder of what was fetched. OSError says why there is none."""
    if not within:
        raise OSError("real servers are for make test-servers: VRAGD_SERVERS names no folder for what is fetched")
    folder = Path(within).resolve() / name
    if (folder / "done").exists():
        return folder
    why = _why(folder)
    raise OSError(why.read_text() if why.exists() else "it was not fetched: python -m tests.servers does that")


def fetch(name: str, make: Maker, within: str = FOLDER) -> str:
    """Have it there, which may take minutes. Why that cannot be; empty when it is."""
    folder = Path(within).resolve() / name
    if (folder / "done").exists():
        return ""
    shutil.rmtree(folder, ignore_errors=True)  # half of one, of a run that was ended
    _why(folder).unlink(missing_ok=True)
    folder.mkdir(parents=True)
    try:
        make(folder)
    except Exception as error:  # whatever it is: no fault of what is to be tested
        _why(folder).write_text(str(error))
        return str(error)
    (folder / "done").touch()
    return ""


def _why(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.why")


def install(folder: Path, *packages: str) -> None:
    """Packages of npm, with their versions, into an empty folder. OSError says why that cannot be."""
    need("npm", "node")
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1")
    run("npm", "install", *options, "--prefix", folder, *packages)


def need(*tools: str) -> None:
    """Raises OSError for a program that is not there."""
    for tool in tools:
        if shutil.which(tool) is None:
            raise OSError(f"{tool} is not installed")


def run(*command: str | Path, within_s: float = WITHIN_S) -> None:
    """
    Raises OSError with what it said where a command fails, or goes on so long after this process began; none of its
    children does then.
    """
    name = Path(command[0]).name
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, text=True, errors="replace",
    )  # fmt: skip
    try:
        said, _ = process.communicate(timeout=max(0.1, within_s - (time.monotonic() - _since)))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise OSError(f"{name} did not come to its end within {within_s / 60:.0f} minutes") from None
    if process.returncode:
        lines = [line.strip() for line in said.splitlines() if line.strip()] or ["no reason"]
        raise OSError(f"{name} failed: {' … '.join(dict.fromkeys((lines[0], lines[-1])))[:300]}")
