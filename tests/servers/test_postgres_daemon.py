"""A daemon whose store is searched in a real PostgreSQL: moved there and back, cut off, and robbed of its table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Vragd, vragd
from tests.s3 import configure
from tests.servers import story
from tests.servers.postgres.server import DATABASE, PASSWORD, USER, RealPostgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Place:
    """A `story.Place`."""

    secret_belongs_in = "PGPASSWORD"

    def __init__(self, server: RealPostgres) -> None:
        self.server = server
        self.url = f"postgresql://{USER}@{server.host}/{DATABASE}?passfile={server.passfile}&query_timeout_s=60"
        self.wrong_url = f"postgresql://{USER}:planted@{server.host}/{DATABASE}"
        self.kill, self.start = server.kill, server.start

    def configure(self, daemon: Vragd) -> None:
        place = {"host": self.server.host, "database": DATABASE, "user": USER, "passfile": str(self.server.passfile)}
        configure(daemon, {"type": "pgvector", "query_timeout_s": 60, **place})

    @property
    def table(self) -> str:
        ((name,),) = self.server.execute("SELECT table_name FROM vragd.collections WHERE name = 'notes'")
        return f"vragd.{name}"

    def held(self) -> set[str]:
        return {key for (key,) in self.server.execute(f"SELECT key FROM {self.table}")}


@pytest.fixture
def place(server: RealPostgres) -> Place:
    server.execute("DROP SCHEMA IF EXISTS vragd CASCADE")
    return Place(server)


@pytest.fixture
def daemon(tmp_path: Path, place: Place) -> Iterator[Vragd]:
    with vragd(tmp_path) as daemon:
        place.configure(daemon)
        story.fill(daemon)
        daemon.start()
        yield daemon
        assert PASSWORD not in daemon.log()


def test_a_store_is_moved_away_and_back_without_embedding(daemon: Vragd, place: Place) -> None:
    story.is_moved_away_and_back_without_embedding(daemon, place)


def test_the_place_is_asked_without_the_daemon(daemon: Vragd, place: Place) -> None:
    story.is_asked_without_the_daemon(daemon, place)


def test_an_outage_is_told_words_go_on_and_it_catches_up(daemon: Vragd, place: Place) -> None:
    story.is_cut_off_and_catches_up(daemon, place)


def test_a_table_that_somebody_dropped_is_made_and_filled_again(daemon: Vragd, place: Place) -> None:
    story.is_robbed_and_filled_again(daemon, place, lambda: place.server.execute(f"DROP TABLE {place.table}"))
