"""What Elasticsearch says in its own way: dense vectors, and the knn of a search. Does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vragd.backends.elasticsearch.settings import ElasticsearchBackend as Settings
from vragd.backends.lucene.layout import Question
from vragd.backends.lucene.scores import near, product
from vragd.terms.metric import Metric

_SIMILARITIES: Mapping[Metric, str] = {"cosine": "cosine", "euclidean": "l2_norm", "dot": "max_inner_product"}
MOST = 10_000  # `num_candidates`, and as many are compared one by one where no more pass
VECTORS_LEFT_OUT = (9, 2)  # from which `_source` holds no vectors unless it is told to


class Elasticsearch:
    """A `lucene.layout.Dialect`."""

    max_dimension = 4_096
    most_exact: int | None = MOST

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def index_settings(self, version: tuple[int, ...]) -> dict[str, Any]:
        return {"mapping": {"exclude_source_vectors": False}} if version >= VECTORS_LEFT_OUT else {}

    def vector_field(self, dimension: int, metric: Metric) -> dict[str, Any]:
        """How the index is made is always said: what it is by default leaves out every tenth answer, or more."""
        options: dict[str, Any] = {"type": "flat"}
        if self._settings.index != "exact":
            options = {"type": "hnsw", "m": self._settings.m, "ef_construction": self._settings.ef_construction}
        return {
            "type": "dense_vector", "dims": dimension, "index": True, "similarity": _SIMILARITIES[metric],
            "index_options": options,
        }  # fmt: skip

    def kind(self, field: Mapping[str, Any]) -> str:
        if field.get("type") != "dense_vector" or field.get("element_type", "float") != "float":
            return ""
        return {"flat": "exact", "hnsw": "hnsw"}.get(field.get("index_options", {}).get("type", ""), "")

    def parameters(self, field: Mapping[str, Any]) -> dict[str, Any]:
        return {key: field["index_options"].get(key) for key in ("m", "ef_construction")}

    def same(self, field: Mapping[str, Any], dimension: int, metric: Metric) -> bool:
        return (field.get("dims"), field.get("similarity")) == (dimension, _SIMILARITIES[metric])

    def exact(self, question: Question) -> dict[str, Any]:
        """Where no more pass than there are candidates, the engine compares them all; a flat index always does."""
        return self._knn(question, question.n if question.kind == "exact" else MOST)

    def approximate(self, question: Question) -> dict[str, Any]:
        return self._knn(question, max(self._settings.candidates, question.n))

    def _knn(self, question: Question, candidates: int) -> dict[str, Any]:
        knn: dict[str, Any] = {
            "field": "vec", "query_vector": question.values, "k": question.n, "num_candidates": candidates,
        }  # fmt: skip
        if question.where is not None:
            knn["filter"] = question.where
        return {"knn": knn}

    def score(self, raw: float, metric: Metric, *, exact: bool) -> float:
        if metric == "euclidean":
            return near(raw)
        return product(raw) if metric == "dot" else max(-1.0, min(1.0, 2 * raw - 1))
