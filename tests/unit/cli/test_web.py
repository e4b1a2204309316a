"""`vragd web`: where the page is, who is told, and that it ends with the command."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.harness import until
from vragd.cli.main import main
from vragd.cli.web import NO_TICKET, Telling, a_file, kept
from vragd.client import Client
from vragd.daemon.web import Addresses, Typed, serve
from vragd.errors import NotFound, VragdError
from vragd.server.web.guard import Keys


def desktop(folder: Path, script: str) -> dict[str, str]:
    """An environment with a desktop that opens links so."""
    for name in ("xdg-open", "open"):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_the_address_is_printed_and_the_browser_led_there_by_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, keys = tmp_path / "told", Keys()
    environ = desktop(tmp_path, f'printf "%s" "$*" > "{told}.new"; mv "{told}.new" "{told}"')
    telling = Telling(str(tmp_path), opens=True, environ=environ)
    telling.ready(Addresses(8123, keys))
    until(told.exists, "the desktop to be asked")
    (file,) = tmp_path.glob("*.html")
    assert told.read_text() == file.as_uri()  # what others can see among processes: no ticket
    said = capsys.readouterr()
    typed = re.fullmatch(r"http://127\.0\.0\.1:8123/#([\w-]{43})\n", said.out)
    entered = re.search(r'content="0;url=http://127\.0\.0\.1:8123/enter/([\w-]{43})"', file.read_text())
    assert typed is not None and entered is not None
    assert keys.spend(typed[1]) and keys.spend(entered[1])
    assert "once" in said.err and "Ctrl-C" in said.err
    telling.end()
    assert not file.exists()


@pytest.mark.parametrize("script", ["exit 4", None])
def test_where_no_browser_opens_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], script: str | None
) -> None:
    environ = desktop(tmp_path, script) if script else {"PATH": str(tmp_path)}
    Telling(str(tmp_path), opens=True, environ=environ).ready(Addresses(8123, Keys()))
    said = until(lambda: (err := capsys.readouterr().err) and "No browser" in err and err, "the word of it")
    assert "Open the address above." in said


def test_over_ssh_the_way_here_is_said_and_nothing_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Telling(str(tmp_path), opens=True, environ={"SSH_CONNECTION": "1"}).ready(Addresses(8123, Keys()))
    assert "ssh -L 8123:127.0.0.1:8123 THIS-MACHINE" in capsys.readouterr().err
    Telling(str(tmp_path), opens=False, environ={}).ready(Addresses(8123, Keys()))
    assert list(tmp_path.iterdir()) == []  # no browser, no file that leads it


class Keeps(Client):
    """A daemon that keeps the page: its tickets, and how often it is asked until a browser has come."""

    def __init__(self, url: str, asked_until: int = 2) -> None:
        super().__init__("none")
        self.url, self.left, self.n = url, asked_until, 0

    def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any:
        if (method, target) != ("POST", "/v1/web"):
            raise NotFound("no such path")
        if body["ticket"] == NO_TICKET:
            return {"url": self.url, "ticket": ""}
        if body["ticket"]:
            self.left -= 1
            return {"url": self.url, "ticket": body["ticket"] if self.left > 0 else ""}
        self.n += 1
        return {"url": self.url, "ticket": f"t{self.n}" if self.url else ""}


class Older(Client):
    def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any:
        raise NotFound("no such path")


def test_of_the_page_that_the_daemon_keeps_the_address_is_told_until_the_browser_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asking, told = Keeps("http://127.0.0.1:8123", 3), tmp_path / "told"
    page = kept(asking)
    assert page is not None and page.port == 8123
    telling = Telling(str(tmp_path), opens=True, environ=desktop(tmp_path, f'cp "${{1#file://}}" "{told}"'))
    telling.led(page)
    assert asking.left == 0
    until(told.exists, "the desktop to be asked")
    telling.end()
    said = capsys.readouterr()
    assert said.out == "http://127.0.0.1:8123/#t1\n"  # none was asked for to know where
    assert "The daemon keeps the page" in said.err
    assert list(tmp_path.glob("*.html")) == []


def test_who_opens_no_browser_waits_for_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for telling in (
        Telling(None, opens=False),
        Telling(str(tmp_path), opens=True, environ=desktop(tmp_path, "exit 4")),
    ):
        page = kept(Keeps("http://127.0.0.1:8123", 10**9))
        assert page is not None
        telling.led(page)  # returns
    assert "ended with 4). Open the address above." in capsys.readouterr().err
    assert list(tmp_path.glob("*.html")) == []


def test_where_no_page_is_kept_or_it_does_not_answer_that_is_known() -> None:
    assert kept(Keeps("")) is None
    assert kept(Older("none")) is None
    page = kept(asking := Keeps("http://127.0.0.1:8123"))
    asking.url = ""
    with pytest.raises(VragdError, match="the page does not answer"):
        assert page and page.typed()


def test_a_port_that_is_none_or_taken_and_a_daemon_that_is_away_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = ["--socket", str(tmp_path / "s")]
    assert main(["web", "--port", "70000", *away]) == 2
    assert "70000 is no port" in capsys.readouterr().err
    assert main(["web", "--no-open", *away]) == 3
    assert "no vragd is running" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_it_is_served_until_it_is_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    """In this very process, whose daemon is away: the page itself is there all the same."""
    found = dict[str, object]()

    def look(where: Addresses) -> None:
        try:
            asked = http.client.HTTPConnection("127.0.0.1", where.port, timeout=10)
            asked.request("GET", "/")
            found["page"] = asked.getresponse().read()
            asked.close()
        finally:
            os.kill(os.getpid(), number)

    def ready(where: Addresses) -> None:
        found["port"] = where.port
        threading.Thread(target=look, args=[where]).start()

    def missed(*_: object) -> None:
        found["missed"] = True
        os.kill(os.getpid(), signal.SIGINT)

    before, hangup = signal.getsignal(signal.SIGINT), signal.signal(signal.SIGHUP, missed)
    try:
        serve(Client(tmp_path / "s"), 0, ready, None)
    finally:
        signal.signal(signal.SIGHUP, hangup)
    assert "missed" not in found
    assert b'<script type="module" src="/page.js">' in bytes(found["page"])  # type: ignore[call-overload]
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", int(str(found["port"])))):
        pass


def test_what_is_typed_for_others_is_looked_at_now_and_then_and_not_all_the_time() -> None:
    async def typed() -> tuple[int, float]:
        there, write = os.pipe()
        os.write(write, b"\n")
        loop, called, seen = asyncio.get_running_loop(), 0, asyncio.Event()

        def asked() -> bool | None:
            nonlocal called
            called += 1
            if called < 4:
                return None
            seen.set()
            return False

        began = loop.time()
        typing = Typed(there, asked, again_s=0.05)
        async with asyncio.timeout(10):
            await seen.wait()
        took = loop.time() - began
        typing.end()
        os.close(there)
        os.close(write)
        return called, took

    called, took = asyncio.run(typed())
    assert (called, took >= 0.14) == (4, True)


TWO = """
import fcntl, os, pty, signal, termios
from vragd.cli.web import Telling
ours, theirs = pty.openpty()
fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
os.dup2(theirs, 0)
os.write(ours, b"\\n")
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
if os.fork() == 0:
    os.setpgid(0, 0)
    telling = Telling(None, opens=False)
    print(telling.asked(), flush=True)
    os.tcsetpgrp(0, os.getpgrp())
    print(telling.asked(), flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.slow
def test_in_the_background_no_line_is_taken() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO], capture_output=True, text=True, check=True, start_new_session=True, timeout=60
    )
    assert done.stdout.split() == ["None", "True"]


def test_the_file_that_leads_there_is_for_its_owner_alone_and_what_was_left_of_others_goes(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = a_file(str(tmp_path))
        assert (file.parent, stat.S_IMODE(file.stat().st_mode)) == (tmp_path, 0o600)
    finally:
        os.umask(before)
    left = tmp_path / "vragd-web-left.html"
    left.touch()
    os.utime(left, (1e9, 1e9))  # by one that was killed
    assert a_file(str(tmp_path)).exists()
    assert (left.exists(), file.exists()) == (False, True)  # that of one that runs stays


def test_in_place_of_a_folder_that_is_none_that_of_temporary_files_is_taken(tmp_path: Path) -> None:
    file = a_file(str(tmp_path / "none"))
    try:
        assert (file.exists(), file.parent == tmp_path) == (True, False)
    finally:
        file.unlink()


NO_ROOM = """
import resource
from vragd.cli.web import Telling
from vragd.daemon.web import Addresses
from vragd.server.web.guard import Keys
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
telling = Telling(".", opens=True, environ={})
telling.ready(Addresses(8123, Keys()))
telling.end()
"""


@pytest.mark.slow
def test_where_no_file_can_be_written_the_address_is_there_all_the_same(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM], capture_output=True, text=True, check=True, cwd=tmp_path, timeout=60
    )
    assert done.stdout.startswith("http://127.0.0.1:8123/#")
    assert "No browser was opened" in done.stderr and "Open the address above." in done.stderr
    assert list(tmp_path.iterdir()) == []
