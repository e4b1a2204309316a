"""What the client makes of whoever answers at the socket."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vragd.client import Client, message
from vragd.errors import NoDaemon, OtherVersion, UnknownStore, UsageError, VragdError

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vragd-") as folder:  # tmp_path may be longer than a socket's may be
        yield Path(folder) / "s"


def answered(place: Path, answer: bytes, target: str = "/healthz") -> object:
    """What a request comes to where `answer` is given to whatever is asked."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            return Client(place).request("GET", target, timeout_s=10)
        finally:
            thread.join()


def test_an_answer_is_decoded_and_an_error_comes_back_as_what_it_was(place: Path) -> None:
    assert answered(place, HEAD + b'Content-Length: 11\r\nX: y\r\n\r\n{"ok":true}and more') == {"ok": True}
    place.unlink()
    assert (
        answered(place, HEAD + b"content-type: text/plain; v=1\r\nContent-Length: 4\r\n\r\nup 1", "/metrics") == "up 1"
    )
    place.unlink()
    with pytest.raises(UsageError, match="no end"):
        Client(place).request("GET", "/v1/events?x=1")
    body = b'{"error":{"code":"%s","message":"no store","hint":"try"}}' % UnknownStore.code.encode()
    with pytest.raises(UnknownStore, match="no store"):
        answered(place, b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))


def test_what_an_answer_lacks_is_said_to_be_of_a_daemon_of_before(place: Path) -> None:
    told = answered(place, HEAD + b'Content-Length: 25\r\n\r\n{"stores":[{"name":"a"}]}')
    assert isinstance(told, dict)
    assert (told, told.get("reloads"), "x" in told) == ({"stores": [{"name": "a"}]}, None, False)
    for lacking in (lambda: told["reloads"], lambda: told["stores"][0]["notes"]):
        with pytest.raises(OtherVersion, match=r"the daemon's answer lacks '(reloads|notes)'") as error:
            lacking()
        assert "vragd restart" in error.value.hint
        assert isinstance(error.value, KeyError), "of a program that asks: as of any dict"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("not_found", "no such path"), ("method_not_allowed", "POST is not for this path"),
        ("usage", "twins: Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_what_a_daemon_does_not_know_may_be_of_a_newer_one(place: Path, code: str, said: str) -> None:
    body = json.dumps({"error": {"code": code, "message": said, "hint": "GET /openapi.json"}}).encode()
    with pytest.raises(VragdError) as error:
        answered(place, b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
    assert (error.value.code, error.value.message) == (code, f"the daemon does not know what it is asked: {said}")
    assert error.value.hint == "vragd restart, if it was upgraded since the daemon started; else GET /openapi.json"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"FOO 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"\r\n\r\n", HEAD + b"\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n", HEAD + b"Content-Length: x\r\n\r\n", HEAD + b"A: b\r\n" * 200 + b"\r\n",
        HEAD + b"Content-Length: 99999999999\r\n\r\n", HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", HEAD + b"Content-Length: 5\r\n\r\nhello",
    ],
    ids=[
        "ssh", "no http", "nothing", "no length", "negative", "no number", "endless head", "huge", "two lengths",
        "chunked", "no json",
    ],
)  # fmt: skip
def test_a_stranger_is_told_from_vragd(place: Path, answer: bytes) -> None:
    with pytest.raises(NoDaemon, match="is not vragd"):
        answered(place, answer)


@pytest.mark.parametrize("answer", [b"", HEAD, HEAD + b"Content-Length: 9\r\n\r\n{}"], ids=["at once", "head", "body"])
def test_an_answer_that_breaks_off_is_no_answer(place: Path, answer: bytes) -> None:
    with pytest.raises(NoDaemon, match="broke off"):
        answered(place, answer)


def test_a_body_is_told_in_pythons_terms_and_is_json(place: Path) -> None:
    import numpy as np

    body = {"a": np.float32(0.5), "b": np.arange(2), "c": {"x"}, "d": (i for i in range(2)), "e": np.bool_(True)}
    assert json.loads(message("POST", "/", body).partition(b"\r\n\r\n")[2]) == {
        "a": 0.5, "b": [0, 1], "c": ["x"], "d": [0, 1], "e": True,
    }  # fmt: skip
    assert "é" in message("POST", "/", {"é": 1}).decode()
    for text in ("\ud800", "bad\udcff.md"):
        with pytest.raises(UsageError, match=r"no UTF-8") as caught:
            message("POST", "/", {"note": text})
        assert "%XX" in caught.value.hint
    around: list[object] = []
    around.append(around)
    for wrong in (b"x", object(), {"a": 1j}, {(1, 2): 3}, around):
        with pytest.raises(UsageError, match="no JSON"):
            message("POST", "/", wrong)
    for timeout_s in (0, -1, float("nan")):
        with pytest.raises(UsageError, match="timeout_s"):
            Client(place).request("GET", "/healthz", timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/a b", "/a%20b"), ("/a\r\nX: y", "/a%0D%0AX:%20y"), ("/ä", "/%C3%A4"), ("/a\n", "/a%0A"), ("/\udcff", "/%FF"),
        ("/v1/files?store=a%20b&x", "/v1/files?store=a%20b&x"),
    ],
)  # fmt: skip
def test_a_target_is_sent_on_one_line_and_in_ascii_whatever_is_in_it(target: str, sent: str) -> None:
    assert message("GET", target, None).split(b"\r\n")[0] == f"GET {sent} HTTP/1.1".encode()
