"""Backends on the stand-in of OpenSearch and of Elasticsearch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vragd.backends.base import Entry
from vragd.backends.elasticsearch import backend as on_elasticsearch
from vragd.backends.elasticsearch.dialect import Elasticsearch
from vragd.backends.elasticsearch.settings import ElasticsearchBackend
from vragd.backends.lucene.backend import LuceneBackend
from vragd.backends.opensearch import backend as on_opensearch
from vragd.backends.opensearch.dialect import OpenSearch
from vragd.backends.opensearch.settings import OpenSearchBackend

DIM = 8
Make = Callable[..., LuceneBackend]
TYPES: dict[str, Any] = {
    "opensearch": (OpenSearchBackend, OpenSearch, on_opensearch.credentials),
    "elasticsearch": (ElasticsearchBackend, Elasticsearch, on_elasticsearch.credentials),
}


def some(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)


def entries(n: int) -> list[Entry]:
    return [Entry(f"k{i:05}", row, {"n": i % 3}) for i, row in enumerate(some(n))]
