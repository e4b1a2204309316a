"""A daemon whose store is searched on a real node: moved there and back, cut off, and robbed of its index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Vragd, until, vragd
from tests.s3 import configure, live_keys
from tests.servers.lucene.node import FOLDER, KINDS, RealNode, shared

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="real servers are for make test-servers: they are fetched first"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]
PREFIX = "daemon-"
INDEX = f"{PREFIX}notes"


@pytest.fixture(params=KINDS)
def node(request: pytest.FixtureRequest) -> Iterator[RealNode]:
    node = shared(request.param)
    if isinstance(node, str):
        pytest.skip(node)
    yield node
    if not node.is_running:
        node.start()
    clear(node)


def clear(node: RealNode) -> None:
    for index in node.call("GET", f"/{PREFIX}*/_mapping"):
        node.call("DELETE", f"/{index}")


@pytest.fixture
def daemon(tmp_path: Path, node: RealNode) -> Iterator[Vragd]:
    clear(node)
    with vragd(tmp_path) as daemon:
        there(daemon, node)
        for i in range(12):
            (daemon.vault / f"n{i:02}.md").write_text(f"# Number {i}\n\nNote number {i} about a numbat.\n")
        daemon.start()
        yield daemon


def there(daemon: Vragd, node: RealNode) -> None:
    configure(daemon, {"type": node.kind.name, "host": node.host, "scheme": "http", "prefix": PREFIX})


def held(node: RealNode) -> set[str]:
    node.call("POST", f"/{INDEX}/_refresh")
    return {hit["_source"]["key"] for hit in node.call("GET", f"/{INDEX}/_search?size=1000")["hits"]["hits"]}


def test_a_store_is_moved_away_and_back_without_embedding(daemon: Vragd, node: RealNode) -> None:
    question = "which animal has the number seven"
    found = daemon.paths(question, mode="vector")
    assert held(node) == live_keys(daemon)
    daemon.stop()
    configure(daemon, {"type": "faiss"})
    daemon.start()
    assert (daemon.paths(question, mode="vector"), daemon.store["n_embedded"]) == (found, 0)
    daemon.stop()
    there(daemon, node)
    daemon.start()
    assert (daemon.paths(question, mode="vector"), daemon.store["n_embedded"]) == (found, 0)
    assert held(node) == live_keys(daemon)
    assert daemon.problems() == []


def test_the_place_is_asked_without_the_daemon(daemon: Vragd, node: RealNode) -> None:
    daemon.stop()
    url = f"{node.kind.name}+http://{node.host}?prefix={PREFIX}"
    asked = daemon.run("query", "numbat number 7", "--store", "notes", "--backend", url, "--json")
    assert asked.returncode == 0, asked.stderr
    hits: list[dict[str, Any]] = json.loads(asked.stdout)["hits"]
    assert hits[0]["path"].startswith("n")
    told = daemon.run("store", "list", "--backend", url)
    assert (told.returncode, told.stdout.split()[0]) == (0, "notes"), told.stderr
    info = daemon.run("store", "info", "notes", "--backend", url)
    assert info.returncode == 0, info.stderr
    assert {"  12 vectors", "  index: exact"} <= set(info.stdout.splitlines())
    wrong = daemon.run("store", "list", "--backend", f"{node.kind.name}+http://me:planted@{node.host}")
    assert (wrong.returncode, "planted" in wrong.stderr, "password_file" in wrong.stderr) == (2, False, True)


def test_an_outage_is_told_words_go_on_and_it_catches_up(daemon: Vragd, node: RealNode) -> None:
    node.kill()
    try:
        (daemon.vault / "offline.md").write_text("Written offline: axolotl.\n")
        until(lambda: daemon.store["trouble"], "the trouble to be told", 60)
        assert daemon.store["trouble"]["code"] == "backend_unavailable"
        assert daemon.query("numbat")["hits"], "words go on"
        daemon.kill()
        daemon.start(idle=False)
        assert daemon.query("numbat", mode="keyword")["hits"], "a start needs no network"
    finally:
        node.start()
    until(lambda: not daemon.status()["degraded"] and not daemon.store["pending"], "it to catch up", 100)
    assert daemon.paths("axolotl", mode="vector")[0] == "offline.md"
    assert held(node) == live_keys(daemon)
    assert daemon.problems() == []


def test_an_index_that_somebody_deleted_is_made_and_filled_again(daemon: Vragd, node: RealNode) -> None:
    embedded = daemon.store["n_embedded"]
    mapping = node.call("GET", f"/{INDEX}")[INDEX]["mappings"]["properties"]
    node.call("DELETE", f"/{INDEX}")
    assert daemon.query("numbat")["hits"], "words go on"
    (daemon.vault / "n00.md").write_text("# Number 0\n\nNote number 0 about a wombat.\n")
    until(lambda: daemon.paths("wombat", mode="keyword") == ["n00.md"], "the save", 60)
    daemon.settle()
    assert held(node) == live_keys(daemon)
    assert node.call("GET", f"/{INDEX}")[INDEX]["mappings"]["properties"] == mapping
    assert daemon.store["n_embedded"] == embedded + 1
    assert daemon.problems() == []
