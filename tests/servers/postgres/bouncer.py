"""A real PgBouncer in transaction mode, where this machine has one: of its package manager, for no registry has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psycopg

from tests.harness import until
from tests.servers.ports import free_port
from tests.servers.postgres.server import DATABASE, PASSWORD, USER, RealPostgres, unprivileged

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
WHY_NOT = "no PgBouncer: apt-get install pgbouncer, and the like"
SESSIONS = 2
"""So many of the server's are shared by all that come: a transaction has whichever is free."""


class Bouncer:
    """Before a server, between `with` and its end."""

    def __init__(self, server: RealPostgres) -> None:
        assert PROGRAM is not None, WHY_NOT
        self.home = Path(tempfile.mkdtemp(prefix="vragd-bouncer-"))
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.passfile = self.home / "pgpass"
        self.passfile.touch(0o600)
        self.passfile.write_text(server.passfile.read_text().replace(f":{server.port}:", f":{self.port}:"))
        (self.home / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        (self.home / "ini").write_text(
            f"[databases]\n{DATABASE} = host=127.0.0.1 port={server.port} dbname={DATABASE}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\npool_mode = transaction\n"
            f"default_pool_size = {SESSIONS}\nauth_type = scram-sha-256\nauth_file = {self.home}/users\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        who = unprivileged()
        for path in (self.home, self.home / "users", self.home / "ini") if who else ():
            os.chown(path, who["user"], who["group"])
        with (self.home / "log").open("ab") as log:
            assert PROGRAM is not None
            self._process = subprocess.Popen(
                [PROGRAM, self.home / "ini"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **who
            )
        until(self._answers, "PgBouncer to answer", 20)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
        shutil.rmtree(self.home, ignore_errors=True)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError((self.home / "log").read_text(errors="replace")[-1000:])
        try:
            with psycopg.connect(
                host="127.0.0.1", port=self.port, dbname=DATABASE, user=USER, password=PASSWORD, prepare_threshold=None
            ):
                return True
        except psycopg.OperationalError:
            return False
