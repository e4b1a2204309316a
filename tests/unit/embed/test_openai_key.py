"""What is sent to whom by the embedder for OpenAI-compatible servers: notes, and the key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.fakes.openai import FakeOpenAI
from vragd.embed.openai.embedder import OpenAI
from vragd.embed.openai.key import is_given_for, key_of
from vragd.embed.openai.settings import OpenAIEmbedder
from vragd.errors import ConfigError, EmbedderRefused, EmbedderUnavailable

Making = Callable[..., OpenAI]


def settings(**given: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder(type="openai", **{"model": "m", "url": "https://api.openai.com/v1", **given})


@pytest.mark.parametrize(
    "url",
    ["https://api.openai.com/v1", "http://192.168.1.5:8080/v1", "http://0.0.0.0:8080", "http://localhost.example.com",
     "http://[2001:db8::1]:8080/v1"],
)  # fmt: skip
def test_a_remote_url_must_be_allowed(making: Making, url: str) -> None:
    with pytest.raises(ConfigError, match="not on this machine") as caught:
        making(url=url)
    assert "allow_remote: true" in caught.value.hint
    making(url=url, allow_remote=True)


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    making: Making, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    for host in ("127.0.0.1", "127.1", "0.0.0.0"):
        making(url=server.base.replace("127.0.0.1", host), allow_remote=True).embed_query("q")
    assert not [headers for headers in server.headers if "authorization" in headers], "it was given for another"


def test_a_redirect_takes_neither_note_nor_key_to_another_host(
    making: Making, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-mine")
    with FakeOpenAI() as elsewhere:
        server.redirect_to = elsewhere.url
        with pytest.raises(EmbedderUnavailable, match="sends us elsewhere"):
            making(key_env="MY_KEY").embed_query("q")
        assert elsewhere.requests == elsewhere.headers == []


def test_a_key_is_sent_and_one_that_is_changed_is_taken(making: Making, server: FakeOpenAI, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-one\n")
    file.chmod(0o600)
    server.key = "sk-two"
    embedder = making(key_file=str(file))
    with pytest.raises(EmbedderRefused, match="not the right one") as caught:
        embedder.space("c")
    assert "sk-one" not in caught.value.message + caught.value.hint
    file.write_text("sk-two")
    assert embedder.embed_documents(["a"]).shape == (1, 64)
    assert server.headers[-1]["authorization"] == "Bearer sk-two"


@pytest.mark.parametrize(
    ("url", "base", "given"),
    [
        ("https://api.openai.com/v1", "", True),
        ("https://api.openai.com:443/v1", "", True),
        ("http://api.openai.com/v1", "", False),
        ("https://api.openai.com.example.org/v1", "", False),
        ("https://api.openai.com/v1", "https://ai.example.com/v1", False),
        ("https://ai.example.com/v1", "https://ai.example.com/v1", True),
        ("https://other.example.com/v1", "https://ai.example.com/v1", False),
        ("http://nas.lan:8080/v1", "http://nas.lan:8080/v1", False),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1", True),
        ("http://127.0.0.1:8080/v1", "", False),
    ],
)
def test_a_key_that_no_setting_names_goes_only_to_whom_it_was_given_for(url: str, base: str, given: bool) -> None:
    environment = {"OPENAI_API_KEY": "sk-x"} | ({"OPENAI_BASE_URL": base} if base else {})
    assert is_given_for(url, environment) is given
    assert key_of(settings(url=url), environment) == ("sk-x" if given else "")
    assert key_of(settings(url=url), {}) == ""


def test_a_key_that_is_named_and_not_there_or_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(EmbedderRefused, match="no MY_KEY"):
        key_of(settings(key_env="MY_KEY"), {"MY_KEY": " "})
    with pytest.raises(EmbedderRefused, match="blanks"):
        key_of(settings(key_env="MY_KEY"), {"MY_KEY": "sk\nx"})
    assert key_of(settings(key_env="MY_KEY"), {"MY_KEY": " sk-x\n", "OPENAI_API_KEY": "y"}) == "sk-x"
    for key in ("sk_planted", "Planted"):
        with pytest.raises(EmbedderRefused, match="no such variable") as caught:
            key_of(settings(key_env=key), {})
        assert key not in caught.value.message + caught.value.hint
    file = tmp_path / "key"
    file.write_bytes(b"\xef\xbb\xbfsk-x\r\n")
    file.chmod(0o600)
    assert key_of(settings(key_file=str(file)), {}) == "sk-x"
    file.unlink()
    for make, mode, why in (
        (None, 0, "No such file"),
        (lambda: file.write_text("sk-x"), 0o644, "mode 0644"),
        (lambda: file.write_text("\n"), 0o600, "is empty"),
        (lambda: (file.unlink(), file.mkdir()), 0o700, "no ordinary file"),
    ):
        if make is not None:
            make()
            file.chmod(mode)
        with pytest.raises(EmbedderRefused, match=why):
            key_of(settings(key_file=str(file)), {})


@pytest.mark.parametrize(
    "given",
    [
        {"url": "ftp://x"},
        {"url": "http://x/v1?key=1"},
        {"url": "http://x y/v1"},
        {"key_env": "A-B"},
        {"key_file": "k", "url": "https://x/v1"},
        {"url": "http://nas.lan:8080/v1", "key_file": "/k"},
        {"document_prompt": "passage:"},
        {"query_prompt": "{text}{text}"},
        {"dimensions": 0},
        {"batch_size": 0},
        {"model": ""},
        {"key": "sk-x"},
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**given)


def test_a_url_with_a_user_is_refused(making: Making) -> None:
    with pytest.raises(ConfigError, match="user name"):
        making(url="http://me:planted@127.0.0.1:8080/v1")
