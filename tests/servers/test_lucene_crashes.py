"""The crash matrix on real nodes: a process that dies between any two requests leaves every note whole."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.crash import Matrix, process_server
from tests.faults.crash_remote import Relived
from tests.faults.test_crash_matrix import BY_NAME
from tests.servers.fetched import FOLDER
from tests.servers.lucene.node import KINDS, RealNode, shared

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="real servers are for make test-servers: they are fetched first"),
    pytest.mark.slow,
    pytest.mark.timeout(1_800),
]
EVERY = "vragd-*"


class OnNode(Relived):
    """A `crash_remote.Remote`."""

    violations: list[str] = []  # noqa: RUF012  none is looked for

    def __init__(self, node: RealNode) -> None:
        self._node, self.url = node, f"{node.kind.name}+{node.url}"

    def clear(self) -> None:
        for index in self._node.call("GET", f"/{EVERY}/_mapping"):
            self._node.call("DELETE", f"/{index}")

    def keep(self) -> object:
        kept = self._node.call("GET", f"/{EVERY}")
        for name, index in kept.items():
            for of_the_server in ("creation_date", "provided_name", "uuid", "version"):
                index["settings"]["index"].pop(of_the_server)
            index["documents"] = [(hit["_id"], hit["_source"]) for hit in self._hits(name)]
        return kept

    def restore(self, kept: Any) -> None:
        self.clear()
        for name, index in kept.items():
            self._node.call("PUT", f"/{name}", {key: it for key, it in index.items() if key != "documents"})
            lines = [part for id_, source in index["documents"] for part in ({"index": {"_id": id_}}, source)]
            if lines:
                self._node.call("POST", f"/{name}/_bulk", "".join(json.dumps(line) + "\n" for line in lines).encode())

    def _hits(self, index: str) -> list[dict[str, Any]]:
        if index not in self._node.call("GET", f"/{EVERY}/_mapping"):
            return []
        self._node.call("POST", f"/{index}/_refresh")
        hits: list[dict[str, Any]] = self._node.call("GET", f"/{index}/_search?size=1000")["hits"]["hits"]
        return hits

    def keys(self, collection: str) -> set[str]:
        return {hit["_source"]["key"] for hit in self._hits(f"vragd-{collection}")}

    def payloads(self, collection: str) -> dict[str, Mapping[str, Any]]:
        sources = [hit["_source"] for hit in self._hits(f"vragd-{collection}")]
        return {source["key"]: json.loads(source["payload"]) for source in sources}


@pytest.fixture
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="vragd-"))
    yield path
    shutil.rmtree(path)
    shutil.rmtree(path.with_name(f"{path.name}-beside"), ignore_errors=True)


@pytest.mark.parametrize("name", KINDS)
def test_a_crash_anywhere_leaves_every_note_whole(name: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = shared(name)
    if isinstance(node, str):
        pytest.skip(node)
    remote = OnNode(node)
    with process_server():
        tally = Matrix(home, BY_NAME["everything-lucene"], remote).run(lambda points: points)
    remote.clear()
    assert tally.n_kills > 1
    assert tally.n_fired == tally.n_kills + tally.n_restart_kills
    with capsys.disabled():
        print(f"\ncrash matrix on {name}: {tally}")
