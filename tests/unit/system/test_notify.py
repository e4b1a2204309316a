"""The service manager's protocols, against real sockets and descriptors."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vragd.system import notify

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


@pytest.fixture(autouse=True)
def unsupervised(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    name = str(tmp_path / "notify") if request.param == "path" else f"\0vragd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))
        yield listener


def test_each_word_is_one_message_in_the_managers_form(manager: socket.socket) -> None:
    assert notify.wanted()
    assert notify.ready("Serving 2 stores")
    assert manager.recv(4096) == b"READY=1\nSTATUS=Serving 2 stores"
    assert notify.stopping()
    assert manager.recv(4096).split(b"\n")[0] == b"STOPPING=1"
    assert notify.alive()
    assert manager.recv(4096) == b"WATCHDOG=1"
    assert notify.status("two\nlines")
    assert manager.recv(4096) == b"STATUS=two lines"


def test_reloading_carries_the_monotonic_time_in_microseconds(manager: socket.socket) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert notify.reloading()
    first, second = manager.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_without_a_manager_nothing_is_sent() -> None:
    assert not notify.wanted()
    assert notify.ready("x") is False


@pytest.mark.parametrize(
    "address", ["/nowhere/at/all", "@nobody-listens-here", "vsock:2:1", "relative", "/" + "x" * 300]
)
def test_an_address_nobody_listens_at_raises_nothing(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert notify.ready("x") is False


def test_a_manager_that_does_not_read_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        most = 2_000  # more than any queue of a socket holds
        sent = []
        while len(sent) < most and (not sent or sent[-1]):
            sent.append(notify.notify("x" * 1000, timeout_s=0.01))
        sent += [notify.notify("x" * 1000, timeout_s=0.01) for _ in range(20)]
    assert sent[0]
    assert not sent[-1]


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        ("60000000", None, 60.0),
        ("500000", "ours", 0.5),
        ("500000", "1", None),
        ("0", None, None),
        ("", None, None),
        ("soon", None, None),
        ("-5", None, None),
    ],
)
def test_the_watchdogs_period_is_taken_only_when_it_is_ours(
    usec: str, pid: str | None, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid)
    assert notify.watchdog_s() == expected


CHILD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=sys.argv[2] or str(os.getpid()), LISTEN_FDS=sys.argv[3], LISTEN_FDNAMES="vragd.socket")
from vragd.system.notify import listen_fds
found = listen_fds()
print([tuple(each) for each in found], [os.get_inheritable(each.fd) for each in found], listen_fds())
print([name for name in os.environ if name.startswith("LISTEN_")])
"""


def listened(pid: str, count: str) -> list[str]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as passed:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(passed.fileno()), pid, count],
            pass_fds=[passed.fileno()], capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_passed_descriptor_is_taken_once_and_kept_from_children() -> None:
    assert listened("", "1") == ["[(3, 'vragd.socket')] [False] []", "[]"]


@pytest.mark.parametrize(("pid", "count"), [("1", "1"), ("", "0"), ("", "many"), ("", "")])
@pytest.mark.slow
def test_what_is_meant_for_another_process_or_nobody_is_not_taken(pid: str, count: str) -> None:
    assert listened(pid, count) == ["[] [] []", "[]"]


@pytest.mark.slow
def test_descriptors_that_were_promised_and_are_not_there_are_left_out() -> None:
    assert listened("", "1000000")[0].startswith("[(3, 'vragd.socket')")
