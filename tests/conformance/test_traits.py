"""What each type of backend claims, pinned: an empty claim would let it off the suite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conformance.factories import EVERY, FACTORIES
from vragd.backends.base import Traits

LOCAL = {"private": True, "networked": False, "keeps_payload": False, "durable": False, "patches": True}
EVERY_METRIC = frozenset({"cosine", "euclidean", "dot"})
ON_LUCENE = Traits(
    private=False, networked=True, keeps_payload=True, durable=True, patches=True, value_error=1e-6,
    metrics=EVERY_METRIC, max_dimension=4_096, max_matches=10_000, max_among=None,
)  # fmt: skip
PINNED = {
    "elasticsearch": ON_LUCENE,
    "opensearch": replace(ON_LUCENE, max_dimension=16_000),
    "faiss": Traits(
        **LOCAL, value_error=1 / 50_000, metrics=EVERY_METRIC, max_dimension=65_536, max_matches=None, max_among=None
    ),
    "memory": Traits(
        **LOCAL, value_error=1e-6, metrics=EVERY_METRIC, max_dimension=65_536, max_matches=None, max_among=None
    ),
    "pgvector": Traits(
        private=False, networked=True, keeps_payload=True, durable=True, patches=True, value_error=1 / 2_000,
        metrics=EVERY_METRIC, max_dimension=16_000, max_matches=None, max_among=None,
    ),
    "qdrant": Traits(
        private=False, networked=True, keeps_payload=True, durable=True, patches=True, value_error=1e-6,
        metrics=EVERY_METRIC, max_dimension=65_536, max_matches=None, max_among=None,
    ),
    "s3": Traits(
        private=False, networked=True, keeps_payload=True, durable=True, patches=True, value_error=1e-6,
        metrics=EVERY_METRIC, max_dimension=65_536, max_matches=None, max_among=None,
    ),
    "s3vectors": Traits(
        private=False, networked=True, keeps_payload=True, durable=True, patches=False, value_error=1e-6,
        metrics=frozenset({"cosine", "euclidean"}), max_dimension=4_096, max_matches=100, max_among=0,
    ),
    "sqlite": Traits(
        private=False, networked=False, keeps_payload=True, durable=True, patches=True, value_error=1e-6,
        metrics=EVERY_METRIC, max_dimension=65_536, max_matches=None, max_among=None,
    ),
    "file": Traits(
        private=False, networked=False, keeps_payload=True, durable=True, patches=True, value_error=1e-6,
        metrics=EVERY_METRIC, max_dimension=65_536, max_matches=None, max_among=None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_a_type_claims_what_it_always_did(name: str, tmp_path: Path) -> None:
    assert FACTORIES[name](tmp_path).traits == PINNED[name.partition("-")[0]]
