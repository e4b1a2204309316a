"""What the environment says of proxies and certificates, to all that ask a server by httpx."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import COMMAND_S
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.embed.onnx.download import fetch
from vragd.embed.onnx.hub import Listed
from vragd.embed.openai.settings import OpenAIEmbedder
from vragd.embed.registry import create_embedder
from vragd.embed.reranker import Reranker
from vragd.errors import ConfigError

THERE, SECRET = "https://ai.example.invalid", "hunter2"


def _openai(_: Path, url: str = THERE) -> object:
    return create_embedder("openai", OpenAIEmbedder(type="openai", model="m", url=url, allow_remote=True))


def _ollama(_: Path, url: str = THERE) -> object:
    return create_embedder("ollama", OllamaEmbedder(type="ollama", model="m", url=url, allow_remote=True))


def _reranker(_: Path, url: str = THERE) -> object:
    return Reranker(url, "texts", "", None, 1.0, is_local=url != THERE)


def _download(home: Path) -> object:
    return fetch(THERE, Listed("model.onnx", 9, ""), home / "model.onnx", lambda _: None, lambda _: None)


UNUSABLE = [
    ("ALL_PROXY", f"socks4://me:{SECRET}@127.0.0.1:9"), ("https_proxy", f"ftp://me:{SECRET}@127.0.0.1:9"),
    ("HTTPS_PROXY", "http://127.0.0.1:port"), ("SSL_CERT_FILE", "/nowhere.pem"),
]  # fmt: skip


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(("name", "value"), UNUSABLE)
@pytest.mark.parametrize("make", [_openai, _ollama, _reranker, _download])
def test_what_cannot_be_used_of_it_is_told_by_its_name_and_not_its_value(
    make: Callable[[Path], object], name: str, value: str, bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        make(tmp_path)
    assert name in caught.value.message
    assert SECRET not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(("name", "value"), UNUSABLE)
@pytest.mark.parametrize("make", [_openai, _ollama, _reranker])
def test_to_a_server_on_this_machine_it_says_nothing(
    make: Callable[[Path, str], object], name: str, value: str, bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare.setenv(name, value)
    assert make(tmp_path, "http://127.0.0.1:9")


@pytest.mark.parametrize(("name", "value"), UNUSABLE)
def test_nor_does_it_where_the_library_of_ollamas_makers_is_loaded(
    name: str, value: str, bare: pytest.MonkeyPatch
) -> None:
    bare.setenv(name, value)
    code = "import os; from vragd.embed.ollama.library import ollama; print(ollama.Client.__name__, os.environ[%r])"
    done = subprocess.run(
        [sys.executable, "-c", code % name], capture_output=True, text=True, check=False, timeout=COMMAND_S
    )
    assert done.stdout == f"Client {value}\n", done.stderr
