"""The socket against whoever means harm or does not care: refused or closed in time, and nobody else notices."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.clients import CHUNKED, Slow, ask, connect, n_connections, n_fds, post, pump, rest, rss_kib
from tests.harness import Vragd, tree, until, vragd
from vragd.server.socket import bind

STRANGER = 65533
UNFORESEEN = {"server.request_failed", "server.connection_failed", "library.warning_logged"}
LAZY = 4  # connections of the catalog's pool that open its log when they are first used, in a burst
MAX_GROWTH_KIB = 48 * 1024  # the bodies sent here are many times as large
QUERY = json.dumps({"text": "numbats", "top_k": 100}).encode()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vragd]:
    with vragd(tmp_path_factory.mktemp("home")) as running:
        for i in range(60):
            (running.vault / f"{i}.md").write_text(f"Note {i} about numbats. " + "Words and more words. " * 20)
        running.start()
        with ThreadPoolExecutor(16) as many:  # what the first queries load and open is no growth
            assert list(many.map(lambda _: len(running.paths("numbats", top_k=100)), range(60))) == [60] * 60
        yield running


@pytest.fixture(autouse=True)
def harmed_nobody(request: pytest.FixtureRequest) -> Iterator[None]:
    """The daemon is the same process, answers, has no more descriptors than before and little more memory."""
    if "daemon" not in request.fixturenames:
        yield
        return
    running: Vragd = request.getfixturevalue("daemon")
    assert running.process is not None
    pid, log_before = running.process.pid, len(running.log_lines())
    until(lambda: n_connections(running.socket) == 0, "the connections of the last test to be closed")
    fds, kib = n_fds(pid), rss_kib(pid)
    yield
    until(lambda: n_connections(running.socket) == 0, "this test's connections to be closed")
    assert running.answers()
    assert running.paths("numbats", top_k=1)
    assert running.client.request("GET", "/healthz")["pid"] == pid
    until(lambda: n_fds(pid) <= fds + LAZY, f"the descriptors to be {fds} again")
    assert rss_kib(pid) - kib < MAX_GROWTH_KIB
    assert "Traceback" not in running.log()
    assert [line for line in running.log_lines()[log_before:] if line["event"] in UNFORESEEN] == []


# -- who may connect -------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0, 0o077])
@pytest.mark.parametrize("folder_mode", [None, 0o700, 0o770, 0o777, 0o1777])
def test_socket_and_folder_are_private_whatever_umask_and_folder_were(
    tmp_path: Path, umask: int, folder_mode: int | None
) -> None:
    folder = tmp_path / "run"
    if folder_mode is not None:
        folder.mkdir()
        folder.chmod(folder_mode)
    old = os.umask(umask)
    try:
        with bind(folder / "s") as listener:
            assert listener.getsockname() == str(folder / "s")
            assert stat.S_IMODE((folder / "s").lstat().st_mode) == 0o600
            assert stat.S_IMODE(folder.lstat().st_mode) & 0o777 == 0o700
    finally:
        os.umask(old)


def make_link(folder: Path) -> str:
    (folder.parent / "elsewhere").mkdir(mode=0o755)
    folder.symlink_to(folder.parent / "elsewhere")
    return "is a link"


def make_file(folder: Path) -> str:
    folder.write_text("precious")
    return "is not a directory"


def make_foreign(folder: Path) -> str:
    if os.geteuid() != 0:
        pytest.skip("needs root to make another user's folder")
    folder.mkdir(mode=0o777)
    os.chown(folder, STRANGER, STRANGER)
    return f"belongs to uid {STRANGER}"


def owner_and_mode(path: Path) -> tuple[int, ...]:
    info = path.lstat()
    return info.st_uid, info.st_gid, info.st_mode, info.st_ino, info.st_mtime_ns


@pytest.mark.parametrize("make", [make_link, make_file, make_foreign])
def test_a_folder_that_is_not_ours_is_refused_and_left_as_it_is(tmp_path: Path, make: Callable[[Path], str]) -> None:
    daemon = Vragd(tmp_path)
    words = make(daemon.socket.parent)
    before = owner_and_mode(daemon.socket.parent), tree(tmp_path / "elsewhere")
    refused = daemon.run("run")
    assert refused.returncode == 73
    assert words in refused.stderr
    assert str(daemon.socket.parent) in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (owner_and_mode(daemon.socket.parent), tree(tmp_path / "elsewhere")) == before


def test_a_stranger_who_can_connect_is_refused_before_a_byte_is_read(daemon: Vragd) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    assert daemon.process is not None
    place = Path("/var/tmp") / f"vragd-stranger-{os.getpid()}"  # a way in past the folder's mode and those above it
    place.mkdir()
    place.chmod(0o755)
    os.link(daemon.socket, place / "s") if place.stat().st_dev == daemon.socket.lstat().st_dev else None
    if not (place / "s").exists():
        shutil.rmtree(place)
        pytest.skip("the socket cannot be linked to another folder here")
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        daemon.socket.chmod(0o666)
        code = (
            f"import os, socket; os.setgroups([]); os.setgid({STRANGER}); os.setuid({STRANGER})\n"
            f"s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect({str(place / 's')!r})\n"
            "s.sendall(b'GET /v1/status HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n'); print('sent', flush=True)\n"
            "try: print('answer', s.recv(1000))\n"
            "except ConnectionResetError: print('reset')\n"
        )
        stranger = subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, text=True)
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == "sent\n"
        daemon.process.send_signal(signal.SIGCONT)
        # Linux resets a connection whose other end is closed with bytes unread, and ends it in peace otherwise
        assert stranger.communicate(timeout=20)[0] == "reset\n"
    finally:
        daemon.process.send_signal(signal.SIGCONT)
        daemon.socket.chmod(0o600)
        shutil.rmtree(place)
    refusals = [line for line in daemon.log_lines() if line["event"] == "server.peer_refused"]
    assert [line["uid"] for line in refusals] == [STRANGER]


# -- too slow --------------------------------------------------------------------------------------


def test_whoever_is_slow_is_told_and_closed_within_the_documented_bounds(daemon: Vragd) -> None:
    get = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"
    clients = {
        "half a head": (Slow(daemon, b"GET /healthz HT"), b"408", 5),
        "a head a byte at a time": (Slow(daemon, b"GET /", b"x"), b"408", 5),
        "half a body": (Slow(daemon, post(b'{"te', length=100)), b"408", 10),
        "a body a byte at a time": (Slow(daemon, post(b"", length=100_000), b"x"), b"408", 10),
        "a chunk that does not end": (Slow(daemon, CHUNKED + b"5\r\nab"), b"408", 10),
        "answers that are never read": (Slow(daemon, get * 20_000, get, reads=False), b"", 10),
    }  # fmt: skip
    waiting = set(clients)
    deadline = time.monotonic() + 30
    while waiting and time.monotonic() < deadline:
        assert daemon.paths("numbats", top_k=1), "somebody else had to wait"
        waiting -= {name for name in waiting if clients[name][0].step()}
        time.sleep(0.02)
    assert not waiting
    for name, (client, status, bound_s) in clients.items():
        client.connection.close()
        assert client.answer.split(b" ")[1:2] == ([status] if status else []), name
        assert bound_s - 0.5 <= client.ended_s < bound_s + 8, (name, client.ended_s)


# -- too many --------------------------------------------------------------------------------------


def test_two_hundred_who_ask_at_once_are_answered_or_told_to_come_again(daemon: Vragd) -> None:
    request = post(QUERY).replace(b"host: x", b"host: x\r\nconnection: close")
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGSTOP)  # so that all are there before it looks
    held = [connect(daemon) for _ in range(200)]
    for connection in held:
        connection.sendall(request)
    daemon.process.send_signal(signal.SIGCONT)
    answers = []
    for connection in held:
        with connection:
            answers.append(rest(connection))
    assert all(answers), "closed without an answer"
    found = Counter(answer.split(b" ")[1] for answer in answers)
    assert found.keys() <= {b"200", b"503"}
    assert found[b"200"] >= 20
    for answer in answers:
        assert json.loads(answer.partition(b"\r\n\r\n")[2]).keys() & {"hits", "error"}


def test_when_all_places_are_taken_by_those_who_asked_a_newcomer_is_told_to_come_again(daemon: Vragd) -> None:
    held = [connect(daemon) for _ in range(64)]
    for connection in held:
        connection.sendall(post(b'{"te', length=100))
    with connect(daemon) as late:
        head, _, body = rest(late).partition(b"\r\n\r\n")
    for connection in held:
        connection.close()
    assert head.startswith(b"HTTP/1.1 503")
    assert {b"retry-after: 1", b"content-type: application/json"} <= set(head.split(b"\r\n"))
    assert json.loads(body)["error"]["code"] == "overloaded"


def test_clients_that_go_away_in_the_middle_of_a_search_cost_nothing(daemon: Vragd) -> None:
    for i in range(150):
        with connect(daemon) as connection:
            pump(connection, iter([post(QUERY)]))
            if i % 3 == 0:
                connection.shutdown(socket.SHUT_WR)
            if i % 3 == 1:
                time.sleep(0.002)  # into the search, or between its answer and our end
    for _ in range(3):
        until(lambda: b" 200 " in ask(daemon, post(QUERY))[:20], "the searches nobody waits for to be done")


# -- too much --------------------------------------------------------------------------------------

MIB_200 = 200 * 1024 * 1024


def chunks(n_bytes: int) -> Iterator[bytes]:
    for _ in range(n_bytes // 65_536):
        yield b"10000\r\n" + b"x" * 65_536 + b"\r\n"


@pytest.mark.parametrize("how", ["declared", "chunked"])
def test_two_hundred_mebibytes_are_refused_after_a_few_of_them(daemon: Vragd, how: str) -> None:
    with connect(daemon) as connection:
        if how == "declared":
            connection.sendall(post(b"", length=MIB_200))
            sent = pump(connection, (b"x" * 65_536 for _ in range(MIB_200 // 65_536)))
        else:
            connection.sendall(CHUNKED)
            sent = pump(connection, chunks(MIB_200))
        assert sent < 4 * 1024 * 1024
        assert rest(connection).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "head",
    [b"x: " + b"y" * 1024 * 1024 + b"\r\n", b"a: b\r\n" * 10_000, b"x" * 1024 * 1024],
    ids=["one-of-a-mebibyte", "ten-thousand", "no-end-of-line"],
)
def test_a_head_beyond_the_limit_is_refused(daemon: Vragd, head: bytes) -> None:
    with connect(daemon) as connection:
        pump(connection, iter([b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + head]))
        assert rest(connection).startswith(b"HTTP/1.1 431")


DEEP = 100_000
ENDLESS = ",".join(["1e999"] * 384)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/v1/query", '{"text": "x", "stores": ' + "[" * DEEP + "]" * DEEP + "}"),
        ("/v1/query", '{"a":' * (DEEP // 3) + "1" + "}" * (DEEP // 3)),
        ("/v1/query", '{"text": "x", "top_k": 1000000000}'),
        ("/v1/query", '{"text": "x", "top_k": 1e999}'),
        ("/v1/query", '{"text": "x", "top_k": ' + "9" * 5000 + "}"),
        ("/v1/query", f'{{"mode": "vector", "vector": [{ENDLESS}]}}'),
        ("/v1/query", f'{{"mode": "vector", "vector": [{ENDLESS.replace("1e999", "NaN")}]}}'),
        ("/v1/query", f'{{"mode": "vector", "vector": [{ENDLESS.replace("1e999", "1e39")}]}}'),  # no float32
        ("/v1/query", '{"text": "\\ud800"}'),
        ("/v1/query", '{"text": "x", "sources": ["\\u0000"]}'),
        ("/v1/sync", '{"wait_s": NaN}'),
        ("/v1/sync", '{"wait_s": 1e999}'),
        ("/v1/sync", '{"path": "/a\\u0000b"}'),
        ("/v1/index", '{"store": "abc", "path": "/a\\u0000b", "include": ["*.md"]}'),
        ("/v1/index", '{"store": "abc", "path": "relative", "include": ["*.md"]}'),
        ("/v1/index", '{"store": "abc", "path": "/nowhere", "include": ["!"]}'),
        ("/v1/stores", '{"name": "abc", "sources": [{"path": "/a\\u0000b"}]}'),
        ("/v1/stores", '{"name": "abc", "sources": [{"path": "/"}]}'),
        ("/v1/stores", '{"name": "abc", "metric": "dot", "backend": {"type": "s3vectors", "bucket": "abc"}}'),
        ("/v1/stores", '{"name": "../abc"}'),
    ],
    ids=lambda value: value[:60],
)
def test_values_that_cannot_be_are_refused_by_name(daemon: Vragd, target: str, body: str) -> None:
    answer = ask(daemon, post(body.encode(), target))
    assert answer.startswith(b"HTTP/1.1 422"), answer[:300]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


def test_a_nul_is_only_a_character_where_text_is_meant(daemon: Vragd) -> None:
    for mode in ("hybrid", "vector", "keyword"):
        assert isinstance(daemon.query("numbats\0numbats", mode=mode, folder="a\0b")["hits"], list)


@pytest.mark.parametrize("target", ["/healthz", "/v1/stores", "/openapi.json"])
def test_head_is_answered_as_get_is_without_the_body(daemon: Vragd, target: str) -> None:
    rest_of = f" {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    head, got = ask(daemon, b"HEAD" + rest_of), ask(daemon, b"GET" + rest_of)
    assert head.startswith(b"HTTP/1.1 200")
    assert head == got.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    with_origin = f"HEAD {target} HTTP/1.1\r\nhost: x\r\norigin: http://evil\r\n\r\n".encode()
    assert ask(daemon, with_origin).startswith(b"HTTP/1.1 403")


# -- no sense at all -------------------------------------------------------------------------------

VALID = [
    b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET /v1/files?state=indexed&store=notes HTTP/1.1\r\nhost: x\r\nconnection: keep-alive\r\n\r\n",
    b"HEAD /v1/status HTTP/1.0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    post(QUERY).replace(b"host: x", b"host: x\r\nexpect: 100-continue"),
    CHUNKED + b'5\r\n{"tex\r\n7\r\nt":"a"}\r\n0\r\na: b\r\n\r\n',
]
PIECES = st.sampled_from(
    [b"\r\n", b"\r\n\r\n", b"\0", b":", b" ", b"\x80", b"0\r\n\r\n", b"content-length: 5\r\n", b"-1", b"HTTP/9.9",
     b"\n", b"transfer-encoding: chunked\r\n", b"ffffffffffffffffffff\r\n", b"connection: close\r\n", b"http://x/"]
)  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """One valid request or two, with some bytes taken out, doubled, or others put in."""
    raw = b"".join(draw(st.lists(st.sampled_from(VALID), min_size=1, max_size=2)))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(raw)))
        until_ = min(len(raw), at + draw(st.integers(0, 12)))
        new = draw(PIECES | st.binary(max_size=6) | st.just(raw[at:until_] * 2))
        raw = raw[:at] + new + raw[until_:]
    return raw


def test_what_is_nearly_http_gets_an_answer_or_a_close_and_never_a_hang(daemon: Vragd) -> None:
    seen: Counter[bytes] = Counter()

    @settings(max_examples=250, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(spoilt() | st.binary(max_size=200))
    def check(raw: bytes) -> None:
        with connect(daemon) as connection:
            connection.settimeout(14)  # no documented bound of a read is longer
            pump(connection, iter([raw]))
            connection.shutdown(socket.SHUT_WR)
            answer = rest(connection)
        assert not answer or answer.startswith(b"HTTP/1.1 "), answer[:100]
        status = answer[9:12]
        assert status in (
            b"",
            b"100",
            b"200",
            b"400",
            b"403",
            b"404",
            b"405",
            b"408",
            b"413",
            b"422",
            b"431",
            b"501",
        ), answer
        seen[status] += 1

    check()
    assert {b"200", b"400", b"404", b"405", b"422"} <= seen.keys(), seen
