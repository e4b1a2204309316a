"""A daemon whose store is searched on a real node: moved there and back, cut off, and robbed of its index."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Vragd
from tests.s3 import configure
from tests.servers import story
from tests.servers.fetched import FOLDER
from tests.servers.lucene.node import RealNode

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="real servers are for make test-servers: they are fetched first"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]
PREFIX = "daemon-"
PATIENT = 60  # seconds for a question: a slow machine is no fault here
INDEX = f"{PREFIX}notes"


def clear(node: RealNode) -> None:
    for index in node.call("GET", f"/{PREFIX}*/_mapping"):
        node.call("DELETE", f"/{index}")


class Place:
    """A `story.Place`."""

    secret_belongs_in = "password_file"

    def __init__(self, node: RealNode) -> None:
        self.node = node
        self.url = f"{node.kind.name}+http://{node.host}?prefix={PREFIX}&query_timeout_s={PATIENT}"
        self.wrong_url = f"{node.kind.name}+http://me:planted@{node.host}"
        self.kill, self.start = node.kill, node.start

    def configure(self, daemon: Vragd, **backend: Any) -> None:
        kind, host = self.node.kind.name, self.node.host
        place = {"type": kind, "host": host, "scheme": "http", "prefix": PREFIX}
        configure(daemon, place | {"query_timeout_s": PATIENT} | backend)

    def held(self) -> set[str]:
        self.node.call("POST", f"/{INDEX}/_refresh")
        return {hit["_source"]["key"] for hit in self.node.call("GET", f"/{INDEX}/_search?size=1000")["hits"]["hits"]}

    @property
    def mapping(self) -> Any:
        return self.node.call("GET", f"/{INDEX}")[INDEX]["mappings"]["properties"]


@pytest.fixture
def place(node: RealNode) -> Iterator[Place]:
    clear(node)
    yield Place(node)
    if not node.is_running:
        node.start()
    clear(node)


@pytest.fixture
def daemon(tmp_path: Path, place: Place) -> Iterator[Vragd]:
    with story.running(tmp_path, place.configure) as daemon:
        yield daemon


def test_a_store_is_moved_away_and_back_without_embedding(daemon: Vragd, place: Place) -> None:
    story.is_moved_away_and_back_without_embedding(daemon, place)


def test_the_place_is_asked_without_the_daemon(daemon: Vragd, place: Place) -> None:
    story.is_asked_without_the_daemon(daemon, place)


def test_words_are_found_there_once_it_keeps_text(daemon: Vragd, place: Place) -> None:
    story.is_asked_by_words_once_it_keeps_text(daemon, place)


def test_an_outage_is_told_words_go_on_and_it_catches_up(daemon: Vragd, place: Place) -> None:
    story.is_cut_off_and_catches_up(daemon, place)


def test_an_index_that_somebody_deleted_is_made_and_filled_again(daemon: Vragd, place: Place) -> None:
    before = place.mapping
    story.is_robbed_and_filled_again(daemon, place, lambda: place.node.call("DELETE", f"/{INDEX}"))
    assert place.mapping == before


def test_what_an_index_of_this_node_finds_is_told_by_commands(tmp_path: Path, place: Place) -> None:
    with story.running(tmp_path, partial(place.configure, index="hnsw")) as daemon:
        for there in ((), ("--backend", f"{place.url}&index=hnsw")):
            told = daemon.run("store", "info", "notes", "--recall", *there)
            assert told.returncode == 0, told.stderr
            assert "m: 16\n" in told.stdout
            assert "candidates: 200\n" in told.stdout
            assert f"  recall@10: 1.000 of {story.N_NOTES} questions that are stored vectors" in told.stdout
