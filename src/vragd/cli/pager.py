"""Answers that are longer than the terminal go through the user's pager, as git's do. Standard library only."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import subprocess

LESS = "FRX"
"""What less is told where its user told it nothing: end with what fits, show colours, leave the screen as it is."""


def pager_of(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The command of the pager: $PAGER, else less; none for an empty one, for cat, and where there is none."""
    import shlex
    import shutil

    asked = environ.get("PAGER")
    if environ.get("TERM") == "dumb" or asked in ("", "cat"):
        return []
    try:
        words = shlex.split(asked or "less")
    except ValueError:  # a quote that is not closed
        return []
    return words if words and shutil.which(words[0], path=environ.get("PATH")) else []


@contextmanager
def paged() -> Iterator[None]:
    """
    Have what is written to standard output, and to standard error where that is a terminal too, go through the pager
    once it is more than the terminal has rows. What fits is written as it is, in the end.
    """
    stdout, stderr = sys.stdout, sys.stderr
    try:
        keeper = Keeper(stdout.fileno())
    except OSError:  # of a program that shows it in its own way
        yield
        return
    stdout.flush()
    sys.stdout = _text(keeper, stdout)
    if stderr.isatty():
        stderr.flush()
        sys.stderr = _text(keeper, stderr)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = stdout, stderr
        keeper.end()


class Keeper:
    """Keeps what is written until it is known whether it fits the terminal."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        try:
            rows = os.get_terminal_size(self._fd).lines
        except OSError:
            rows = 0
        self._left = (rows or 24) - 1  # the prompt takes one
        self._kept: list[bytes] | None = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def fd(self) -> int:
        """Of the terminal."""
        return self._fd

    def take(self, data: bytes) -> None:
        """What comes next."""
        if self._kept is None:
            self._pass_on(data)
            return
        self._kept.append(data)
        self._left -= data.count(b"\n")
        if self._left < 0:
            self._begin()

    def _begin(self) -> None:
        kept, self._kept = b"".join(self._kept or ()), None
        if command := pager_of():
            import subprocess

            environ = {"LESS": LESS, "LV": "-c"} | dict(os.environ)
            with suppress(OSError):  # it is written as it would be without one
                self._process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environ)  # noqa: S603  the user's
        self._pass_on(kept)

    def _pass_on(self, data: bytes) -> None:
        if self._process is None:
            _write(self._fd, data)
            return
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # who read it has seen enough
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def end(self) -> None:
        """Write what fits; else wait until it was read."""
        if self._kept is not None:
            _write(self._fd, b"".join(self._kept))
        if self._process is None:
            return
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        while True:
            try:
                self._process.wait()
            except KeyboardInterrupt:  # is the pager's
                continue
            return


class _Raw(io.RawIOBase):
    """A terminal to whoever asks, which gives what is written to a keeper."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._keeper.fd

    def write(self, data: object) -> int:
        taken = bytes(data)  # type: ignore[call-overload]
        self._keeper.take(taken)
        return len(taken)


def _text(keeper: Keeper, like: TextIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(_Raw(keeper)), like.encoding, like.errors, line_buffering=True)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
