"""An embedder of each type, with what it asks, to be spoilt and mended."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.fakes.ollama import FakeOllama
from tests.fakes.openai import FakeOpenAI
from tests.folders import bundled, tiny
from vragd.embed.base import Embedder
from vragd.embed.builtin.embedder import MiniLM
from vragd.embed.ollama.embedder import create as create_ollama
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.embed.onnx.embedder import create as create_onnx
from vragd.embed.onnx.settings import OnnxEmbedder
from vragd.embed.openai.embedder import create as create_openai
from vragd.embed.openai.settings import OpenAIEmbedder

MEAN = {"pooling_mode": "mean"}


class Late:
    """An embedder that is made when it is first asked for something, as by a daemon, and again after `drop`."""

    def __init__(self, make: Callable[[], Embedder]) -> None:
        self._make, self._made = make, list[Embedder]()

    def __getattr__(self, name: str) -> Any:
        if not self._made:
            self._made.append(self._make())
        return getattr(self._made[0], name)

    def drop(self) -> None:
        while self._made:
            self._made.pop().close()


@dataclass
class Server:
    """A stand-in, and an embedder that asks it."""

    fake: FakeOllama
    make: Callable[[], Embedder]
    restarts: bool = False
    """Whether a fault is seen at a start alone."""

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([self.fake.vector(text) for text in texts], dtype=np.float32)

    def spoil(self, knobs: Mapping[str, Any]) -> Callable[[], object]:
        """Turn knobs; what turns them back."""
        healthy = {name: getattr(self.fake, name) for name in knobs}
        if not knobs:
            self.fake.stop()
        for name, value in knobs.items():
            setattr(self.fake, name, value)

        def mend() -> None:
            for name, value in healthy.items():
                setattr(self.fake, name, value)
            self.fake.__enter__()  # which starts it if it is stopped

        return mend


@dataclass
class Folder:
    """A model in a folder; a fault is another folder in its place, or none."""

    folder: Path
    make: Callable[[], Embedder]
    restarts: bool = True

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        embedder = self.make()
        try:
            return embedder.embed_documents(texts)
        finally:
            embedder.close()

    def spoil(self, knobs: Mapping[str, Any]) -> Callable[[], object]:
        aside = self.folder.with_name("aside")
        self.folder.rename(aside)
        if "rows" in knobs:
            tiny(self.folder, MEAN, rows=knobs["rows"])
        if "model" in knobs:
            shutil.copytree(aside, self.folder, symlinks=True)
            for file in self.folder.rglob("model.onnx"):
                file.unlink()
                file.write_bytes(knobs["model"])

        def mend() -> None:
            shutil.rmtree(self.folder, ignore_errors=True)
            aside.rename(self.folder)

        return mend


Rig = Server | Folder


def rig_of(kind: str, home: Path, opened: ExitStack) -> Rig:
    """A healthy one."""
    patience: dict[str, Any] = {"model": "fake-embed", "timeout_s": 0.5, "query_timeout_s": 0.5}
    if kind == "openai":
        server = opened.enter_context(FakeOpenAI())
        asked = OpenAIEmbedder(type="openai", url=server.base, **patience)
        return Server(server, lambda: create_openai(asked))
    if kind == "ollama":
        fake = opened.enter_context(FakeOllama())
        settings = OllamaEmbedder(type="ollama", url=fake.url, **patience)
        return Server(fake, lambda: create_ollama(settings))
    if kind == "onnx":
        folder = tiny(home / "model", MEAN)
        return Folder(folder, lambda: create_onnx(OnnxEmbedder(type="onnx", path=str(folder), threads=1)))
    folder = bundled(home / "model")
    for file in (folder / "onnx").iterdir():
        file.rename(folder / file.name)  # as in the package
    return Folder(folder, lambda: MiniLM(1, folder))
