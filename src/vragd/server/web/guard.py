"""
Who may ask for the page and for what it shows. Other users of the machine reach the port, and so does every web page
that a browser of ours has open.

A page is known by what the browser says of it (Host, Origin, Sec-Fetch-Site), its user by a token in a header. A token
is had for a ticket, which is good once: it stands after the `#` of an address, which no browser sends or logs, or in
the path of `ENTER`, which a file that only its owner can read leads to. So neither is among a process's arguments.
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque

import h11

from vragd.errors import Forbidden

ENTER = "/enter/"
MOST_TICKETS, MOST_SESSIONS = 8, 64

HEADERS = (
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
)


class Keys:
    """The tickets that are good yet, and the tokens that were had for others. All end with the process."""

    def __init__(self) -> None:
        self._tickets: deque[str] = deque(maxlen=MOST_TICKETS)
        self._tokens: deque[str] = deque(maxlen=MOST_SESSIONS)

    def ticket(self) -> str:
        """A new one; it is good once. Of many that nobody used the oldest are not good any more."""
        self._tickets.append(secrets.token_urlsafe(32))
        return self._tickets[-1]

    def has(self, ticket: str) -> bool:
        """Whether the ticket is still good."""
        return any(_same(one, ticket) for one in self._tickets)

    def spend(self, ticket: str) -> bool:
        """Whether the ticket was good, which it is not any more."""
        found = [one for one in self._tickets if _same(one, ticket)]
        for one in found:
            self._tickets.remove(one)
        return bool(found)

    def exchange(self, ticket: str) -> str:
        """The token for a ticket. Raises Forbidden."""
        if not self.spend(ticket):
            raise Forbidden("this address was used before, or is none of this page", hint="vragd web gives another")
        self._tokens.append(secrets.token_urlsafe(32))
        return self._tokens[-1]

    def knows(self, token: str) -> bool:
        """Whether it is a token of ours."""
        return any(_same(one, token) for one in self._tokens)


def _same(one: str, other: str) -> bool:
    """`one` is ours; `other` may be anything, even what no bytes stand for."""
    return other.isascii() and hmac.compare_digest(one.encode(), other.encode())


class Guard:
    """A `Door.guard`: lets in our own page and, for what is told of notes, only whoever has a token."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def __call__(self, request: h11.Request) -> None:
        """Raises Forbidden."""
        said: dict[str, list[str]] = {}
        for name, value in request.headers:
            said.setdefault(name.decode("ascii"), []).append(value.decode("latin-1"))
        hosts = said.get("host", [])
        if len(hosts) != 1:  # which ones are ours the door knows
            raise Forbidden("the request does not say for which host it is")
        if {origin.lower() for origin in said.get("origin", [])} - {f"http://{hosts[0].lower()}"}:
            raise Forbidden("requests from other web pages are refused")
        path = request.target.decode("ascii").partition("?")[0]
        if set(said.get("sec-fetch-site", [])) - {"same-origin", "none"} and not _enters(path, said):
            raise Forbidden("requests from other web pages are refused", hint="type or paste the address")
        if path.startswith("/v1/"):
            scheme, _, token = said.get("authorization", [""])[0].partition(" ")
            if scheme.lower() != "bearer" or not self._keys.knows(token):
                raise Forbidden("this page is not, or no longer, one that is answered", hint="vragd web gives another")


def _enters(path: str, said: dict[str, list[str]]) -> bool:
    """Whether somebody is led here by a file, to be asked for the ticket: not to a frame or for a part of a page."""
    led = (said.get("sec-fetch-mode"), said.get("sec-fetch-dest")) == (["navigate"], ["document"])
    return led and path.startswith(ENTER) and "origin" not in said
