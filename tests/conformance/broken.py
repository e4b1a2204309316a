"""Backends that break one promise each; the suite must notice every one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from vragd.backends.base import Filter, Match, Metric, StoreInfo, Vector, check_query, passes
from vragd.backends.memory.backend import MemoryBackend


class ForgetsToDelete(MemoryBackend):
    caught_by = "check_delete_forgets_and_repeats_quietly"

    def delete_vectors(self, store: str, keys: Collection[str]) -> int:
        return len(keys)


class DeleteRaisesOnUnknown(MemoryBackend):
    caught_by = "check_delete_forgets_and_repeats_quietly"

    def delete_vectors(self, store: str, keys: Collection[str]) -> int:
        if missing := set(keys) - set(self.list_keys(store)):
            raise KeyError(missing.pop())
        return super().delete_vectors(store, keys)


class DedupesByContent(MemoryBackend):
    caught_by = "check_two_keys_may_hold_one_vector"

    def put_vectors(self, store: str, vectors: Sequence[Vector]) -> int:
        seen = {vector.values.tobytes(): vector for vector in vectors}
        return super().put_vectors(store, list(seen.values()))


class Unsorted(MemoryBackend):
    caught_by = "check_answers_are_the_nearest_best_first_each_once"

    def query(self, *args: Any, **kwargs: Any) -> list[Match]:
        return super().query(*args, **kwargs)[::-1]


class HalfBatch(MemoryBackend):
    caught_by = "check_a_bad_vector_rejects_the_whole_batch"

    def put_vectors(self, store: str, vectors: Sequence[Vector]) -> int:
        return sum(super(HalfBatch, self).put_vectors(store, [vector]) for vector in vectors)


class AcceptsNaN(MemoryBackend):
    caught_by = "check_a_bad_vector_rejects_the_whole_batch"

    def put_vectors(self, store: str, vectors: Sequence[Vector]) -> int:
        fixed = [Vector(v.key, np.nan_to_num(v.values), v.metadata) for v in vectors]
        return super().put_vectors(store, fixed)


class ReturnsDistance(MemoryBackend):
    caught_by = "check_cosine_scores_are_similarities"

    def query(self, *args: Any, **kwargs: Any) -> list[Match]:
        return [Match(m.key, 1 - m.score, m.metadata) for m in super().query(*args, **kwargs)]


class IgnoresFilter(MemoryBackend):
    caught_by = "check_a_filter_is_applied_before_the_best_are_chosen"

    def query(
        self, store: str, vector: np.ndarray, top_k: int, filter: Filter | None = None, *, payload: bool = False
    ) -> list[Match]:  # fmt: skip
        return super().query(store, vector, top_k)


class FiltersAfterwards(MemoryBackend):
    caught_by = "check_a_filter_is_applied_before_the_best_are_chosen"

    def query(
        self, store: str, vector: np.ndarray, top_k: int, filter: Filter | None = None, *, payload: bool = False
    ) -> list[Match]:  # fmt: skip
        return [m for m in super().query(store, vector, top_k) if passes(m.metadata, filter or {})]


class Appends(MemoryBackend):
    caught_by = "check_put_replaces_by_key"

    def query(self, *args: Any, **kwargs: Any) -> list[Match]:
        found = super().query(*args, **kwargs)
        return found + found


class KeepsOldMetadata(MemoryBackend):
    caught_by = "check_metadata_is_replaced_with_the_vector"

    def put_vectors(self, store: str, vectors: Sequence[Vector]) -> int:
        held = self._stores[store].vectors if store in self._stores else {}
        kept = [Vector(v.key, v.values, held[v.key].metadata if v.key in held else v.metadata) for v in vectors]
        return super().put_vectors(store, kept)


class WipesOnCreate(MemoryBackend):
    caught_by = "check_creating_again_keeps_what_is_there"

    def create_store(self, store: str, *args: Any, **kwargs: Any) -> StoreInfo:
        self.delete_store(store)
        return super().create_store(store, *args, **kwargs)


class TruncatesLargeBatches(MemoryBackend):
    caught_by = "check_any_batch_size_arrives_whole"

    def put_vectors(self, store: str, vectors: Sequence[Vector]) -> int:
        return super().put_vectors(store, vectors[:500])


class ListsOnePage(MemoryBackend):
    caught_by = "check_any_batch_size_arrives_whole"

    def list_keys(self, store: str) -> Iterator[str]:
        return iter(list(super().list_keys(store))[:1000])


class TakesAnyQuery(MemoryBackend):
    caught_by = "check_a_query_that_does_not_fit_is_refused"

    def query(
        self, store: str, vector: np.ndarray, top_k: int, filter: Filter | None = None, *, payload: bool = False
    ) -> list[Match]:  # fmt: skip
        padded = (
            np.resize(np.nan_to_num(vector), self._stores[store].shape.dimension) if store in self._stores else vector
        )
        return super().query(store, check_query(padded, len(padded)), top_k, filter)


class OneStoreForAll(MemoryBackend):
    caught_by = "check_stores_are_apart"

    def delete_store(self, store: str) -> None:
        self._stores.clear()


class ClaimsToBeDurable(MemoryBackend):
    caught_by = "check_opening_again_never_shows_what_was_not_put"
    durable = True


class ResurrectsDeleted(MemoryBackend):
    """Reopened, it shows what had been deleted: a cache that was not thrown away."""

    caught_by = "check_opening_again_never_shows_what_was_not_put"

    def delete_vectors(self, store: str, keys: Collection[str]) -> int:
        doomed = [v for k, v in self._stores[store].vectors.items() if k in keys] if store in self._stores else []
        self._graves = doomed
        return super().delete_vectors(store, keys)

    def close(self) -> None:
        """Nothing is let go."""

    def create_store(self, store: str, *args: Any, **kwargs: Any) -> StoreInfo:
        made = super().create_store(store, *args, **kwargs)
        if graves := getattr(self, "_graves", None):
            self.put_vectors(store, graves)
        return made


class InventsStores(MemoryBackend):
    caught_by = "check_an_unknown_store_is_an_error_everywhere"

    def query(
        self, store: str, vector: np.ndarray, top_k: int, filter: Filter | None = None, *, payload: bool = False
    ) -> list[Match]:  # fmt: skip
        return super().query(store, vector, top_k, filter) if store in self._stores else []


class TakesAnySpace(MemoryBackend):
    caught_by = "check_another_space_is_refused"

    def create_store(
        self, store: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> StoreInfo:
        return super().create_store(store, dimension, metric)


class PretendsToKnowTheMetric(MemoryBackend):
    caught_by = "check_a_metric_is_right_or_refused"
    metrics = frozenset({"cosine"})


class LooksTheSameAfterwards(MemoryBackend):
    caught_by = "check_another_space_is_refused"
    remote = True


class DropsPayloads(MemoryBackend):
    caught_by = "check_a_remote_backend_gives_payloads_back"
    remote = True


class PromisesTooFewMatches(MemoryBackend):
    caught_by = "check_a_filter_is_applied_before_the_best_are_chosen"
    max_top_k = 7


BROKEN = [
    cls for cls in list(globals().values())
    if isinstance(cls, type) and issubclass(cls, MemoryBackend) and cls is not MemoryBackend
]  # fmt: skip
