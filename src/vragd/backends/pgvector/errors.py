"""
PostgreSQL's errors as ours.

What the server says may quote a row, a key or a note's text, so only the SQLSTATE is passed on. Errors of a
connection that does not come about have none: there the text alone tells.
"""

from __future__ import annotations

import re

import psycopg

from vragd.backends.pool import Unreachable
from vragd.errors import (
    AGAIN,
    BackendFull,
    BackendRefused,
    BackendUnavailable,
    StoreMismatch,
    UnknownCollection,
    VragdError,
)

_SAID: tuple[tuple[str, str, str], ...] = (
    (
        r"password authentication failed|no password supplied|authentication failed|SASL|peer authentication",
        "does not accept user or password",
        "check user, PGPASSWORD, passfile and ~/.pgpass (which nobody else may read: mode 0600)",
    ),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        "lets nobody in from here (pg_hba.conf)",
        "ask who runs the server",
    ),
    (r'database "[^"]*" does not exist|no such database', "has no such database", "create it, or check database"),
    (r'role "[^"]*" (does not exist|is not permitted)', "has no such user", "check user"),
    (
        r"server does not support SSL",
        "does not speak TLS",
        "switch it on there",
    ),
    (r"certificate|SSL error|tlsv1|root\.crt", "is not trusted (its certificate)", "see sslmode and sslrootcert"),
)
_SAYS = re.compile(r": [^\s:]+:  \S")  # libpq's "FATAL:  …", which the server writes in its own language


class Faulty(StoreMismatch):
    """The server finds fault with what was sent: of several rows one may be to blame."""


def from_connecting(error: psycopg.Error, where: str) -> VragdError:
    """The error of a connection that did not come about."""
    said = str(error)
    for pattern, what, hint in _SAID:
        if re.search(pattern, said, re.I):
            return BackendRefused(f"PostgreSQL {what}: {where}", hint=hint)
    if re.search(r"too many (clients|connections)|connection slots|no more connections", said, re.I):
        return BackendUnavailable(f"PostgreSQL has no connection left: {where}", hint=f"lower pool_size; {AGAIN}")
    if re.search(r"starting up|shutting down|recovery", said, re.I):
        return Unreachable(f"PostgreSQL is being started or stopped: {where}", hint=AGAIN)
    if _asked_for_password(error):  # and answers in the language of whoever runs it
        return BackendRefused(
            f"PostgreSQL asks for a password, and does not let us in: {where}",
            hint="check database, user, PGPASSWORD, passfile and ~/.pgpass (which nobody else may read: mode 0600)",
        )
    return Unreachable(f"PostgreSQL cannot be reached: {where}", hint=f"check network, host and port; {AGAIN}")


def _asked_for_password(error: psycopg.Error) -> bool:
    """Whether the server asked for one, and then said why it lets nobody in."""
    asked = error.pgconn is not None and bool(error.pgconn.used_password or error.pgconn.needs_password)
    return asked and _SAYS.search(str(error)) is not None


def from_server(error: psycopg.Error, where: str, name: str | None) -> VragdError:
    """The error of a statement; `name` is the collection it was about."""
    state = error.sqlstate or ""
    told = f"(SQLSTATE {state}): {where}"
    if not state and isinstance(error, psycopg.DataError):  # it was not sent at all
        return Faulty("a value cannot be sent to PostgreSQL")
    if not state or state[:2] in ("08", "58", "XX") or state in ("57P01", "57P02", "57P03", "25P03"):
        return Unreachable(f"the connection to PostgreSQL broke {told}", hint=AGAIN)
    if state in ("42P01", "3F000"):
        return UnknownCollection(f"the database has no store {name!r}" if name else f"there is no table {told}")
    if state in ("57014", "55P03"):
        return BackendUnavailable(f"PostgreSQL takes too long {told}", hint=f"raise timeout_s; {AGAIN}")
    if state == "53100":
        return BackendFull(f"PostgreSQL has no disk left {told}", hint="make room there")
    if state[:2] in ("40", "53", "55", "57"):
        return BackendUnavailable(f"PostgreSQL is busy {told}", hint=AGAIN)
    if state == "42501":
        return BackendRefused(f"PostgreSQL denies it {told}", hint="docs/backends.md: what a user must be allowed")
    if state == "25006":
        return BackendRefused(f"PostgreSQL is read-only {told}", hint="name the primary in host")
    if state in ("42704", "42883", "0A000"):
        return BackendRefused(f"the extension vector is not as it was {told}", hint="see that it is installed there")
    if state in ("42703", "42804", "42809", "42P10"):
        return BackendRefused(
            f"a table of the store's is not as vragd made it {told}",
            hint="delete the store there, and vragd makes and fills it again",
        )
    if state[:2] in ("23", "27", "P0"):
        return BackendRefused(
            f"PostgreSQL was given a rule that refuses it {told}",
            hint="see the triggers and constraints of the store's table: vragd makes none but its key",
        )
    if state[:2] in ("22", "54"):
        return Faulty(f"PostgreSQL refuses a value (SQLSTATE {state})")
    return BackendRefused(f"PostgreSQL refuses {told}", hint="check the store's backend settings")
