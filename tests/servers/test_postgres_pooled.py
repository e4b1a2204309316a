"""A daemon whose PostgreSQL stands behind a PgBouncer in transaction mode: no transaction knows of the one before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Vragd
from tests.s3 import live_keys
from tests.servers import story
from tests.servers.postgres.bouncer import PROGRAM, SESSIONS, WHY_NOT, Bouncer
from tests.servers.postgres.server import DATABASE, USER, RealPostgres
from tests.servers.test_postgres import DIM, Make, put, some
from tests.servers.test_postgres_daemon import Place

pytestmark = [pytest.mark.skipif(PROGRAM is None, reason=WHY_NOT), pytest.mark.slow, pytest.mark.timeout(300)]
N_QUESTIONS = 8


class Pooled(Place):
    """A `story.Place` that is reached through the pooler."""

    def __init__(self, server: RealPostgres, bouncer: Bouncer) -> None:
        super().__init__(server)
        self.bouncer = bouncer
        self.url = f"postgresql://{USER}@{bouncer.host}/{DATABASE}?passfile={bouncer.passfile}&query_timeout_s=60"

    @property
    def backend(self) -> dict[str, Any]:
        return super().backend | {"host": self.bouncer.host, "passfile": str(self.bouncer.passfile)}


@pytest.fixture
def bouncer(server: RealPostgres) -> Iterator[Bouncer]:
    with Bouncer(server) as bouncer:
        yield bouncer


@pytest.fixture
def daemon(tmp_path: Path, server: RealPostgres, bouncer: Bouncer) -> Iterator[tuple[Vragd, Pooled]]:
    server.execute("DROP SCHEMA IF EXISTS vragd CASCADE")
    place = Pooled(server, bouncer)
    with story.running(tmp_path, place.configure) as running:
        yield running, place


def test_questions_saves_and_a_copy_go_through_it_again_and_again(daemon: tuple[Vragd, Pooled]) -> None:
    running, place = daemon
    for i in range(N_QUESTIONS):
        (running.vault / f"n{i:02}.md").write_text(f"# Number {i}\n\nA quokka by now, number {i}.\n")
        running.settle()
        answer = running.query(f"quokka number {i}", mode="vector")
        assert (answer["hits"][0]["path"], answer["degraded"]) == (f"n{i:02}.md", [])
    assert place.held() == live_keys(running)
    assert running.problems() == []
    n_embedded = running.store["n_embedded"]
    copied = running.run("store", "copy", "notes", "team", "--backend", place.url)
    assert copied.returncode == 0, copied.stderr
    assert place.held("team") == live_keys(running)
    story.is_asked_by_words_once_it_keeps_text(running, place)
    assert running.store["n_embedded"] <= n_embedded + 2


def test_an_index_is_built_through_it_and_asked_with_the_session_of_whoever_came_before(
    make: Make, bouncer: Bouncer
) -> None:
    rows = some(2_000)
    given = {"host": bouncer.host, "passfile": str(bouncer.passfile), "index": "hnsw"}
    one, exact = make(index_from=1, few=50, **given), make(index="exact")
    one.create_collection("sss", DIM, "cosine")
    put(one, rows)
    one.tend("sss")
    one.builder.wait(60)
    assert not one.collection_info("sss").exact
    others = [make(few=50, **given) for _ in range(2 * SESSIONS)]
    for query in some(N_QUESTIONS, seed=1):
        best = {match.key for match in exact.query("sss", query, 10).items}
        for other in others:
            found = {match.key for match in other.query("sss", query, 10).items}
            assert len(found & best) >= 9
