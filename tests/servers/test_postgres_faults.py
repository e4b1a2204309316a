"""A daemon whose table is in a real PostgreSQL with faults: a proxy stands in between, message by message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Vragd, until
from tests.servers import faulted, story
from tests.servers.between import BetweenPostgres
from tests.servers.postgres.server import USER, RealPostgres
from tests.servers.test_postgres_daemon import Place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Faulted(Place):
    """A `story.Place` behind what has faults. Its passwords stand under another port."""

    def __init__(self, server: RealPostgres, passfile: Path) -> None:
        super().__init__(server)
        self.between = BetweenPostgres(server.port)
        words = server.passfile.read_text().replace(f":{server.port}:", f":{self.between.host.partition(':')[2]}:")
        passfile.touch(0o600)
        passfile.write_text(words)
        self._passfile = passfile

    @property
    def backend(self) -> dict[str, Any]:
        return super().backend | {"host": self.between.host, "passfile": str(self._passfile)}


@pytest.fixture
def place(server: RealPostgres, tmp_path: Path) -> Iterator[Faulted]:
    server.execute("DROP SCHEMA IF EXISTS vragd CASCADE")
    with (place := Faulted(server, tmp_path / "pgpass")).between:
        yield place


@pytest.fixture
def daemon(tmp_path: Path, place: Faulted) -> Iterator[Vragd]:
    with story.running(tmp_path, place.configure) as daemon:
        yield daemon


def test_a_busy_server_that_loses_its_answers_costs_nothing_but_time(daemon: Vragd, place: Faulted) -> None:
    faulted.bears_what_a_busy_server_does(daemon, place, place.between.faults)


def test_while_a_password_has_expired_answers_go_on_and_what_is_saved_waits(daemon: Vragd, place: Faulted) -> None:
    with place.server.connected() as owner:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND pid != pg_backend_pid()"

        def expire() -> None:
            owner.execute(f"ALTER ROLE {USER} VALID UNTIL '2000-01-01'")
            owner.execute(others, [USER])

        faulted.waits_while_it_is_let_in_no_more(
            daemon,
            place,
            "check user, PGPASSWORD, passfile",
            expire,
            lambda: owner.execute(f"ALTER ROLE {USER} VALID UNTIL 'infinity'"),
        )


def test_a_server_that_is_restarted_amid_a_batch_loses_nothing(daemon: Vragd, place: Faulted) -> None:
    faulted.is_restarted_amid_a_batch(daemon, place, place.between.faults)


def test_a_table_that_somebody_emptied_is_filled_again(daemon: Vragd, place: Faulted) -> None:
    faulted.is_emptied_and_filled_again(daemon, place, lambda: place.server.execute(f"TRUNCATE {place.table}"))


def test_a_save_of_one_passage_costs_one_insert_and_one_delete(daemon: Vragd, place: Faulted) -> None:
    calls, writes = place.between.faults.calls, ("INSERT", "COPY", "UPDATE", "DELETE")
    before, n_embedded = {name: calls[name] for name in writes}, daemon.store["n_embedded"]
    (daemon.vault / "n05.md").write_text("# Number 5\n\nA quokka by now.\n")
    until(lambda: calls["DELETE"] > before["DELETE"], "the deletion")
    daemon.settle()
    assert {name: calls[name] - before[name] for name in writes} == {"INSERT": 1, "COPY": 0, "UPDATE": 0, "DELETE": 1}
    assert daemon.store["n_embedded"] == n_embedded + 1
