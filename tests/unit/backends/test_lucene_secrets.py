"""What is wrong with a password or a key is told by where it is, and never by what it is."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vragd.backends.elasticsearch import backend as on_elasticsearch
from vragd.backends.elasticsearch.settings import ElasticsearchBackend
from vragd.backends.http.connect import Connections
from vragd.backends.http.secrets import Basic, Header, secret
from vragd.errors import BackendRefused


def elasticsearch(**given: Any) -> ElasticsearchBackend:
    return ElasticsearchBackend(type="elasticsearch", scheme="http", **{"host": "localhost", **given})


@pytest.mark.parametrize("written", [b"\xef\xbb\xbfplanted", b" planted \r\n", b"\n\tplanted\nmore"])
def test_what_an_editor_puts_around_a_secret_is_no_part_of_it(
    written: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "word"
    file.write_bytes(written)
    file.chmod(0o600)
    assert secret(str(file), "password_file", "NONE") == "planted"
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", " planted\n")
    assert secret(None, "api_key_file", "ELASTICSEARCH_API_KEY") == "planted"


@pytest.mark.parametrize("key", ["plan\nted", "plan\tted", "plan ted", "plänted", "planted\u0430", "\ufeffplanted"])
def test_a_key_that_no_header_can_carry_is_refused_by_where_it_is(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", key)
    with pytest.raises(BackendRefused, match="what ELASTICSEARCH_API_KEY holds has") as caught:
        on_elasticsearch.credentials(elasticsearch()).headers("GET", "", b"", "")
    told = caught.value.message + caught.value.hint
    if "\n" not in key and "\ufeff" not in key:
        file = tmp_path / "key"
        file.write_text(key)
        file.chmod(0o600)
        with pytest.raises(BackendRefused, match="what api_key_file holds has") as caught:
            on_elasticsearch.credentials(elasticsearch(api_key_file=str(file))).headers("GET", "", b"", "")
        told += caught.value.message + caught.value.hint
    assert not any(part in told for part in ("plan", "ted"))


def test_a_password_may_have_blanks_and_any_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSEARCH_PASSWORD", "ä b\n")
    assert Basic("me", None, "OPENSEARCH_PASSWORD").headers("GET", "", b"", "") == {
        "Authorization": "Basic bWU6w6QgYg=="
    }
    monkeypatch.setenv("OPENSEARCH_PASSWORD", "a\nb")
    with pytest.raises(BackendRefused, match="OPENSEARCH_PASSWORD holds has line ends"):
        Basic("me", None, "OPENSEARCH_PASSWORD").headers("GET", "", b"", "")


@pytest.mark.parametrize("word", ["plan\nted", "plan\u0430ted"])
def test_a_header_that_cannot_be_sent_is_refused_without_its_words(word: str) -> None:
    class Unchecked(Header):
        def headers(self, method: str, url: str, body: bytes, content_type: str) -> Mapping[str, str]:
            return {"Authorization": word}

    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = Connections(elasticsearch(host=f"127.0.0.1:{server.getsockname()[1]}"), Unchecked())
        with pytest.raises(BackendRefused, match="none that a header can carry") as caught:
            asked.ask("GET", "/", b"", 1.0)
        asked.close()
    assert "plan" not in caught.value.message + caught.value.hint
