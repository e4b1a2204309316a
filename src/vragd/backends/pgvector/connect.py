"""
Connections to one database, which `pool` keeps.

A session keeps nothing from one transaction to the next: no prepared statement, no setting, no lock. So a pooler in
transaction mode may stand in between. `psycopg_pool` would hide why a server cannot be reached behind a timeout.
"""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from vragd.backends.pgvector.errors import from_connecting, from_server
from vragd.backends.pgvector.settings import PgvectorBackend as Settings
from vragd.backends.pgvector.settings import hosts
from vragd.backends.pgvector.wire import Wire, WireDumper
from vragd.backends.pool import Pool, said_something
from vragd.errors import BackendRefused
from vragd.terms.hosts import is_loopback

CONNECT_TIMEOUT_S = 5
T = TypeVar("T")
Connection = psycopg.Connection[Any]
Cursor = psycopg.Cursor[Any]


def parameters(settings: Settings) -> dict[str, Any]:
    """What libpq is told. It finds a password by itself, in the environment and in files."""
    places = hosts(settings.host)
    sslmode = settings.sslmode
    if sslmode is None and settings.leaves_machine():
        said = os.environ.get("PGSSLMODE", "")
        sslmode = "verify-full" if said == "verify-full" else "verify-ca" if said == "verify-ca" else "require"
    given = {
        "host": ",".join(name for name, _ in places),
        "port": ",".join(port for _, port in places),
        "dbname": settings.database,
        "user": settings.user,
        "passfile": settings.passfile,
        "sslmode": sslmode,
        "sslrootcert": settings.sslrootcert,
        "target_session_attrs": "read-write" if len(places) > 1 else None,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "client_encoding": "utf8",
        "application_name": "vragd",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": int(settings.timeout_s * 1000),
    }
    return {key: value for key, value in given.items() if value is not None}


class Connections:
    """Thread-safe. `run` is the only way to a connection."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self.where = settings, settings.where()
        self._pool = Pool(settings.pool_size, self.where, self._connected, _is_alive, cut, clock)

    def run(self, work: Callable[[Cursor], T], timeout_s: float, name: str | None = None) -> T:
        """
        What `work` returns, which runs in a transaction; none of its statements takes longer than `timeout_s`.

        It runs again if a connection that was kept turns out to be dead: all that is done here may be done twice.
        """
        ms = max(1, int(timeout_s * 1000))

        def transact(connection: Connection) -> T:
            try:
                with connection.transaction(), connection.cursor(binary=True) as cursor:
                    cursor.execute(f"SET LOCAL statement_timeout = {ms}; SET LOCAL lock_timeout = {ms}", binary=False)
                    return work(cursor)
            except psycopg.Error as error:
                raise from_server(error, self.where, name) from None

        return self._pool.run(transact, timeout_s)

    def _connected(self, timeout_s: float) -> Connection:
        """A new connection. Raises BackendRefused where it would be readable on the way."""
        if self._settings.passfile is not None:
            _check_passfile(self._settings.passfile)
        given = parameters(self._settings)
        given["connect_timeout"] = max(2, min(CONNECT_TIMEOUT_S, int(timeout_s)))  # libpq knows no less than 2
        try:
            connection = psycopg.connect(autocommit=True, prepare_threshold=None, **given)
        except psycopg.Error as error:
            raise from_connecting(error, self.where) from None
        info = connection.info
        if is_readable(info.host, info.hostaddr, encrypted=bool(connection.pgconn.ssl_in_use)):
            connection.close()
            raise BackendRefused(
                f"vectors would leave this machine unencrypted: {self.where}",
                hint="set sslmode: require; PGHOSTADDR or a service file may lead elsewhere than host says",
            )
        connection.adapters.register_dumper(Wire, WireDumper)
        return connection

    def close(self) -> None:
        """Close what is idle, and cut off what is not: whoever waits there gets BackendUnavailable."""
        self._pool.close()


def _is_alive(connection: Connection) -> bool:
    whole = not connection.closed and not connection.broken
    rests = whole and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    return rests and not said_something(connection.fileno())


def is_readable(host: str, address: str, *, encrypted: bool) -> bool:
    """Whether somebody on the way to `address`, an IP, could read what is sent. `host`: a name or a socket's folder."""
    return not encrypted and not host.startswith("/") and not is_loopback(address)


def cut(connection: psycopg.Connection[Any]) -> None:
    """End the conversation underneath a thread that waits for it, without freeing what it uses."""
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as copy:
            copy.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.Error):
        return


def _check_passfile(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise BackendRefused(f"passfile cannot be read: {error.strerror}", hint="check passfile") from None
    if stat.S_IMODE(mode) & 0o077:
        raise BackendRefused("passfile can be read by others, so libpq would ignore it", hint="chmod 600 it")
