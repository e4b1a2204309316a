"""A daemon whose index is on a real node with faults: a proxy stands in between."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Vragd, until
from tests.s3 import configure
from tests.servers import faulted, story
from tests.servers.between import BetweenHttp
from tests.servers.fetched import FOLDER
from tests.servers.lucene.node import RealNode
from tests.servers.test_lucene_daemon import INDEX, PREFIX, Place, clear

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="real servers are for make test-servers: they are fetched first"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


class Faulted(Place):
    """A `story.Place` behind what has faults."""

    def __init__(self, node: RealNode) -> None:
        super().__init__(node)
        self.between = BetweenHttp(node.host)

    def configure(self, daemon: Vragd, **backend: Any) -> None:
        place = {"type": self.node.kind.name, "host": self.between.host, "scheme": "http", "prefix": PREFIX}
        configure(daemon, place | {"timeout_s": 20, "query_timeout_s": 20} | backend)


@pytest.fixture
def place(node: RealNode) -> Iterator[Faulted]:
    clear(node)
    place = Faulted(node)
    with place.between:
        yield place
    if not node.is_running:
        node.start()
    clear(node)


@pytest.fixture
def daemon(tmp_path: Path, place: Faulted) -> Iterator[Vragd]:
    with story.running(tmp_path, place.configure) as daemon:
        yield daemon


def test_a_busy_node_that_loses_its_answers_costs_nothing_but_time(daemon: Vragd, place: Faulted) -> None:
    faulted.bears_what_a_busy_server_does(daemon, place, place.between.faults)


def test_while_credentials_are_refused_answers_go_on_and_what_is_saved_waits(daemon: Vragd, place: Faulted) -> None:
    def refuse(refuses: bool) -> None:
        place.between.refuses = refuses

    way = "docs/backends.md: where user, password and keys are looked for"
    faulted.waits_while_it_is_let_in_no_more(daemon, place, way, lambda: refuse(True), lambda: refuse(False))


def test_a_node_that_is_restarted_amid_a_batch_loses_nothing(daemon: Vragd, place: Faulted) -> None:
    faulted.is_restarted_amid_a_batch(daemon, place, place.between.faults)


def test_an_index_that_somebody_emptied_is_filled_again(daemon: Vragd, place: Faulted) -> None:
    def empty() -> None:  # one by one: not every node can delete by query
        hits = place.node.call("GET", f"/{INDEX}/_search?size=1000&_source=false")["hits"]["hits"]
        lines = (json.dumps({"delete": {"_index": hit["_index"], "_id": hit["_id"]}}) + "\n" for hit in hits)
        assert not place.node.call("POST", "/_bulk?refresh=true", "".join(lines).encode())["errors"]

    faulted.is_emptied_and_filled_again(daemon, place, empty)


def test_a_save_of_one_passage_costs_one_bulk_to_put_and_one_to_delete(daemon: Vragd, place: Faulted) -> None:
    calls = place.between.faults.calls
    until(lambda: "store.backend_swept" in daemon.log(), "the look for what an earlier catalog may have left")
    before, n_embedded = Counter(calls), daemon.store["n_embedded"]
    (daemon.vault / "n05.md").write_text("# Number 5\n\nA quokka by now.\n")
    until(lambda: calls["_bulk"] >= before["_bulk"] + 2, "a put and a deletion")
    daemon.settle()
    assert calls - before == {"_bulk": 2}
    assert daemon.store["n_embedded"] == n_embedded + 1
