"""Passwords and keys, from a file that nobody else may read or from the environment, and the header they go in."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Mapping
from unicodedata import category

from vragd.errors import BackendRefused
from vragd.system.secrets import Unfit, can_be_sent, secret_in

_ALONE = "write the secret, and nothing else, there"


def secret(file: str | None, setting: str, variable: str) -> str:
    """
    The first line of `file`, which `setting` names, else the variable, without white space around it; empty where
    there is neither.

    Raises BackendRefused, which names file or variable and never what is in them.
    """
    if file is None:
        return _line(os.environ.get(variable, ""), variable)
    try:
        text = secret_in(file)
    except Unfit as error:
        raise BackendRefused(f"{setting} {error}", hint=error.hint or f"check {setting}") from None
    if not (first := _line(text.partition("\n")[0], setting)):
        raise BackendRefused(f"{setting} holds nothing", hint=f"check {setting}")
    return first


def _line(text: str, where: str) -> str:
    text = text.strip()
    if any(category(letter)[0] == "C" for letter in text):  # a line end, a BOM, half of a surrogate pair
        raise BackendRefused(f"what {where} holds has line ends or control characters", hint=_ALONE)
    return text


def sendable(word: str, where: str) -> str:
    """`word`, if a header can carry it as it is. Raises BackendRefused, which tells `where` it was found alone."""
    if not can_be_sent(word):
        raise BackendRefused(f"what {where} holds has blanks, or other letters than a key has", hint=_ALONE)
    return word


class Header:
    """A header that says who asks, made once. Its repr tells nothing. A subclass says what is in it."""

    name = "Authorization"
    kind = ""
    """What it holds, for people."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: str | None = None
        self.shown = ""

    def __repr__(self) -> str:
        return type(self).__name__

    def _made(self) -> str:
        """Empty for none."""
        return ""

    def headers(self, method: str, url: str, body: bytes, content_type: str) -> Mapping[str, str]:
        with self._lock:
            if self._known is None:
                self._known = self._made()
                self.shown = self.kind if self._known else ""
            return {self.name: self._known} if self._known else {}

    def forget(self) -> None:
        with self._lock:
            self._known = None


class Basic(Header):
    """User and password; nothing where there is no user."""

    kind = "user or password"

    def __init__(self, user: str | None, file: str | None, variable: str) -> None:
        super().__init__()
        self._user, self._file, self._variable = user, file, variable

    def _made(self) -> str:
        if self._user is None:
            return ""
        word = secret(self._file, "password_file", self._variable)
        if not word:
            raise BackendRefused(
                f"there is no password for user {self._user!r}", hint=f"set {self._variable}, or password_file"
            )
        return "Basic " + base64.b64encode(f"{self._user}:{word}".encode()).decode("ascii")
