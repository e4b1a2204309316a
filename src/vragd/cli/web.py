"""`vragd web`: the page, for as long as the command runs."""

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
from typing import TYPE_CHECKING, Any

from vragd.cli.connect import client
from vragd.cli.render import out, say
from vragd.errors import UsageError, VragdError

if TYPE_CHECKING:
    from vragd.daemon.web import Addresses


BEGINS, OLD_S = "vragd-web-", 3600.0


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
    from vragd.daemon.web import serve

    told = Telling(os.environ.get("XDG_RUNTIME_DIR"), opens=not args.no_open)
    try:
        serve(asking, args.port, told.ready, told.asked if sys.stdin is not None and sys.stdin.isatty() else None)
    finally:
        told.end()
    return 0


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
        self._where: Addresses | None = None
        self._led: Path | None = None

    def ready(self, where: Addresses) -> None:
        """The page is served."""
        self._where = where
        self._address()
        say("It works once, for one browser. Ctrl-C ends the page.", 2)
        if sys.stdin is not None and sys.stdin.isatty():
            say("Enter prints another address.", 2)
        if "SSH_CONNECTION" in self._environ and not self._environ.get("DISPLAY"):
            say(f"From the machine you sit at, first: ssh -L {where.port}:127.0.0.1:{where.port} THIS-MACHINE", 2)
        elif self._opens:
            self._lead(where)

    def end(self) -> None:
        """What led to the page is gone with it."""
        if self._led is not None:
            with suppress(OSError):
                self._led.unlink()

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
        out(self._where.typed())
        sys.stdout.flush()

    def _lead(self, where: Addresses) -> None:
        try:
            self._led = a_file(self._folder)
            self._led.write_text(
                '<!doctype html><meta charset="utf-8"><title>vragd</title>'
                f'<meta http-equiv="refresh" content="0;url={where.from_file()}">'
            )
        except OSError as error:
            say(f"No browser was opened, no file can lead it: {error.strerror}. Open the address above.")
            return
        threading.Thread(target=self._open, args=[self._led.as_uri()], daemon=True).start()

    def _open(self, link: str) -> None:
        from vragd.cli.opening import open_link

        try:
            opener, status = open_link(link, self._environ)
        except VragdError as error:
            say(f"No browser was opened: {error.message}. Open the address above.")
            return
        if status:
            say(f"No browser was opened: {opener} ended with {status}. Open the address above.")
