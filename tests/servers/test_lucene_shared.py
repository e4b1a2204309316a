"""Two daemons on one index of a real OpenSearch, and of an Elasticsearch: the stories of `two`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import until
from tests.servers.fetched import FOLDER
from tests.servers.lucene.node import RealNode
from tests.servers.test_lucene_daemon import INDEX, Place, clear
from tests.servers.two import (
    KILLS,
    test_one_vault_of_which_one_side_lags_a_day_loses_nothing_on_either,  # noqa: F401
    test_two_over_one_vault_are_one_answer_a_note_the_newest,  # noqa: F401
    test_two_vaults_that_are_alike_touch_nothing_of_each_other,  # noqa: F401
    two,  # noqa: F401
)

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="real servers are for make test-servers: they are fetched first"),
    pytest.mark.slow,
    pytest.mark.timeout(600 + 40 * KILLS),
]


class Shared(Place):
    """A `two.Place`."""

    def rows(self) -> dict[str, object]:
        until(self._rests, "all who were killed to be gone, and what they sent to be done", 60)
        self.node.call("POST", f"/{INDEX}/_refresh")
        found = self.node.call("GET", f"/{INDEX}/_search?size=1000&version=true&seq_no_primary_term=true")
        return {
            hit["_source"]["key"]: (hit["_version"], hit["_seq_no"], hit["_source"]) for hit in found["hits"]["hits"]
        }

    def _rests(self) -> bool:
        """Whether nobody else is connected, and nothing is written that somebody asked for before."""
        (node,) = self.node.call("GET", "/_nodes/stats/http")["nodes"].values()
        return node["http"]["current_open"] == 1 and not self.node.call("GET", "/_tasks?actions=*bulk*")["nodes"]


@pytest.fixture
def place(node: RealNode) -> Iterator[Shared]:
    clear(node)
    yield Shared(node)
    clear(node)
