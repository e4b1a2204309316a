"""`vragd web` at a terminal, before a real daemon: addresses, a token, the daemon's restart, the end."""

from __future__ import annotations

import http.client
import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Vragd, until, vragd


def ask(port: int, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as asked:
        asked.request(method, path, None if body is None else json.dumps(body), {"authorization": f"Bearer {token}"})
        answer = asked.getresponse()
        return answer.status, json.loads(answer.read())


OWN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


class Terminal:
    """The command with a terminal that is its own: what it shows, what is typed there."""

    def __init__(self, instance: Vragd, *args: str) -> None:
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWN, sys.executable, "-m", "vragd", "web", *args], env=instance.env,
            cwd=instance.home, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""

    def addresses(self) -> list[str]:
        os.set_blocking(self.ours, False)
        try:
            self.shown += os.read(self.ours, 65_536).decode()
        except OSError:  # nothing new
            pass
        return [line for line in self.shown.split("\r\n")[:-1] if line.startswith("http://127.0.0.1:")]

    def type(self, text: bytes) -> None:
        os.write(self.ours, text)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.ours)


@contextmanager
def web(instance: Vragd, *args: str) -> Iterator[Terminal]:
    terminal = Terminal(instance, "--no-open", *args)
    try:
        yield terminal
    finally:
        terminal.end()


def test_it_lets_in_by_each_address_once_outlives_the_daemon_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with vragd(tmp_path) as instance:
        (instance.vault / "Heron.md").write_text("A heron at the pond.")
        instance.start()
        with web(instance) as terminal:
            until(lambda: len(terminal.addresses()) == 1, "an address")
            terminal.type(b"\n")
            until(lambda: len(terminal.addresses()) == 2, "another address")
            port = int(terminal.addresses()[0].split(":")[2].split("/")[0])
            tokens = list[str]()
            for address in terminal.addresses():
                ticket = {"ticket": address.partition("#")[2]}
                status, told = ask(port, "POST", "/session", ticket)
                assert status == 200
                tokens.append(told["token"])
                assert ask(port, "POST", "/session", ticket)[0] == 403
            for token in tokens:
                status, told = ask(port, "POST", "/v1/query", {"text": "heron"}, token)
                assert (status, [hit["path"] for hit in told["hits"]]) == (200, ["Heron.md"])
            assert ask(port, "POST", "/v1/sync", {}, tokens[0])[0] == 404
            assert instance.stop() == 0
            assert ask(port, "GET", "/v1/status", token=tokens[0])[1]["error"]["code"] == "no_daemon"
            instance.start()
            assert ask(port, "GET", "/v1/status", token=tokens[0])[0] == 200
            terminal.type(b"\x03")
            assert terminal.process.wait(20) == 0


def test_a_page_that_is_kept_is_where_the_status_says_from_one_reload_to_another(tmp_path: Path) -> None:
    with vragd(tmp_path, web=True) as instance:
        (instance.vault / "Heron.md").write_text("A heron at the pond.")
        instance.start()

        def let_in() -> tuple[int, str]:
            address = instance.run("web", "--no-open").stdout.strip()
            url, _, ticket = address.partition("/#")
            assert (
                url == instance.status()["page"]["url"] and f"page: {url} (vragd web" in instance.run("status").stdout
            )
            status, told = ask(int(url.rpartition(":")[2]), "POST", "/session", {"ticket": ticket})
            assert status == 200
            return int(url.rpartition(":")[2]), told["token"]

        port, token = let_in()
        status, told = ask(port, "POST", "/v1/query", {"text": "heron"}, token)
        assert (status, [hit["path"] for hit in told["hits"]]) == (200, ["Heron.md"])
        assert ask(port, "POST", "/v1/web", {}, token)[0] == 404  # who was let in lets nobody in
        assert instance.client.request("GET", "/v1/status?audience=assistant")["page"] is None
        for kept in (False, True):
            instance.configure(web=kept)
            assert instance.run("reload").returncode == 0
            assert (instance.status()["page"] is not None) == kept
            with pytest.raises(OSError), closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as asked:
                asked.request("GET", "/")
        port, _ = let_in()
        instance.kill()  # which nobody can tell the page of

        def gone() -> bool:
            with socket.socket() as other:
                return other.connect_ex(("127.0.0.1", port)) != 0

        until(gone, "the page to end")


def test_the_daemon_has_nothing_of_it() -> None:
    code = "import sys, vragd.daemon.life as life; print([m for m in sys.modules if m.startswith(('vragd.server.web',"
    code += " 'vragd.daemon.web', 'vragd.daemon.page'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
