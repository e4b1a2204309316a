"""The page that the configuration keeps: served, and begun anew when it ends, but not again and again at once."""

from __future__ import annotations

import asyncio
import http.client
import os
import resource
import signal
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.clock import FakeClock
from vragd.client import Client
from vragd.daemon.page import MODULE, MOST_S, NEW, Page
from vragd.daemon.web import keep, told
from vragd.errors import ConfigError
from vragd.server.door import loopback
from vragd.server.web.guard import Keys
from vragd.system.child import HEAD, Answer, Child, ChildEnded, serve_on


def get(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as asked:
        asked.request("GET", path)
        return asked.getresponse().status


def test_what_the_daemon_asks_is_a_ticket_whether_one_is_good_or_nothing() -> None:
    keys = Keys()
    ticket = told(keys, NEW)
    assert told(keys, ticket) == ticket
    assert keys.spend(ticket.decode()) and told(keys, ticket) == b""
    assert told(keys, b"") == told(keys, b"\xff") == b""


def test_it_is_served_on_the_daemons_port_until_nobody_asks_any_more(tmp_path: Path) -> None:
    """In this very process, over the pipes that a process of its own has."""
    (asked, ask), (answers, answer) = os.pipe(), os.pipe()
    listener, _ = loopback("127.0.0.1:0")
    port = listener.getsockname()[1]

    def questions(answered: Answer) -> None:
        with os.fdopen(asked, "rb") as asks, os.fdopen(answer, "wb") as says:
            serve_on(asks, says, answered)

    page = threading.Thread(target=lambda: asyncio.run(keep(listener, Client(tmp_path / "none"), questions)))
    page.start()
    try:
        os.write(ask, len(NEW).to_bytes(HEAD, "big") + NEW)
        with open(answers, "rb") as told_us:
            ticket = told_us.read(int.from_bytes(told_us.read(HEAD), "big")).decode()
        assert (get(port, "/"), get(port, f"/enter/{ticket}"), get(port, f"/enter/{ticket}")) == (200, 200, 403)
    finally:
        os.close(ask)
        page.join(30)
    assert not page.is_alive()


def test_it_ends_with_a_daemon_that_was_killed_before_it_heard_an_answer(tmp_path: Path) -> None:
    (asked, ask), (answers, answer) = os.pipe(), os.pipe()
    os.close(answers)
    os.write(ask, len(NEW).to_bytes(HEAD, "big") + NEW)

    def questions(answered: Answer) -> None:
        with os.fdopen(asked, "rb") as asks, open(answer, "wb", buffering=0) as says:
            serve_on(asks, says, answered)

    listener, _ = loopback("127.0.0.1:0")
    asyncio.run(asyncio.wait_for(keep(listener, Client(tmp_path / "none"), questions), 30))
    os.close(ask)
    assert listener.fileno() == -1


def test_a_port_that_is_not_to_be_had_is_an_error_of_ours() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1:0: Too many open files"):
            loopback("127.0.0.1:0")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class Ends(Child):
    """A process that ends as soon as it is asked."""

    n = 0

    def ask(self, question: bytes, timeout_s: float, most: int) -> bytes:
        self.n += 1
        raise ChildEnded("crashed")


def test_one_that_ends_again_and_again_is_begun_ever_less_often() -> None:
    async def check() -> None:
        clock, child = FakeClock(), Ends("none")
        page = Page(loopback("127.0.0.1:0")[0], child, clock)
        page.begin()
        seen = list[int]()
        for _ in range(12):  # of five minutes each; its thread may take its time
            for _ in range(300):
                await clock.advance(1)
                await asyncio.sleep(0.001)
            seen.append(child.n)
        assert page.trouble == "crashed"
        assert await page.ticket("") == ""
        await page.end()
        assert seen[0] <= 8  # after 0, 4, 12, 28, 60, 124 and 252 seconds
        assert 1 <= seen[-1] - seen[-3] <= 2 * 300 / MOST_S

    asyncio.run(check())


@pytest.mark.slow
def test_one_that_was_killed_is_there_again_on_its_port_and_lets_in_who_asks_anew(tmp_path: Path) -> None:
    async def check() -> None:
        clock = FakeClock()
        listener, _ = loopback("127.0.0.1:0")
        descriptor, port = listener.fileno(), listener.getsockname()[1]
        child = Child(MODULE, str(descriptor), str(tmp_path / "none"), passed=(descriptor,))
        page = Page(listener, child, clock)
        page.begin()
        try:
            ticket = await page.ticket("")
            assert page.url == f"http://127.0.0.1:{port}" and await page.ticket(ticket) == ticket
            assert await asyncio.to_thread(get, port, f"/enter/{ticket}") == 200
            assert await page.ticket(ticket) == ""
            pid = child.pid
            os.kill(pid or 0, signal.SIGKILL)
            while child.pid in (pid, None):
                await clock.advance(1)
                await asyncio.sleep(0.01)
            assert await asyncio.to_thread(get, port, "/") == 200
        finally:
            await page.end()
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port)):
            pass

    asyncio.run(check())
