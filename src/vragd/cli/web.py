"""`vragd web`: the page, for as long as the command runs; or the way into the one that the daemon keeps."""

from __future__ import annotations

import argparse
import os
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from vragd.cli.connect import client
from vragd.cli.render import out_whole, say
from vragd.client import Client
from vragd.errors import NotFound, UsageError, VragdError

BEGINS, OLD_S = "vragd-web-", 3600.0
LED_S, LOOK_S = 30.0, 0.2
"""How long a file waits for the browser that it leads, and how often it is looked whether that has come."""


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("web", parents=[common], help="a page to search and look at your notes, in a browser")
    sub.add_argument("--port", type=int, default=0, metavar="PORT", help="of 127.0.0.1; any that is free if left out")
    sub.add_argument("--no-open", action="store_true", help="print the address, open no browser")
    sub.set_defaults(command=_web)


def _web(args: argparse.Namespace) -> int:
    if not 0 <= args.port < 65_536:
        raise UsageError(f"{args.port} is no port", hint="for instance --port 8123")
    asking = client(args)
    asking.request("GET", "/healthz", timeout_s=5.0)  # raises where there is nothing to look at
    told = Telling(os.environ.get("XDG_RUNTIME_DIR"), opens=not args.no_open)
    if not args.port and (page := kept(asking)) is not None:
        try:
            told.led(page)
        except KeyboardInterrupt:
            pass
        finally:
            told.end()
        return 0
    from vragd.daemon.web import serve

    try:
        serve(asking, args.port, told.ready, told.asked if sys.stdin is not None and sys.stdin.isatty() else None)
    finally:
        told.end()
    return 0


class Where(Protocol):
    """Where a page is; each of both addresses works once."""

    port: int

    def typed(self) -> str: ...

    def from_file(self) -> str: ...


class Kept:
    """That of the page which the daemon keeps. Raises what asking does."""

    def __init__(self, asking: Client, url: str) -> None:
        self._asking, self._url, self._led = asking, url, ""
        self.port = int(url.rpartition(":")[2])

    def typed(self) -> str:
        """As `Addresses` has it."""
        return f"{self._url}/#{self._ticket()}"

    def from_file(self) -> str:
        """As `Addresses` has it."""
        self._led = self._ticket()
        return f"{self._url}/enter/{self._led}"

    def entered(self) -> bool:
        """Whether somebody came by the file."""
        return not _asked(self._asking, self._led)["ticket"]

    def _ticket(self) -> str:
        if not (ticket := _asked(self._asking)["ticket"]):
            raise VragdError("the page does not answer", hint="vragd status says why; it is begun again by itself")
        return str(ticket)


NO_TICKET = "-"
"""Asked with it, the page gives no new one: it keeps but a few."""


def _asked(asking: Client, ticket: str = "") -> Any:
    return asking.request("POST", "/v1/web", {"ticket": ticket})


def kept(asking: Client) -> Kept | None:
    """The page that the daemon keeps, if it keeps one. Raises what asking does."""
    try:
        url = _asked(asking, NO_TICKET)["url"]
    except NotFound:  # a daemon of before
        return None
    return Kept(asking, url) if url else None


def a_file(folder: str | None) -> Path:
    """
    A new file that only its owner can read, in the folder, or else where temporary ones are. What one that was killed
    has left there is removed. Raises OSError.
    """
    try:
        descriptor, name = tempfile.mkstemp(".html", BEGINS, folder or None)
    except OSError:
        if not folder:
            raise
        return a_file(None)
    os.close(descriptor)
    for old in Path(name).parent.glob(f"{BEGINS}*.html"):
        with suppress(OSError):
            seen = old.lstat()
            if stat.S_ISREG(seen.st_mode) and seen.st_uid == os.geteuid() and seen.st_mtime < time.time() - OLD_S:
                old.unlink()
    return Path(name)


class Telling:
    """Tells a person where the page is, and opens it through a file of `folder`: an argument is seen by everybody."""

    def __init__(self, folder: str | None, *, opens: bool, environ: Mapping[str, str] = os.environ) -> None:
        self._folder, self._opens, self._environ = folder, opens, environ
        self._where: Where | None = None
        self._led: Path | None = None

    def ready(self, where: Where) -> None:
        """The page is served, for as long as we run."""
        self._where = where
        self._address()
        say("It works once, for one browser. Ctrl-C ends the page.", 2)
        if sys.stdin is not None and sys.stdin.isatty():
            say("Enter prints another address.", 2)
        self._open_it(where)

    def led(self, where: Kept) -> None:
        """The page is kept: nobody waits but for the browser that a file leads there, if one does."""
        self._where = where
        self._address()
        say("It works once, for one browser. The daemon keeps the page (web: true).", 2)
        self._open_it(where)
        deadline = time.monotonic() + LED_S
        while self._led is not None and time.monotonic() < deadline and not where.entered():
            time.sleep(LOOK_S)

    def _open_it(self, where: Where) -> None:
        if "SSH_CONNECTION" in self._environ and not self._environ.get("DISPLAY"):
            say(f"From the machine you sit at, first: ssh -L {where.port}:127.0.0.1:{where.port} THIS-MACHINE", 2)
        elif self._opens:
            self._lead(where)

    def end(self) -> None:
        """What led to the page is gone with it."""
        led, self._led = self._led, None
        if led is not None:
            with suppress(OSError):
                led.unlink()

    def asked(self) -> bool | None:
        """Whether a line could be read; for one there is another address. None in the background."""
        try:
            if os.tcgetpgrp(0) != os.getpgrp():
                return None  # what is typed is for others
            said = os.read(0, 4096)
        except OSError:
            return False
        if said and self._where is not None:
            self._address()
        return bool(said)

    def _address(self) -> None:
        assert self._where is not None
        out_whole(self._where.typed())
        sys.stdout.flush()

    def _lead(self, where: Where) -> None:
        try:
            led = self._led = a_file(self._folder)
            led.write_text(
                '<!doctype html><meta charset="utf-8"><title>vragd</title>'
                f'<meta http-equiv="refresh" content="0;url={where.from_file()}">'
            )
        except OSError as error:
            say(f"No browser was opened, no file can lead it: {error.strerror}. Open the address above.")
            return
        threading.Thread(target=self._open, args=[led.as_uri()], daemon=True).start()

    def _open(self, link: str) -> None:
        from vragd.cli.opening import open_link, why_not

        try:
            opener, status = open_link(link, self._environ)
        except VragdError as error:
            why = error.message
        else:
            why = why_not("web pages", opener, status) if status else ""
        if why:
            self.end()
            say(f"No browser was opened: {why}. Open the address above.")
