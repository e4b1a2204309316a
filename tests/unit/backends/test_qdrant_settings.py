"""What the settings of Qdrant take, and where its key is and is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tests.backends import put
from tests.fakes.qdrant import FakeQdrant
from tests.unit.backends.qdrant_node import DIM, Make, made_on
from vragd.backends.base import Entry
from vragd.backends.qdrant.backend import QdrantBackend, create
from vragd.backends.qdrant.settings import QdrantBackend as Settings
from vragd.errors import BackendRefused


@pytest.fixture
def node() -> Iterator[FakeQdrant]:
    with FakeQdrant() as node:
        yield node


@pytest.fixture
def make(node: FakeQdrant) -> Iterator[Make]:
    with made_on(node) as make:
        yield make


def test_the_key_is_shown_and_is_nowhere_else(
    make: Make, node: FakeQdrant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.key = "planted-key"
    with pytest.raises(BackendRefused, match="wants an API key") as caught:
        make().list_collections()
    assert "QDRANT_API_KEY" in caught.value.hint
    monkeypatch.setenv("QDRANT_API_KEY", "planted-other")
    with pytest.raises(BackendRefused, match="does not accept the API key") as caught:
        make().list_collections()
    assert "planted" not in caught.value.message
    monkeypatch.setenv("QDRANT_API_KEY", "planted-key")
    assert make().list_collections() == []
    file = tmp_path / "key"
    file.write_text("planted-key\n")
    file.chmod(0o600)
    monkeypatch.delenv("QDRANT_API_KEY")
    backend = make(api_key_file=str(file))
    assert backend.list_collections() == []
    info = backend.create_collection("sss", DIM, "cosine")
    assert "planted" not in repr((backend, vars(backend), info, vars(backend.server)))
    file.write_text("planted key\n")
    with pytest.raises(BackendRefused, match="what api_key_file holds") as caught:
        make(api_key_file=str(file)).list_collections()
    assert "planted" not in caught.value.message


def test_what_is_kept_there_is_read_as_it_is_also_where_it_has_the_word_that_is_the_key(
    make: Make, node: FakeQdrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.key = "status"
    monkeypatch.setenv("QDRANT_API_KEY", "status")
    backend = make()
    name = backend.create_collection("sss", DIM, "cosine").name
    entry = Entry("k", np.eye(DIM, dtype=np.float32)[0], {"status": "its status is good"})
    put(backend, name, [entry])
    assert backend.get(name, ["k"], metadata=True)["k"].metadata == entry.metadata


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("qdrant+https://planted@h.example", "a key does not belong here: use QDRANT_API_KEY or api_key_file"),
        ("qdrant+https://me:planted@h.example", "a key does not belong here"),
        ("qdrant+https://h.example?api_key=planted", "a key does not belong here"),
        ("qdrant+http://h.example", "never leave this machine unencrypted"),
        ("qdrant+https://h.example?host=x", "host is in url twice"),
        ("qdrant+ftp://h", r"expected url as qdrant\+https://HOST\[:PORT\]"),
        ("qdrant://h", r"expected url as qdrant\+https://HOST\[:PORT\]"),
    ],
)
def test_a_url_holds_no_secret_and_no_nonsense(url: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told) as caught:
        Settings.from_url(url)
    assert "planted" not in str(caught.value.errors(include_input=False, include_url=False))


def test_a_url_names_the_place() -> None:
    settings = Settings.from_url("qdrant+https://a.example,b.example:7000?prefix=mine-&api_key_file=/k")
    assert settings.hosts() == [("a.example", 6333), ("b.example", 7000)]
    assert settings.where() == "Qdrant at a.example,b.example:7000, collections mine-*"
    assert settings.leaves_machine()
    assert isinstance(create(settings, Path()), QdrantBackend)


def test_a_certificate_that_nobody_vouches_for_is_refused(make: Make, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    with pytest.raises(BackendRefused, match="ca_file cannot be read"):
        make(scheme="https", ca_file=str(tmp_path / "ca.pem")).list_collections()
