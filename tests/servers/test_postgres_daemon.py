"""A daemon whose store is searched in a real PostgreSQL: moved there and back, cut off, and robbed of its table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Vragd, until, vragd
from tests.s3 import configure, live_keys
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

    @property
    def backend(self) -> dict[str, Any]:
        place = {"host": self.server.host, "database": DATABASE, "user": USER, "passfile": str(self.server.passfile)}
        return {"type": "pgvector", "query_timeout_s": 60, **place}

    def configure(self, daemon: Vragd, **backend: Any) -> None:
        configure(daemon, self.backend | backend)

    @property
    def table(self) -> str:
        return self.table_of("notes")

    def table_of(self, collection: str) -> str:
        ((name,),) = self.server.execute("SELECT table_name FROM vragd.collections WHERE name = %s", collection)
        return f"vragd.{name}"

    def held(self, collection: str = "notes") -> set[str]:
        return {key for (key,) in self.server.execute(f"SELECT key FROM {self.table_of(collection)}")}


@pytest.fixture
def place(server: RealPostgres) -> Place:
    server.execute("DROP SCHEMA IF EXISTS vragd CASCADE")
    return Place(server)


@pytest.fixture
def daemon(tmp_path: Path, place: Place) -> Iterator[Vragd]:
    with story.running(tmp_path, place.configure) as daemon:
        yield daemon
        assert PASSWORD not in daemon.log()


def test_a_store_is_moved_away_and_back_without_embedding(daemon: Vragd, place: Place) -> None:
    story.is_moved_away_and_back_without_embedding(daemon, place)


def test_the_place_is_asked_without_the_daemon(daemon: Vragd, place: Place) -> None:
    story.is_asked_without_the_daemon(daemon, place)


def test_words_are_found_there_once_it_keeps_text(daemon: Vragd, place: Place) -> None:
    story.is_asked_by_words_once_it_keeps_text(daemon, place)


def test_an_outage_is_told_words_go_on_and_it_catches_up(daemon: Vragd, place: Place) -> None:
    story.is_cut_off_and_catches_up(daemon, place)


def test_a_table_that_somebody_dropped_is_made_and_filled_again(daemon: Vragd, place: Place) -> None:
    story.is_robbed_and_filled_again(daemon, place, lambda: place.server.execute(f"DROP TABLE {place.table}"))


def test_a_store_is_copied_there_and_from_there_without_embedding(tmp_path: Path, place: Place) -> None:
    with vragd(tmp_path) as daemon:
        story.fill(daemon)
        daemon.start()
        n_embedded = daemon.store["n_embedded"]
        there = ["--backend", f"{place.url}&remote_text=true"]
        tried = daemon.run("store", "copy", "notes", "team", *there, "--dry-run")
        assert (tried.returncode, "team in " in tried.stderr) == (0, True), tried.stderr
        for n_put, n_before in ((story.N_NOTES, 0), (0, story.N_NOTES)):
            done = daemon.run("store", "copy", "notes", "team", *there)
            assert done.returncode == 0, done.stderr
            assert f"{n_put} passages put, {n_before} there before" in done.stderr
            assert "is whole" in done.stderr
        assert place.held("team") == live_keys(daemon)
        asked = daemon.run("query", "numbat number 7", "-s", "team", *there, "--json")
        assert "numbat" in json.loads(asked.stdout)["hits"][0]["text"]
        file = tmp_path / "archive.db"
        back = daemon.run("store", "copy", "team", "archive", "--from", place.url, "--backend", f"sqlite:{file}")
        assert (back.returncode, "is whole" in back.stderr) == (0, True), back.stderr
        assert daemon.store["n_embedded"] == n_embedded
        place.kill()
        try:
            refused = daemon.run("store", "copy", "notes", "team", *there)
            assert "give the command again" in refused.stderr
            assert "by itself" not in refused.stderr
        finally:
            place.start()


def test_a_replica_there_follows_catches_up_and_is_verified(tmp_path: Path, place: Place) -> None:
    with vragd(tmp_path) as daemon:
        source = {"sources": [{"path": str(daemon.vault)}]}
        daemon.configure(stores={"notes": {**source, "replicas": {"shared": place.backend}}})
        story.fill(daemon)
        daemon.start()

        def is_told() -> bool:
            (replica,) = daemon.store["replicas"]
            return replica["trouble"] is None and not replica["n_behind"] and place.held() == live_keys(daemon)

        until(is_told, "the replica to have all", 60)
        n_embedded = daemon.store["n_embedded"]
        place.kill()
        try:
            (daemon.vault / "n00.md").unlink()
            daemon.settle()
            until(lambda: daemon.store["replicas"][0]["trouble"], "the replica to be away", 60)
        finally:
            place.start()
        until(is_told, "the replica to catch up", 100)
        wrong = f"UPDATE {place.table} SET vec = (SELECT vec FROM {place.table} WHERE key = %s) WHERE key = %s"
        place.server.execute(wrong, max(place.held()), min(place.held()))
        ((kind, replica),) = [(one["kind"], one["replica"]) for one in daemon.problems()]
        assert (kind, replica) == ("wrong_vector", "shared")
        assert daemon.run("verify", "--repair").returncode == 0
        assert daemon.problems() == []
        assert daemon.store["n_embedded"] == n_embedded
