"""
A large file of JSON, a piece at a time: the members of its members, which one line of hundreds of MB may hold.

Memory holds one of those at a time. Whatever the bytes are, nothing but UsageError is raised for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from vragd.errors import UsageError

CHUNK = 1 << 20
MOST = 64 << 20
"""Bytes of one piece."""
_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET = re.compile(rb'["\[\]{}]')
_SCALAR = re.compile(rb"[^\s,:\]}\[{\"]*")


class Piece(NamedTuple):
    """A member `key` of the member `section`, or `section` itself where that is no object (`key` is None)."""

    section: str
    key: str | None
    at: int
    """Where in the file it begins, in bytes."""
    raw: bytes


def pieces(path: Path) -> Generator[Piece, None, None]:
    """Every piece, in the order of the file. Raises UsageError for what is no object of JSON."""
    with path.open("rb") as file:
        reader = _Reader(file, path.name)
        for section in reader.members():
            if reader.peek() == b"{":
                for key in reader.members():
                    yield Piece(section, key, *reader.value())
            else:
                yield Piece(section, None, *reader.value())
        if reader.peek():
            raise reader.wrong()


def value_of(raw: bytes, name: str) -> Any:
    """What a piece is. Raises UsageError."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise UsageError(f"{name} is damaged: {raw[:40]!r} is no JSON") from None


class _Reader:
    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name
        self._read, self._at, self._base = b"", 0, 0  # what was read and not dropped, where in it, and in the file

    def wrong(self) -> UsageError:
        """The complaint about what stands here."""
        found = self._read[self._at : self._at + 20]
        what = f"{found!r} stands" if found else "it ends"
        return UsageError(f"{self._name} is damaged, or no JSON: {what} at byte {self._base + self._at:,}")

    def _more(self) -> bool:
        """Read on, dropping what lies before the place; whether there was more."""
        if len(self._read) - self._at > MOST:
            raise UsageError(f"{self._name}: one piece of it is larger than {MOST >> 20} MiB")
        kept = self._read[self._at :]
        found = self._file.read(max(CHUNK, len(kept)))
        self._read, self._base, self._at = kept + found, self._base + self._at, 0
        return bool(found)

    def peek(self) -> bytes:
        """The next character that is no blank; nothing at the end."""
        while True:
            blank = _SPACE.match(self._read, self._at)
            assert blank is not None
            self._at = blank.end()
            if self._at < len(self._read) or not self._more():
                return self._read[self._at : self._at + 1]

    def members(self) -> Generator[str, None, None]:
        """The keys of an object; whoever asks takes each one's value before the next."""
        self._take(b"{")
        if self.peek() == b"}":
            self._at += 1
            return
        while True:
            if self.peek() != b'"':
                raise self.wrong()
            key = value_of(self.value()[1], self._name)
            self._take(b":")
            yield str(key)
            if self.peek() == b"}":
                self._at += 1
                return
            self._take(b",")

    def _take(self, char: bytes) -> None:
        if self.peek() != char:
            raise self.wrong()
        self._at += 1

    def value(self) -> tuple[int, bytes]:
        """Where the next value begins in the file, and its bytes, whose brackets match."""
        first = self.peek()
        if first in (b"{", b"["):
            length = self._nested()
        elif first == b'"':
            length = self._string(0)
        else:
            length = self._scalar()
        if not length:
            raise self.wrong()
        at = self._base + self._at
        raw = self._read[self._at : self._at + length]
        self._at += length
        return at, raw

    def _nested(self) -> int:
        depth, length = 0, 0
        while True:
            bracket = _BRACKET.search(self._read, self._at + length)
            if bracket is None:
                length = len(self._read) - self._at
                if not self._more():
                    raise self.wrong()
                continue
            length = bracket.start() - self._at
            if bracket[0] == b'"':
                length = self._string(length)
                continue
            length += 1
            depth += 1 if bracket[0] in (b"{", b"[") else -1
            if not depth:
                return length

    def _string(self, begins: int) -> int:
        """Where a string ends that begins so far behind the place."""
        while True:
            string = _STRING.match(self._read, self._at + begins)
            if string is not None:
                return string.end() - self._at
            if not self._more():
                raise self.wrong()

    def _scalar(self) -> int:
        while True:
            scalar = _SCALAR.match(self._read, self._at)
            assert scalar is not None
            if scalar.end() < len(self._read) or not self._more():
                return scalar.end() - self._at
