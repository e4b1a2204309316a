"""Behind the page's door: who is let in, what is there and what is not, and what is passed on to the daemon."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from structlog.testing import capture_logs

from vragd.client import Client
from vragd.server.door import loopback
from vragd.server.http import Limits, Server
from vragd.server.routes import ROUTES
from vragd.server.socket import Peer
from vragd.server.table import Reply
from vragd.server.web.guard import ENTER, HEADERS, MOST_TICKETS, Guard, Keys
from vragd.server.web.serving import READS, Web, files

FILES = files()
NAVIGATES = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
MOST_STREAMS = Limits().max_streams
EVERY = [*sorted(READS), *(("GET", path) for path in FILES), ("POST", "/session"), ("GET", f"{ENTER}x"), ("GET", "/no")]


class Told(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Page:
    """The door with the page behind it, and a daemon that answers each request with what it was asked."""

    def __init__(self, place: Path) -> None:
        self.path, self.keys = place / "s", Keys()
        self.asked: list[tuple[str, str, bytes]] = []
        self.streams = 0
        self.answer: Callable[[str], Awaitable[Reply]] | None = None

    async def _daemon(self, method: str, target: str, body: bytes, peer: Peer) -> Reply:
        self.asked.append((method, target, body))
        if self.answer is not None:
            return await self.answer(target)
        if target == "/v1/events":
            return Reply(200, b"", "text/event-stream", parts=self._events())
        return Reply(200, json.dumps({"at": target}).encode())

    async def _events(self) -> AsyncGenerator[bytes, None]:
        self.streams += 1
        try:
            yield b"id: 1\nevent: progress\ndata: {}\n\n"
            await asyncio.Event().wait()
        finally:
            self.streams -= 1

    async def start(self) -> None:
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(self.path))
        unix.listen()
        unix.setblocking(False)
        self.daemon = Server(self._daemon, Limits(max_streams=MOST_STREAMS + 2), lambda *_: 5.0)
        self.daemon.start(unix)
        listener, door = loopback("127.0.0.1:0")
        self.port = listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        web = Web(Client(self.path), self.keys)
        self.server = Server(
            web.answer, Limits(), lambda *_: 5.0, replace(door, guard=Guard(self.keys), headers=HEADERS)
        )
        self.server.start(listener)

    async def open(
        self, method: str, target: str, body: bytes = b"", host: str | None = "", **headers: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        if host is not None:
            said["host"] = host or self.host
        lines = [f"{method} {target} HTTP/1.{int(host is not None)}", *(f"{n}: {v}" for n, v in said.items())]
        writer.write("\r\n".join([*lines, f"content-length: {len(body)}", "connection: close", "", ""]).encode() + body)
        return reader, writer

    async def ask(self, method: str, target: str, body: bytes = b"", host: str | None = "", **headers: str) -> Told:
        reader, writer = await self.open(method, target, body, host, **headers)
        head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        first, *fields = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in fields)
        return Told(int(first.split()[1]), {name.lower(): value for name, _, value in pairs}, rest)

    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys.exchange(self.keys.ticket())}"}


def serve(place: Path, check: Callable[[Page], Awaitable[None]]) -> None:
    async def main() -> None:
        page = Page(place)
        await page.start()
        try:
            await check(page)
        finally:
            await page.server.stop(0)
            await page.daemon.stop(0)

    asyncio.run(main())


def test_another_host_origin_or_site_is_refused_at_every_path_and_nobody_is_asked(tmp_path: Path) -> None:
    async def check(page: Page) -> None:
        own = page.bearer()
        wrong: list[dict[str, Any]] = [
            {"host": "evil.example"}, {"host": f"evil.example:{page.port}"}, {"host": "127.0.0.1"}, {"host": None},
            {"host": f"[::1]:{page.port}"}, {"origin": "http://evil.example"}, {"origin": "null"},
            {"origin": "http://127.0.0.1:1"}, {"origin": f"https://{page.host}"},
            {"origin": f"http://localhost:{page.port}"},
            {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}, {"sec_fetch_site": "other"},
        ]  # fmt: skip
        for method, path in EVERY:
            for said in wrong:
                told = await page.ask(method, path, b"{}", **(own | said))
                assert told.status == 403, (method, path, said)
                assert json.loads(told.body)["error"]["code"] == "forbidden"
        assert page.asked == []

    serve(tmp_path, check)


def test_our_own_page_is_answered_by_either_of_its_names(tmp_path: Path) -> None:
    async def check(page: Page) -> None:
        for host in (page.host, f"localhost:{page.port}", f"LocalHost:{page.port}"):
            said = {"host": host, "origin": f"http://{host}", "sec_fetch_site": "same-origin"}
            assert (await page.ask("POST", "/v1/query", b"{}", **page.bearer(), **said)).status == 200
        assert (await page.ask("GET", "/", sec_fetch_site="none")).status == 200

    serve(tmp_path, check)


def test_what_is_told_of_notes_needs_a_token_and_a_ticket_is_none(tmp_path: Path) -> None:
    async def check(page: Page) -> None:
        ticket, other = page.keys.ticket(), Keys()
        old = other.exchange(other.ticket())
        wrong = ["", "Bearer", "Bearer ", "Bearer x", f"Bearer {ticket}", f"Bearer {old}", "Bearer \xe9"]
        wrong.append(page.bearer()["authorization"].removeprefix("Bearer "))
        for method, path in sorted(READS):
            for said in wrong:
                assert (await page.ask(method, path, b"{}", authorization=said)).status == 403, (path, said)
            assert (await page.ask(method, path, b"{}")).status == 403
        assert page.asked == []
        for said in ("\ud800", f"{ticket}\udfff", "\xe9", ""):
            told = await page.ask("POST", "/session", json.dumps({"ticket": said}).encode())
            assert told.status == 403, said
        assert (await page.ask("POST", "/session", json.dumps({"ticket": ticket}).encode())).status == 200

    serve(tmp_path, check)


def test_reads_are_passed_on_as_they_came_and_answered_as_the_daemon_does(tmp_path: Path) -> None:
    async def check(page: Page) -> None:
        own = page.bearer()
        for method, path in sorted(READS - {("GET", "/v1/events")}):
            page.asked.clear()
            told = await page.ask(method, f"{path}?state=failed&store=a%20b", b'{"text": "x"}', **own)
            assert (told.status, json.loads(told.body)) == (200, {"at": f"{path}?state=failed&store=a%20b"})
            assert page.asked == [(method, f"{path}?state=failed&store=a%20b", b'{"text": "x"}')]

        async def refused(target: str) -> Reply:
            return Reply(422, b'{"error": {}}')

        page.answer = refused
        assert (await page.ask("POST", "/v1/query", b"{}", **own))[::2] == (422, b'{"error": {}}')

    serve(tmp_path, check)


def test_no_route_that_changes_something_is_there(tmp_path: Path) -> None:
    known = {(route.method, route.path) for route in ROUTES}
    assert READS - {("GET", "/v1/map")} <= known
    assert {path for method, path in READS if method != "GET"}.isdisjoint(
        {"/v1/sync", "/v1/stores", "/v1/index", "/v1/verify"}
    )

    async def check(page: Page) -> None:
        own = page.bearer()
        for path in {path.replace("{name}", "notes") for _, path in known} | {
            "/v1",
            "/v1/",
            "/v1/query/",
            "//v1/query",
        }:
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
                if (method, path) not in READS:
                    told = await page.ask(method, path, b"{}", **own)
                    assert told.status in (404, 405), (method, path)
        assert page.asked == []

    serve(tmp_path, check)


def test_a_ticket_is_good_once_for_a_token(tmp_path: Path) -> None:
    async def check(page: Page) -> None:
        ticket = page.keys.ticket()
        body = json.dumps({"ticket": ticket}).encode()
        token = json.loads((await page.ask("POST", "/session", body)).body)["token"]
        assert (await page.ask("GET", "/v1/status", authorization=f"bearer {token}")).status == 200
        assert (await page.ask("POST", "/session", body)).status == 403
        for wrong in (b"", b"[]", b'{"ticket": 1}', b"{}", b"\xff", b"[" * 100_000):
            assert (await page.ask("POST", "/session", wrong)).status == 422
        assert (await page.ask("GET", "/session")).status == 405

    serve(tmp_path, check)


def test_of_tickets_that_nobody_used_the_oldest_end() -> None:
    keys = Keys()
    tickets = [keys.ticket() for _ in range(MOST_TICKETS + 1)]
    assert [keys.spend(ticket) for ticket in tickets] == [False] + [True] * MOST_TICKETS


def test_a_file_leads_to_the_page_once_by_itself_alone(tmp_path: Path) -> None:
    async def check(page: Page) -> None:
        path = ENTER + page.keys.ticket()
        framed = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}
        fetched = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "script"}
        leads = {name.replace("-", "_"): value for name, value in NAVIGATES.items()}
        for said in (framed, fetched, leads | {"origin": "null"}):
            assert (await page.ask("GET", path, **said)).status == 403
        assert (await page.ask("POST", path)).status == 405
        told = await page.ask("GET", path, **leads)
        assert told.status == 200
        ticket = re.fullmatch(rb'<!doctype html><meta http-equiv="refresh" content="0;url=/#([\w-]{43})">', told.body)
        assert ticket is not None
        assert (await page.ask("GET", path, **leads)).status == 403
        assert (await page.ask("GET", "/", **leads)).status == 403
        assert page.keys.spend(ticket[1].decode())

    serve(tmp_path, check)


def test_every_answer_keeps_other_pages_and_other_scripts_out(tmp_path: Path) -> None:
    async def check(page: Page) -> None:
        answers = [await page.ask(method, path, b"{}") for method, path in EVERY]
        answers += [await page.ask("GET", "/v1/status", **page.bearer()), await page.ask("GET", "/", host="evil")]
        for told in answers:
            assert set(HEADERS) <= set(told.headers.items())
            assert (told.headers["x-content-type-options"], told.headers["cache-control"]) == ("nosniff", "no-store")
        policy = answers[0].headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy and "*" not in policy and "data:" not in policy

    serve(tmp_path, check)


def test_events_go_on_until_the_page_leaves(tmp_path: Path) -> None:
    async def check(page: Page) -> None:
        reader, writer = await page.open("GET", "/v1/events", **page.bearer())
        assert b"event: progress" in await reader.readuntil(b"data: {}\n\n")
        assert page.streams == 1
        writer.close()
        async with asyncio.timeout(5):
            while page.streams:
                await asyncio.sleep(0.01)
        reader, writer = await page.open("GET", "/v1/events", **page.bearer())
        await reader.readuntil(b"data: {}\n\n")
        await page.daemon.stop(0)  # the daemon ends: so does the stream
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()

    serve(tmp_path, check)


def test_a_stream_too_many_is_refused_and_the_daemon_is_left_alone(tmp_path: Path) -> None:
    async def check(page: Page) -> None:
        own, opened = page.bearer(), []
        for _ in range(MOST_STREAMS):
            reader, writer = await page.open("GET", "/v1/events", **own)
            await reader.readuntil(b"data: {}\n\n")
            opened.append(writer)
        assert (await page.ask("GET", "/v1/events", **own)).status == 503
        async with asyncio.timeout(5):
            while page.streams > MOST_STREAMS:
                await asyncio.sleep(0.01)
        for writer in opened:
            writer.close()

    serve(tmp_path, check)


def test_a_daemon_that_is_away_or_breaks_off_is_said(tmp_path: Path) -> None:
    async def check(page: Page) -> None:
        own = page.bearer()

        async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            writer.close()

        await page.daemon.stop(0)
        told = await page.ask("GET", "/v1/status", **own)
        assert (told.status, json.loads(told.body)["error"]["code"]) == (503, "no_daemon")
        assert "no vragd is running" in json.loads(told.body)["error"]["message"]
        assert (await page.ask("GET", "/")).status == 200
        page.path.unlink()
        for said in (b"", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"):
            other = await asyncio.start_unix_server(nonsense, page.path)
            told = await page.ask("GET", "/v1/status", **own)
            assert (told.status, json.loads(told.body)["error"]["code"]) == (503, "no_daemon"), said
            other.close()
            page.path.unlink(missing_ok=True)

    serve(tmp_path, check)


def test_a_daemon_that_dies_ends_its_events_without_a_word_in_the_terminal(tmp_path: Path) -> None:
    async def check(page: Page) -> None:
        async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
            writer.close()

        await page.daemon.stop(0)
        page.path.unlink(missing_ok=True)
        other = await asyncio.start_unix_server(dies, page.path)
        with capture_logs() as logged:
            told = await page.ask("GET", "/v1/events", **page.bearer())
        other.close()
        assert (told.status, told.body) == (200, b"3\r\none\r\n0\r\n\r\n")
        assert logged == []

    serve(tmp_path, check)


def test_the_files_hold_together_and_lead_nowhere_else() -> None:
    texts = {path: reply.body.decode() for path, reply in FILES.items()}
    for path, text in texts.items():
        for name in re.findall(r"""(?:from|src=|href=) ?["'](/[\w./-]*)["']""", text):
            assert name in texts, (path, name)
        addresses = set(re.findall(r"\w+://[\w.]+", text)) - {"http://www.w3.org"}
        assert addresses == set() or (path == "/dom.js" and addresses == {"obsidian://"}), path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function", text), path
    assert "style=" not in texts["/"] and "<style" not in texts["/"]
    scripts = re.findall(r'<script type="module" src="(.*?)">', texts["/"])
    assert scripts == ["/session.js", "/page.js"] and texts["/"].count("<script") == len(scripts)
    # else a browser learns of each only when it has read the one that asks for it
    assert sorted(re.findall(r'modulepreload" href="(.*?)"', texts["/"]) + scripts) == [
        p for p in sorted(texts) if p.endswith(".js")
    ]
    assert {reply.media_type for reply in FILES.values()} == {
        "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml",
    }  # fmt: skip
