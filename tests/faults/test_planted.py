"""Secrets and a note's text, planted wherever a shared backend has them, and looked for in all that is said."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.quoting import QuotingHttp, QuotingPostgres
from tests.harness import Vragd, until, vragd
from tests.s3 import configure
from vragd.backends.base import Batch, Entry, VectorBackend
from vragd.backends.registry import create_backend
from vragd.errors import VragdError
from vragd.terms.backends import TYPES

SECRET, TOKEN, NOTE = "PlantedSecretOne", "PlantedTokenTwo", "PlantedNoteThree"
PLANTED = (SECRET, TOKEN, NOTE)
ON_HTTP = ("opensearch", "elasticsearch", "qdrant", "s3", "s3vectors")
EVERY = ("pgvector", *ON_HTTP)
SECRET_KEYS = {"opensearch": "password", "elasticsearch": "api_key", "qdrant": "api_key"}
Server = QuotingHttp | QuotingPostgres


@dataclass(frozen=True)
class Shared:
    """A server that refuses, and the settings of a backend on it, whose secrets are in files and in the environment."""

    kind: str
    server: Server
    settings: dict[str, Any]
    url: str
    wrong_url: str
    """With a secret in it."""


@contextmanager
def shared(kind: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    word = home / "word"
    word.touch(0o600)
    patient = {"timeout_s": 2, "query_timeout_s": 1, "remote_text": True}
    if kind == "pgvector":
        with QuotingPostgres() as server:
            name, _, port = server.host.partition(":")
            word.write_text(f"{name}:{port}:*:me:{SECRET}\n")
            place = {"host": server.host, "database": "notes", "user": "me", "passfile": str(word)}
            url = f"postgresql://me@{server.host}/notes?passfile={word}"
            yield Shared(kind, server, place | patient, url, f"postgresql://me:{SECRET}@{server.host}/notes")
        return
    with QuotingHttp() as http:
        if kind.startswith("s3"):
            for key, value in (("ACCESS_KEY_ID", "AKIDHERE"), ("SECRET_ACCESS_KEY", SECRET), ("SESSION_TOKEN", TOKEN)):
                monkeypatch.setenv(f"AWS_{key}", value)
            monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
            http.speaks_xml, endpoint = kind == "s3", f"http://{http.host}"
            place = {"bucket": "my-bucket", "endpoint_url": endpoint}
            where = f"{kind}://{{}}my-bucket?endpoint_url={endpoint.replace(':', '%3A').replace('/', '%2F')}"
            yield Shared(kind, http, place | patient, where.format(""), where.format(f"me:{SECRET}@"))
            return
        word.write_text(f"{SECRET}\n")
        place = {"host": http.host, "scheme": "http", f"{SECRET_KEYS[kind]}_file": str(word)}
        more = "&user=me" if kind == "opensearch" else ""
        url = f"{kind}+http://{http.host}?{SECRET_KEYS[kind]}_file={word}{more}"
        place |= {"user": "me"} if kind == "opensearch" else {}
        yield Shared(kind, http, place | patient, url, f"{kind}+http://me:{SECRET}@{http.host}")


def told(text: str, server: Server) -> list[str]:
    """What of all that is planted, or was shown to the server, is in a text."""
    return [word for word in {*PLANTED, *server.shown} if word.lower() in text.lower()]


def every_call(backend: VectorBackend) -> Iterator[Callable[[], object]]:
    row = np.ones(8, dtype=np.float32)
    batch = Batch.of([Entry("k", row, {"source": "s"}, {"content": NOTE, "path": NOTE}, "0" * 16)])
    yield backend.list_collections
    yield lambda: backend.collection_info("notes")
    yield lambda: backend.create_collection("notes", 8, "cosine", space="a" * 32, model="m")
    yield lambda: backend.put_vectors("notes", batch)
    yield lambda: backend.put_metadata("notes", batch)
    yield lambda: backend.query("notes", row, 5, payload=True)
    yield lambda: backend.get("notes", ["k"])
    yield lambda: list(backend.list_keys("notes"))
    yield lambda: backend.delete_vectors("notes", ["k"])
    yield lambda: backend.delete_collection("notes", identity="i")


@pytest.mark.parametrize("kind", EVERY)
def test_no_error_and_no_repr_holds_what_a_server_quotes(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with shared(kind, tmp_path, monkeypatch) as place:
        settings = TYPES.settings(kind).model_validate({"type": kind, **place.settings})
        backend = create_backend(kind, settings, tmp_path)
        n_refused = 0
        for status in (400, 401, 403, 404, 409, 413) if isinstance(place.server, QuotingHttp) else (0,):
            if isinstance(place.server, QuotingHttp):
                place.server.status = status
            for call in every_call(backend):
                try:
                    said = repr(call())
                except VragdError as error:
                    n_refused += 1
                    said = (
                        "".join(traceback.format_exception(error, chain=False)) + error.in_one_line + repr(vars(error))
                    )
                assert told(said, place.server) == [], (status, said)
        assert n_refused >= 10
        assert told(repr((settings, backend, vars(backend))), place.server) == []
        assert place.server.shown, "it knows what it could quote"
        backend.close()
    assert told("".join(capfd.readouterr()), place.server) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", EVERY)
def test_no_command_and_no_log_tells_what_a_server_quotes(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shared(kind, tmp_path, monkeypatch) as place, vragd(tmp_path) as daemon:
        configure(daemon, {"type": kind, **place.settings})
        (daemon.vault / "n.md").write_text(f"# One\n\nWords about the {NOTE}.\n")
        daemon.start(idle=False)
        for code in ("backend_refused", "backend_unavailable"):
            until(lambda code=code: (daemon.store["trouble"] or {}).get("code") == code, code, 60)  # type: ignore[misc]
            bundle = ["doctor", "--bundle", str(tmp_path / f"bundle-{code}")]
            said = commands(daemon, ALWAYS | {"doctor": bundle} | (OTHERS if code == "backend_refused" else {}))
            there = ["--backend", place.url]
            for name, command in (("list", ["list"]), ("info there", ["info", "notes"])):
                said |= refused(daemon, name, ["store", *command, *there])
            said |= refused(daemon, "query", ["query", "words", "-s", "notes", *there])
            said |= refused(daemon, "wrong", ["store", "list", "--backend", place.wrong_url])
            said["bundle"] = Path(bundle[-1]).read_text()
            assert {name: found for name, text in said.items() if (found := told(text, place.server))} == {}
            assert "backend" in said["doctor"]
            host, _, port = place.server.host.partition(":")
            assert not {host, port, "my-bucket", str(tmp_path)} & set(said["bundle"].replace('"', " ").split())
            place.server.stop()
        assert daemon.stop() == 0
        assert told(daemon.log(), place.server) == []


ALWAYS = {"status": ["status"], "info": ["store", "info", "notes", "--recall"]}
OTHERS = {
    "status as JSON": ["status", "--json"], "info as JSON": ["store", "info", "notes", "--json"], "files": ["files"],
    "config": ["config", "check"], "verify": ["verify"],
}  # fmt: skip


def commands(daemon: Vragd, given: Mapping[str, list[str]]) -> dict[str, str]:
    """What each of them says."""
    said = {}
    for name, arguments in given.items():
        done = daemon.run(*arguments)
        said[name] = done.stdout + done.stderr
        assert "Traceback" not in said[name], name
    return said


def refused(daemon: Vragd, name: str, arguments: list[str]) -> dict[str, str]:
    done = daemon.run(*arguments)
    assert done.returncode != 0, (name, done.stdout)
    return {name: done.stdout + done.stderr}
