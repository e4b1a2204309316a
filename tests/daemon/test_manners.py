"""The small manners of HTTP: what a method gets, when to go on, for how long a silent connection is kept."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.faults.clients import ask, post
from tests.harness import Vragd, vragd

QUERY = json.dumps({"text": "numbats", "top_k": 100}).encode()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vragd]:
    with vragd(tmp_path_factory.mktemp("home")) as running:
        yield running.start()


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [("DELETE", "/healthz", b"GET, HEAD"), ("PUT", "/v1/stores", b"GET, HEAD, POST"), ("HEAD", "/v1/query", b"POST")],
)
def test_another_method_is_told_what_is_allowed(daemon: Vragd, method: str, target: str, allow: bytes) -> None:
    head, _, body = ask(daemon, f"{method} {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405")
    assert b"allow: " + allow in head.split(b"\r\n")
    assert (body == b"") is (method == "HEAD")


def test_whoever_waits_to_be_told_to_go_on_is_told(daemon: Vragd) -> None:
    head, _, body = post(QUERY).replace(b"host: x", b"host: x\r\nexpect: 100-continue").partition(b"\r\n\r\n")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(daemon.socket))
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(65_536) == b"HTTP/1.1 100 \r\n\r\n"
        connection.sendall(body)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")


def test_whoever_waits_with_too_much_is_refused_before_it_is_sent(daemon: Vragd) -> None:
    head = b"POST /v1/query HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1000000\r\n\r\n"
    assert ask(daemon, head).startswith(b"HTTP/1.1 413")


def test_how_long_a_silent_connection_is_kept_is_announced_and_kept(daemon: Vragd) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(daemon.socket))
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"keep-alive: timeout=5" in connection.recv(65_536).split(b"\r\n")
        began = time.monotonic()
        assert connection.recv(65_536) == b""
        assert time.monotonic() - began > 5
