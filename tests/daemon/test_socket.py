"""The socket: strict, bounded, and never stopped by one bad client."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import Vragd, until, vragd
from vragd.server.query_schemas import QueryAnswer
from vragd.server.routes import ROUTES
from vragd.server.schemas import FilesAnswer, StatusAnswer, StoresAnswer, VerifyAnswer


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vragd]:
    with vragd(tmp_path_factory.mktemp("home")) as daemon:
        (daemon.vault / "a.md").write_text("a note about numbats\n")
        yield daemon.start()


def connect(daemon: Vragd) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(15)
    until(lambda: connection.connect_ex(str(daemon.socket)) == 0, "a place in the queue")
    return connection


def send(daemon: Vragd, raw: bytes) -> bytes:
    """Everything that comes back until the daemon closes."""
    with connect(daemon) as connection:
        connection.sendall(raw)
        parts = []
        while part := connection.recv(65_536):
            parts.append(part)
        return b"".join(parts)


def test_the_socket_and_its_folder_are_ours_alone(running: Vragd) -> None:
    assert running.socket.lstat().st_mode & 0o777 == 0o600
    assert running.socket.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"422"),
        (b"GET http://elsewhere/ HTTP/1.1\r\nhost: x\r\n\r\n", b"422"),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\norigin: http://evil\r\n\r\n", b"403"),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 20_000 + b"\r\n\r\n", b"431"),
        (b"POST /v1/query HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\ncontent-length: 8\r\n\r\n", b"400"),
        (b"POST /v1/query HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"GET /nope HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"404"),
        (b"DELETE /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"405"),
        (b"GET /v1/files?x=1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"422"),
    ],
)
def test_what_is_not_a_request_gets_an_error_and_no_more(running: Vragd, raw: bytes, status: bytes) -> None:
    answer = send(running, raw)
    assert answer.startswith(b"HTTP/1.1 " + status)
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert set(body["error"]) == {"code", "message", "hint"}
    assert b"Traceback" not in answer
    assert running.answers()


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"text": 5}', b'{"text": "x", "unknown": 1}', b'{"top_k": "many"}', b"[" * 100_000, b"\xff\xfe",
     b'{"text": "x", "vector": [1, 2]}', b'{"vector": [1, 2], "mode": "vector"}', b'{"text": "\\ud800"}'],
)  # fmt: skip
def test_a_body_that_does_not_fit_is_refused(running: Vragd, body: bytes) -> None:
    head = f"POST /v1/query HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    answer = send(running, head.encode() + body)
    assert answer.split(b" ")[1] in (b"422", b"200"), answer[:300]
    assert answer.split(b" ")[1] == b"422" or b"ud800" in body
    assert running.answers()


def test_a_body_beyond_the_limit_is_refused(running: Vragd) -> None:
    with connect(running) as connection:
        connection.sendall(b"POST /v1/query HTTP/1.1\r\nhost: x\r\ncontent-length: 209715200\r\n\r\n")
        try:
            for _ in range(3_200):
                connection.sendall(b"x" * 65_536)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert running.answers()


def test_whoever_sends_half_a_head_is_told_and_closed(running: Vragd) -> None:
    assert send(running, b"GET /healthz HT").startswith(b"HTTP/1.1 408")


def test_whoever_says_nothing_is_closed(running: Vragd) -> None:
    assert send(running, b"") == b""


def test_two_hundred_silent_connections_are_in_nobodys_way(running: Vragd) -> None:
    held = []
    try:
        for _ in range(200):
            held.append(connect(running))
        assert running.paths("numbats") == ["a.md"]
    finally:
        for connection in held:
            connection.close()


def test_one_connection_may_ask_again(running: Vragd) -> None:
    request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"

    def three_answers() -> bool:
        with connect(running) as connection:
            for _ in range(3):
                connection.sendall(request)
                if not connection.recv(65_536).startswith(b"HTTP/1.1 200"):
                    return False
        return True

    until(three_answers, "room for a connection that pauses: those of other tests may still be going")


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")
def test_curl_can_ask(running: Vragd) -> None:
    command = ["curl", "-s", "--unix-socket", str(running.socket), "http://localhost/v1/status"]
    assert json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["stores"]


def test_the_document_describes_every_route_and_answers_are_as_described(running: Vragd) -> None:
    request = running.client.request
    document = request("GET", "/openapi.json")
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in ROUTES}
    answers: list[tuple[Any, Any]] = [
        (QueryAnswer, running.query("numbats")),
        (StatusAnswer, request("GET", "/v1/status")),
        (FilesAnswer, request("GET", "/v1/files")),
        (StoresAnswer, request("GET", "/v1/stores")),
        (VerifyAnswer, request("POST", "/v1/verify", {})),
    ]
    for model, answer in answers:
        model.model_validate(answer)
    assert answers[0][1]["hits"]


def test_every_operator_of_the_full_text_index_is_only_a_word(running: Vragd) -> None:
    for text in ('"', "NEAR(a b)", "a AND", "*", "col:x", "^", "- -", "(((", "a' OR 1=1 --", "numbats\0x"):
        assert isinstance(running.query(text, mode="keyword")["hits"], list)
    assert running.paths("NOT numbats*", mode="keyword") == ["a.md"]
