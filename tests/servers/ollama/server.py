"""Builds and runs a real Ollama, on a port and with models of its own."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from types import TracebackType

import httpx

from tests.harness import until

BUILD = Path(__file__).parent / "build"
MODEL = "minilm"


def build(folder: Path) -> str:
    """Why it cannot be built; empty when it is. Takes minutes the first time."""
    done = subprocess.run([str(BUILD), str(folder)], capture_output=True, text=True, check=False)
    last = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1:] or ["no reason"]
    return "" if done.returncode == 0 else last[0]


class RealOllama:
    """A server between `start` and `kill`; it keeps its port and its models."""

    def __init__(self, built: Path, home: Path) -> None:
        self.built, self.home = built, home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
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
                [str(self.built / "ollama"), "serve"], env=self._env, stdout=log, stderr=log
            )
        until(self._answers, "Ollama to answer")
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
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> RealOllama:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
