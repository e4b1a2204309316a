"""What OpenSearch says in its own way: the plugin k-NN's field, query and script. Does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vragd.backends.lucene.layout import Question
from vragd.backends.lucene.scores import near, product
from vragd.backends.opensearch.settings import OpenSearchBackend as Settings
from vragd.terms.metric import Metric

_SPACES: Mapping[Metric, str] = {"cosine": "cosinesimil", "euclidean": "l2", "dot": "innerproduct"}
# Of vectors of length 1 the product is the cosine, and what a script makes of a product never changed.
_SCRIPT_SPACES: Mapping[Metric, str] = {"cosine": "innerproduct", "euclidean": "l2", "dot": "innerproduct"}


class OpenSearch:
    """A `lucene.layout.Dialect`."""

    max_dimension = 16_000
    most_exact: int | None = None

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def index_settings(self, version: tuple[int, ...]) -> dict[str, Any]:
        return {"knn": self._settings.index != "exact"}

    def vector_field(self, dimension: int, metric: Metric) -> dict[str, Any]:
        field: dict[str, Any] = {"type": "knn_vector", "dimension": dimension}
        if self._settings.index != "exact":
            field["method"] = {
                "name": "hnsw", "engine": self._settings.engine, "space_type": _SPACES[metric],
                "parameters": {"m": self._settings.m, "ef_construction": self._settings.ef_construction},
            }  # fmt: skip
        return field

    def kind(self, field: Mapping[str, Any]) -> str:
        if field.get("type") != "knn_vector" or field.get("data_type", "float") != "float" or "mode" in field:
            return ""
        method = field.get("method")
        if method is None:
            return "exact"
        whole = method.get("name") == "hnsw" and "encoder" not in method.get("parameters", {})
        return "hnsw" if whole else ""

    def parameters(self, field: Mapping[str, Any]) -> dict[str, Any]:
        method = field["method"]
        made = {key: method.get("parameters", {}).get(key) for key in ("m", "ef_construction")}
        return {"engine": method.get("engine", ""), **made}

    def same(self, field: Mapping[str, Any], dimension: int, metric: Metric) -> bool:
        method = field.get("method", {})
        space = method.get("space_type", field.get("space_type", _SPACES[metric]))
        return field.get("dimension") == dimension and space == _SPACES[metric]

    def exact(self, question: Question) -> dict[str, Any]:
        params = {"field": "vec", "query_value": question.values, "space_type": _SCRIPT_SPACES[question.metric]}
        script = {"source": "knn_score", "lang": "knn", "params": params}
        return {"query": {"script_score": {"query": question.where or {"match_all": {}}, "script": script}}}

    def approximate(self, question: Question) -> dict[str, Any]:
        """As many as are asked for is also the effort; a setting of its own is known to new versions only."""
        vec: dict[str, Any] = {"vector": question.values, "k": max(self._settings.candidates, question.n)}
        if question.where is not None:
            vec["filter"] = question.where
        return {"query": {"knn": {"vec": vec}}}

    def score(self, raw: float, metric: Metric, *, exact: bool) -> float:
        if metric == "euclidean":
            return near(raw)
        if metric == "dot":
            return product(raw)
        return max(-1.0, min(1.0, product(raw) if exact else 2 * raw - 1))
