"""Every operation of the OpenAPI document, with data that fits it and data that does not: answers are as described."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

from tests.depth import at, deeper
from tests.harness import Vragd, vragd
from vragd.server.routes import ROUTES

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
UNFORESEEN = {"server.request_failed", "server.connection_failed", "library.warning_logged", "worker.step_failed"}
SLOW = {
    "POST /v1/stores",
    "POST /v1/index",
    "POST /v1/verify",
    "POST /v1/reindex",
    "DELETE /v1/stores/{name}",
}  # stores come and go
SETTINGS = (
    "in .gitignore",
    "expected something like http",
    "expected https://",
    "not dot",
    "two sources called",
    "leads nowhere",
    "expected HOST[:PORT]",
    "expected path: FOLDER, or model",
    "are of a model: OWNER/NAME",
    "of a hub is called like that",
    "weights names a file",
    "a prompt holds",
    "a key would be sent",
    "it is no url",
    "in url",
    "are of a url",
    "monthly_cost",
    "cannot hold a NUL",
    "expected a domain",
    "expected https:",
    "has the metrics",
    "expected at most",
    "is one that begins so",
    "is a path, expected a pattern",
    "is the root of the file system",
    "expected a user's name",
    "expected names with /",
    "expected url as",
    "expected a path",
    "expected sslmode",
    "expected a schema",
    "expected a name of at most",
    "expected ef_construction",
    "expected an absolute path",
    "is not an absolute path",
)
UNSAID = {  # what no schema can say, or ours does not: why data that fits the document is refused all the same
    "POST /v1/query": (
        "dimensions, store 'notes' has 384",
        "the vector is zero",
        "there is no source",
        "could be too low",
        "the query is empty",  # blanks
    ),
    "POST /v1/links": ("there is no source", "files are called"),
    **dict.fromkeys(
        ("POST /v1/tags", "POST /v1/properties", "POST /v1/tasks", "POST /v1/recent"), ("there is no source",)
    ),
    "POST /v1/outline": ("there is no source", "files are called"),
    "POST /v1/get": ("there is no source", "files are called", "there are no lines", "is no note"),
    "POST /v1/similar": (
        "there is no source",
        "files are called",
        "a note or a text",
        "has no links",
        "of a whole note",
        "is no note",
    ),
    "POST /v1/sync": ("is in no source",),
    "POST /v1/stores": (*SETTINGS, "the root of", "is the home directory", "is inside"),
    "POST /v1/index": (*SETTINGS, "nothing below"),
}


def operations() -> Iterator[tuple[str, GenerationMode]]:
    """Every operation with data that fits; those that can be asked wrongly also with data that does not."""
    for route in ROUTES:
        yield f"{route.method} {route.path}", GenerationMode.POSITIVE
        if route.request is not None or route.query:
            yield f"{route.method} {route.path}", GenerationMode.NEGATIVE


class _ToSocket(requests.adapters.HTTPAdapter):
    """Connections to the daemon's socket, one a request, whatever host is asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__()

        class Connection(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                made = socket.socket(socket.AF_UNIX)
                made.settimeout(60)
                made.connect(str(path))
                return made

        self._pool = HTTPConnectionPool("localhost")
        self._pool.ConnectionCls = Connection

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()


class Api:
    """A daemon, its own document, and a client that sends generated cases to it."""

    def __init__(self, daemon: Vragd) -> None:
        self.daemon = daemon
        document = daemon.client.request("GET", "/openapi.json")
        text = document["components"]["schemas"]["QueryRequest"]["properties"]["text"]
        del text["maxLength"]  # Hypothesis makes no text that long; tests/daemon/test_socket.py does
        self.schema = schemathesis.openapi.from_dict(document)
        self.schema.config.update(base_url="http://localhost")
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["connection"] = "close"
        self.session.mount("http://", _ToSocket(daemon.socket))

    def strategy(self, label: str, mode: GenerationMode) -> Any:
        method, _, path = label.partition(" ")
        return (
            self.schema[path][method]
            .as_strategy(generation_mode=mode)
            .map(lambda case: inside(case, self.daemon.vault))
        )

    def clean_up(self) -> None:
        """Forget what was made: each store has threads and files."""
        for row in self.daemon.client.request("GET", "/v1/stores")["stores"]:
            if row["origin"] != "config":
                self.daemon.client.request("DELETE", f"/v1/stores/{row['name']}?keep_remote=true", timeout_s=60)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with vragd(tmp_path_factory.mktemp("home"), log={"level": "debug"}) as daemon:
        (daemon.vault / "a.md").write_text("# One\n\nA note about numbats.\n")
        api = Api(daemon.start())
        with api.session:
            yield api
        assert daemon.answers()
        assert "Traceback" not in daemon.log()
        assert [line for line in daemon.log_lines() if line["event"] in UNFORESEEN] == []
        assert daemon.stop() == 0


def inside(case: Any, vault: Path) -> Any:
    """Whatever folder is to be indexed is the vault: / would be searched in full."""
    if case.path == "/v1/index" and isinstance(case.body, dict):
        path = case.body.get("path")
        if isinstance(path, str) and path.startswith("/") and "\0" not in path:
            case.body["path"] = str(vault)
    return case


def aim(api: Api, case: Any, *, aimed: bool) -> None:
    """Have a generated request ask for what is there: random names lead to 404 only."""
    if not aimed and case.path != "/v1/verify":  # of few examples all may be of no store
        return
    if case.path_parameters:
        case.path_parameters["name"] = "notes" if case.method == "GET" else "made"
        if case.method == "DELETE":
            api.daemon.client.request("POST", "/v1/stores", {"name": "made", "replace": True})
    if "store" in (case.query or {}):
        case.query["store"] = ["notes"]
    if isinstance(case.body, dict):
        case.body |= {key: value for key, value in REAL.items() if key in case.body and case.path != "/v1/stores"}
        if case.path == "/v1/reindex":
            case.body["store"] = "notes"
        if case.path == "/v1/similar":  # to a note or a text, and few examples have one alone
            case.body = {key: value for key, value in case.body.items() if key in ("top_k", "sources")} | {"note": "a"}


REAL = {"stores": ["notes"], "sources": [], "tickets": {"notes": 1}, "include": ["*.md"], "note": "a"}


@deeper
@pytest.mark.parametrize(("label", "mode"), list(operations()), ids=str)
def test_whatever_is_sent_the_answer_is_as_described(api: Api, label: str, mode: GenerationMode) -> None:
    seen: Counter[int] = Counter()

    @settings(
        max_examples=at(8, 12) if label in SLOW else at(12, 24), derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(case=api.strategy(label, mode), aimed=strategies.booleans())
    def check(case: Any, aimed: bool) -> None:
        if mode is GenerationMode.POSITIVE:
            aim(api, case, aimed=aimed)
        answer = case.call(session=api.session)
        seen[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)
        if mode is GenerationMode.POSITIVE and answer.status_code == 422:
            message = answer.json()["error"]["message"]
            assert any(reason in message for reason in UNSAID.get(label, ())), message

    check()
    print(label, mode, seen)
    api.clean_up()
    assert seen[200] if mode is GenerationMode.POSITIVE else seen[422], f"the data missed its aim: {seen}"
