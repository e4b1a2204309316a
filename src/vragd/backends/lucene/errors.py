"""
The engines' errors as ours.

What they say may quote a document or a key, so of it only the type of an error is passed on. Whether somebody may do
something, the status alone tells: some answer with a text, and AWS in a form of its own.
"""

from __future__ import annotations

import re
from typing import Any

from vragd.backends.http.errors import BUSY, somebody_else
from vragd.errors import (
    AGAIN,
    BackendFull,
    BackendRefused,
    BackendUnavailable,
    StoreMismatch,
    UnknownCollection,
    VragdError,
)

MOST_REASON = 240  # characters
_TYPE = re.compile("[a-z_]{1,80}")
_GONE = frozenset({"index_not_found_exception", "aliases_not_found_exception", "resource_not_found_exception"})


class Faulty(StoreMismatch):
    """The server finds fault with what was sent: of several documents one may be to blame."""


class Exists(StoreMismatch):
    """What is to be made is there already."""


class TooMuch(BackendUnavailable):
    """It does not take so much at once, now or ever: less may do."""


def type_of(error: Any) -> str:
    """The type of an error as the engine names it; empty where it is none of its."""
    if isinstance(error, dict):
        cause = error.get("root_cause")
        inner = cause[0] if isinstance(cause, list) and cause else error
        for one in (inner, error):
            kind = one.get("type") if isinstance(one, dict) else None
            if isinstance(kind, str) and _TYPE.fullmatch(kind):
                return kind
    return ""


def reason_of(error: Any) -> str:
    """What the engine says of an error, in a line; it may quote what was sent."""
    said = []
    for _ in range(4):  # from what failed down to why
        if not isinstance(error, dict):
            break
        reason = error.get("reason")
        if isinstance(reason, str) and reason not in said:
            said.append(" ".join(reason.split()))
        error = error.get("caused_by")
    text = ": ".join(said)
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MOST_REASON])


def from_answer(
    status: int, error: Any, title: str, where: str, name: str | None, *, shown: str = "user or password",
    quotes: bool = False,
) -> VragdError:  # fmt: skip
    """
    The error of a request, or of an item of a bulk. `error` is what stands under that key; `name` the collection it
    was about; `shown` who we said we are, empty where nothing was. `quotes`: nothing of a note was in the request, so
    the engine's own words are told.
    """
    kind = type_of(error)
    cause = ": ".join(filter(None, (kind or f"status {status}", reason_of(error) if quotes else "")))
    told = f"({cause}): {where}"
    if "Document ID is not supported" in str(error):
        return BackendRefused(
            f"this is {title} Serverless, which takes no ids of ours: {where}",
            hint="use a domain of its own: a note that is saved twice would be found twice",
        )
    if kind == "cluster_block_exception":
        return _blocked(status, title, told)
    if status == 401:
        return BackendRefused(
            f"{title} {f'does not accept {shown}' if shown else 'wants to know who asks'}: {where}",
            hint="docs/backends.md: where user, password and keys are looked for",
        )
    if status == 403:
        return BackendRefused(
            f"{title} denies it {told}", hint="renew what has expired; docs/backends.md: what a user must be allowed"
        )
    if status == 404 and kind in _GONE:
        return UnknownCollection(f"{where}: there is no store {name!r}" if name else f"there is no index {told}")
    if status == 413 or (
        status == 429 and kind.endswith(("rejected_execution_exception", "circuit_breaking_exception"))
    ):
        return TooMuch(f"{title} does not take so much at once {told}", hint=AGAIN)
    if status in BUSY or kind == "version_conflict_engine_exception":
        return BackendUnavailable(f"{title} is busy {told}", hint=AGAIN)
    if kind == "resource_already_exists_exception":
        return Exists(f"there is an index already {told}")
    if kind == "index_closed_exception":
        return BackendRefused(f"the index of {name!r} is closed {told}", hint="open it there")
    if status == 400 and kind:
        return Faulty(f"{title} refuses what was sent ({cause})")
    if not kind:
        return somebody_else(status, title, where)
    return BackendRefused(f"{title} refuses {told}", hint="check the store's backend settings")


def _blocked(status: int, title: str, told: str) -> VragdError:
    if status == 429:  # the flood stage: it is lifted by the server when there is room again
        return BackendFull(f"{title} has next to no disk left and takes nothing {told}", hint="make room there")
    return BackendRefused(f"{title} has writes of this index switched off {told}", hint="see its setting index.blocks")
