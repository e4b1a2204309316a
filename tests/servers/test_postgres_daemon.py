"""A daemon whose store is searched in a real PostgreSQL: moved there and back, cut off, and robbed of its table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Vragd, until, vragd
from tests.s3 import configure, live_keys
from tests.servers.postgres.server import DATABASE, PASSWORD, USER, RealPostgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def daemon(tmp_path: Path, server: RealPostgres) -> Iterator[Vragd]:
    server.execute("DROP SCHEMA IF EXISTS vragd CASCADE")
    with vragd(tmp_path) as daemon:
        on_postgres(daemon, server)
        for i in range(12):
            (daemon.vault / f"n{i:02}.md").write_text(f"# Number {i}\n\nNote number {i} about a numbat.\n")
        daemon.start()
        yield daemon
        assert PASSWORD not in daemon.log()


def on_postgres(daemon: Vragd, server: RealPostgres) -> None:
    place = {"host": server.host, "database": DATABASE, "user": USER, "passfile": str(server.passfile)}
    configure(daemon, {"type": "pgvector", **place})


def table(server: RealPostgres) -> str:
    ((name,),) = server.execute("SELECT table_name FROM vragd.collections WHERE name = 'notes'")
    return f"vragd.{name}"


def held(server: RealPostgres) -> set[str]:
    return {key for (key,) in server.execute(f"SELECT key FROM {table(server)}")}


def test_a_store_is_moved_away_and_back_without_embedding(daemon: Vragd, server: RealPostgres) -> None:
    question = "which animal has the number seven"
    there = daemon.paths(question, mode="vector")
    assert held(server) == live_keys(daemon)
    daemon.stop()
    configure(daemon, {"type": "faiss"})
    daemon.start()
    assert (daemon.paths(question, mode="vector"), daemon.store["n_embedded"]) == (there, 0)
    daemon.stop()
    on_postgres(daemon, server)
    daemon.start()
    assert (daemon.paths(question, mode="vector"), daemon.store["n_embedded"]) == (there, 0)
    assert held(server) == live_keys(daemon)
    assert daemon.problems() == []


def test_the_place_is_asked_without_the_daemon(daemon: Vragd, server: RealPostgres) -> None:
    daemon.stop()
    url = f"postgresql://{USER}@{server.host}/{DATABASE}?passfile={server.passfile}"
    asked = daemon.run("query", "numbat number 7", "--store", "notes", "--backend", url, "--json")
    assert asked.returncode == 0, asked.stderr
    hits: list[dict[str, Any]] = json.loads(asked.stdout)["hits"]
    assert hits[0]["path"].startswith("n")
    told = daemon.run("store", "list", "--backend", url)
    assert (told.returncode, told.stdout.split()[0]) == (0, "notes"), told.stderr
    info = daemon.run("store", "info", "notes", "--backend", url)
    assert info.returncode == 0, info.stderr
    assert {"  12 vectors", "  index: exact"} <= set(info.stdout.splitlines())
    wrong = daemon.run("store", "list", "--backend", f"postgresql://{USER}:planted@{server.host}/{DATABASE}")
    assert (wrong.returncode, "planted" in wrong.stderr, "PGPASSWORD" in wrong.stderr) == (2, False, True)


def test_an_outage_is_told_words_go_on_and_it_catches_up(daemon: Vragd, server: RealPostgres) -> None:
    server.kill()
    try:
        (daemon.vault / "offline.md").write_text("Written offline: axolotl.\n")
        until(lambda: daemon.store["trouble"], "the trouble to be told", 60)
        assert daemon.store["trouble"]["code"] == "backend_unavailable"
        assert daemon.query("numbat")["hits"], "words go on"
        daemon.kill()
        daemon.start(idle=False)
        assert daemon.query("numbat", mode="keyword")["hits"], "a start needs no network"
    finally:
        server.start()
    until(lambda: not daemon.status()["degraded"] and not daemon.store["pending"], "it to catch up", 100)
    assert daemon.paths("axolotl", mode="vector")[0] == "offline.md"
    assert held(server) == live_keys(daemon)
    assert daemon.problems() == []


def test_a_table_that_somebody_dropped_is_made_and_filled_again(daemon: Vragd, server: RealPostgres) -> None:
    embedded = daemon.store["n_embedded"]
    server.execute(f"DROP TABLE {table(server)}")
    assert daemon.query("numbat")["hits"], "words go on"
    (daemon.vault / "n00.md").write_text("# Number 0\n\nNote number 0 about a wombat.\n")
    until(lambda: daemon.paths("wombat", mode="keyword") == ["n00.md"], "the save", 60)
    daemon.settle()
    assert held(server) == live_keys(daemon)
    assert daemon.store["n_embedded"] == embedded + 1
    assert daemon.problems() == []
