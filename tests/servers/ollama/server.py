"""Builds and runs a real Ollama, on a port and with models of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import httpx

from tests.harness import until
from tests.servers.fetched import run
from tests.servers.ports import free_port

NAME = "ollama-0.17.4"
BUILD = Path(__file__).parent / "build"
MODEL = "minilm"


def make(folder: Path) -> None:
    """Build it, which takes minutes. OSError says why that cannot be."""
    run(BUILD, folder, sys.executable)


class RealOllama:
    """A server between `start` and `kill`; it keeps its port and its models."""

    def __init__(self, built: Path, home: Path) -> None:
        self.built, self.home = built, home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _env(self) -> dict[str, str]:
        host = {
            "OLLAMA_HOST": f"127.0.0.1:{self.port}",
            "OLLAMA_MODELS": str(self.home / "models"),
            "HOME": str(self.home),
        }
        return {**os.environ, **host}

    def start(self) -> RealOllama:
        with (self.home / "ollama.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.built / "ollama"), "serve"], env=self._env, stdout=log, stderr=log, start_new_session=True
            )
        try:
            until(self._answers, "Ollama to answer", 100)
        except AssertionError:
            self.kill()
            raise
        return self

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def create(self) -> None:
        """Make the model."""
        self._run("create", MODEL, "-f", str(self.built / "Modelfile"))

    def remove(self) -> None:
        """Take the model away."""
        self._run("rm", MODEL)

    def _run(self, *args: str) -> None:
        done = subprocess.run(
            [str(self.built / "ollama"), *args], env=self._env, capture_output=True, check=False, timeout=100
        )
        assert done.returncode == 0, done.stderr

    def unload(self) -> None:
        """As after `keep_alive`."""
        httpx.post(f"{self.url}/api/embed", json={"model": MODEL, "input": [], "keep_alive": 0}, timeout=30)
        until(lambda: not httpx.get(f"{self.url}/api/ps", timeout=5).json()["models"], "the model to be unloaded")

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):  # what runs the models is a child of it, which would outlive it
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> RealOllama:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
