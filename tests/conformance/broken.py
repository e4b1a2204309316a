"""Backends that break one promise each; the suite must notice every one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from vragd.backends.base import Among, Batch, CollectionInfo, Entry, Match, Matches, Stored
from vragd.backends.memory.backend import TRAITS, MemoryBackend
from vragd.terms.filter import And, Compare, Filter, In, Metadata, Moment, Or, holds
from vragd.terms.metric import Metric


def entries(batch: Batch) -> list[Entry]:
    values = batch.values if batch.values is not None else [None] * len(batch)
    return [Entry(*row) for row in zip(batch.keys, values, batch.metadata, batch.payload, batch.versions, strict=True)]


class ForgetsToDelete(MemoryBackend):
    caught_by = "check_delete_forgets_and_repeats_quietly"

    def delete_vectors(self, name: str, keys: Collection[str]) -> None: ...


class DeleteRaisesOnUnknown(MemoryBackend):
    caught_by = "check_delete_forgets_and_repeats_quietly"

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        if missing := set(keys) - {key for key, _ in self.list_keys(name)}:
            raise KeyError(missing.pop())
        super().delete_vectors(name, keys)


class DedupesByContent(MemoryBackend):
    caught_by = "check_two_keys_may_hold_one_vector"

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        seen = {entry.values.tobytes(): entry for entry in entries(batch) if entry.values is not None}
        super().put_vectors(name, Batch.of(list(seen.values())))


class Unsorted(MemoryBackend):
    caught_by = "check_answers_are_the_nearest_best_first_each_once"

    def query(self, *args: Any, **kwargs: Any) -> Matches:
        found = super().query(*args, **kwargs)
        return replace(found, items=found.items[::-1])


class HalfBatch(MemoryBackend):
    caught_by = "check_a_bad_vector_rejects_the_whole_batch"

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        for entry in entries(batch):
            super().put_vectors(name, Batch.of([entry]))


class AcceptsNaN(MemoryBackend):
    caught_by = "check_a_bad_vector_rejects_the_whole_batch"

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        values = None if batch.values is None else np.nan_to_num(batch.values)
        super().put_vectors(name, replace(batch, values=values))


class ReturnsDistance(MemoryBackend):
    caught_by = "check_cosine_scores_are_similarities"

    def query(self, *args: Any, **kwargs: Any) -> Matches:
        found = super().query(*args, **kwargs)
        return replace(found, items=[Match(m.key, 1 - m.score, m.metadata) for m in found.items])


class IgnoresFilter(MemoryBackend):
    caught_by = "check_a_filter_is_applied_before_the_best_are_chosen"

    def query(self, *args: Any, where: Filter | None = None, **kwargs: Any) -> Matches:
        return super().query(*args, **kwargs)


class FiltersAfterwards(MemoryBackend):
    caught_by = "check_a_filter_is_applied_before_the_best_are_chosen"

    def query(self, *args: Any, where: Filter | None = None, **kwargs: Any) -> Matches:
        found = super().query(*args, **kwargs)
        return replace(found, items=[m for m in found.items if where is None or holds(where, m.metadata)])


class Appends(MemoryBackend):
    caught_by = "check_put_replaces_by_key"

    def query(self, *args: Any, **kwargs: Any) -> Matches:
        found = super().query(*args, **kwargs)
        return replace(found, items=[*found.items, *found.items])


class KeepsOldMetadata(MemoryBackend):
    caught_by = "check_metadata_is_replaced_with_the_vector"

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        held = self.get(name, batch.keys, metadata=True)
        new = zip(batch.keys, batch.metadata, strict=True)
        metadata = [held[key].metadata if key in held else data for key, data in new]
        super().put_vectors(name, replace(batch, metadata=metadata))


class WipesOnCreate(MemoryBackend):
    caught_by = "check_creating_again_keeps_what_is_there"

    def create_collection(self, name: str, *args: Any, **kwargs: Any) -> CollectionInfo:
        self._collections.pop(name, None)
        return super().create_collection(name, *args, **kwargs)


class TruncatesLargeBatches(MemoryBackend):
    caught_by = "check_any_batch_size_arrives_whole"

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        super().put_vectors(name, Batch.of(entries(batch)[:500]))


class ListsOnePage(MemoryBackend):
    caught_by = "check_any_batch_size_arrives_whole"

    def list_keys(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, str]]:
        return iter(list(super().list_keys(*args, **kwargs))[:1000])


class TakesAnyQuery(MemoryBackend):
    caught_by = "check_a_query_that_does_not_fit_is_refused"

    def query(self, name: str, vector: np.ndarray, *args: Any, **kwargs: Any) -> Matches:
        dimension = self.collection_info(name).dimension
        return super().query(name, np.resize(np.nan_to_num(vector), dimension), *args, **kwargs)


class OneCollectionForAll(MemoryBackend):
    caught_by = "check_collections_are_apart"

    def delete_collection(self, name: str, *, identity: str) -> None:
        self._collections.clear()


class ClaimsToBeDurable(MemoryBackend):
    caught_by = "check_opening_again_never_shows_what_was_not_put"
    traits = replace(TRAITS, durable=True)


class ResurrectsDeleted(MemoryBackend):
    """Reopened, it shows what had been deleted: a cache that was not thrown away."""

    caught_by = "check_opening_again_never_shows_what_was_not_put"

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        self._graves = [
            Entry(key, held.values, held.metadata) for key, held in self.get(name, keys, metadata=True).items()
        ]
        super().delete_vectors(name, keys)

    def close(self) -> None:
        """Nothing is let go."""

    def create_collection(self, name: str, *args: Any, **kwargs: Any) -> CollectionInfo:
        made = super().create_collection(name, *args, **kwargs)
        if graves := getattr(self, "_graves", None):
            self.put_vectors(name, Batch.of(graves))
        return made


class InventsCollections(MemoryBackend):
    caught_by = "check_an_unknown_collection_is_an_error_everywhere"

    def query(self, name: str, *args: Any, **kwargs: Any) -> Matches:
        return super().query(name, *args, **kwargs) if name in self._collections else Matches((), "exhausted")


class TakesAnySpace(MemoryBackend):
    caught_by = "check_another_space_is_refused"

    def create_collection(
        self, name: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> CollectionInfo:
        return super().create_collection(name, dimension, metric)


class PretendsToKnowTheMetric(MemoryBackend):
    caught_by = "check_a_metric_is_right_or_refused"
    traits = replace(TRAITS, metrics=frozenset({"cosine"}))

    def create_collection(self, name: str, dimension: int, metric: Metric, **kwargs: Any) -> CollectionInfo:
        return super().create_collection(name, dimension, "cosine", **kwargs)


class LooksTheSameAfterwards(MemoryBackend):
    caught_by = "check_another_collection_of_the_name_is_not_deleted"

    def create_collection(self, name: str, *args: Any, **kwargs: Any) -> CollectionInfo:
        made = super().create_collection(name, *args, **kwargs)
        self._collections[name].info = replace(made, identity="the same")
        return self._collections[name].info


class DeletesAnotherOfTheName(MemoryBackend):
    caught_by = "check_another_collection_of_the_name_is_not_deleted"

    def delete_collection(self, name: str, *, identity: str) -> None:
        self._collections.pop(name, None)


class DropsPayloads(MemoryBackend):
    caught_by = "check_a_payload_comes_back_where_it_is_kept"
    traits = replace(TRAITS, keeps_payload=True, private=False)


class PromisesTooFewMatches(MemoryBackend):
    caught_by = "check_a_limit_of_matches_is_kept_and_said"
    traits = replace(TRAITS, max_matches=7)


class TakesTrueForOne(MemoryBackend):
    caught_by = "check_true_is_not_one_and_one_is_one_point_zero"

    def query(self, *args: Any, where: Filter | None = None, **kwargs: Any) -> Matches:
        return super().query(*args, where=None if where is None else _loosened(where), **kwargs)


class LiesAboutAFilter(MemoryBackend):
    """It says that it evaluates all, and leaves out whatever it does not know."""

    caught_by = "check_a_random_filter_leaves_what_it_says"

    def query(self, *args: Any, where: Filter | None = None, **kwargs: Any) -> Matches:
        return super().query(*args, where=where if isinstance(where, Compare | In | And) else None, **kwargs)


class SaysExhaustedTooEarly(MemoryBackend):
    caught_by = "check_an_answer_says_why_it_ends"

    def query(self, *args: Any, **kwargs: Any) -> Matches:
        return replace(super().query(*args, **kwargs), end="exhausted")


class IgnoresAmong(MemoryBackend):
    caught_by = "check_keys_narrow_a_query_before_the_best_are_chosen"

    def query(self, *args: Any, among: object = None, **kwargs: Any) -> Matches:
        return super().query(*args, **kwargs)


class LooksForTheFirstKeys(MemoryBackend):
    caught_by = "check_a_hundred_thousand_keys_and_thousands_of_properties_narrow_a_query"

    def query(self, *args: Any, among: Among | None = None, **kwargs: Any) -> Matches:
        return super().query(*args, among=among and Among(among.ids[:1_000]), **kwargs)


class KeepsMetadataOnChange(MemoryBackend):
    caught_by = "check_metadata_changes_under_a_kept_vector"

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        return frozenset(batch.keys) - {key for key, _ in self.list_keys(name)}


class MakesKeysOfMetadata(MemoryBackend):
    """An upsert where an update was meant."""

    caught_by = "check_metadata_changes_under_a_kept_vector"

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        values = np.ones((len(batch), self.collection_info(name).dimension), dtype=np.float32)
        super().put_vectors(name, replace(batch, values=values))
        return frozenset()


class ForgetsVersions(MemoryBackend):
    caught_by = "check_metadata_and_version_come_back"

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        super().put_vectors(name, replace(batch, versions=[""] * len(batch)))


class MakesMomentsNumbers(MemoryBackend):
    caught_by = "check_metadata_and_version_come_back"

    def get(self, *args: Any, **kwargs: Any) -> dict[str, Stored]:
        return {
            key: replace(held, metadata=_numbers(held.metadata)) for key, held in super().get(*args, **kwargs).items()
        }


class SeesPutsLate(MemoryBackend):
    """A put can be found from the next call on."""

    caught_by = "check_a_put_is_visible_when_it_returns"

    def __init__(self) -> None:
        super().__init__()
        self._late: list[tuple[str, Batch]] = []

    def query(self, *args: Any, **kwargs: Any) -> Matches:
        try:
            return super().query(*args, **kwargs)
        finally:
            for name, batch in self._late:
                super().put_vectors(name, batch)
            self._late.clear()

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        self.collection_info(name)
        self._late.append((name, batch))


class LosesBulkWork(MemoryBackend):
    caught_by = "check_bulk_work_is_whole_at_its_end"

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        if visible:
            super().put_vectors(name, batch)


class ListsEverything(MemoryBackend):
    caught_by = "check_keys_are_listed_by_prefix_and_onwards"

    def list_keys(
        self, name: str, prefix: str = "", after: str = "", *, versions: bool = False
    ) -> Iterator[tuple[str, str]]:
        return super().list_keys(name)


class ClaimsNothing(MemoryBackend):
    """Every trait that would be checked is left out."""

    caught_by = "check_traits_claim_what_is"
    traits = replace(TRAITS, metrics=frozenset(), max_dimension=0, value_error=None, patches=False, max_among=0)


class IsOffByMore(MemoryBackend):
    caught_by = "check_traits_claim_what_is"

    def get(self, *args: Any, **kwargs: Any) -> dict[str, Stored]:
        held = super().get(*args, **kwargs)
        return {
            key: replace(one, values=None if one.values is None else one.values.astype(np.float16).round(1))
            for key, one in held.items()
        }


class RefusesNamelessly(MemoryBackend):
    caught_by = "check_refusals_name_the_keys"

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        try:
            super().put_vectors(name, batch)
        except Exception as error:
            raise ValueError("no") from error


def _loosened(where: Filter) -> Filter:
    match where:
        case And(parts):
            return And(tuple(map(_loosened, parts)))
        case Compare(field, "=", value) if isinstance(value, bool) or value in (0, 1):
            return Or((where, Compare(field, "=", int(value)), Compare(field, "=", bool(value))))  # type: ignore[arg-type]
    return where


def _numbers(metadata: Metadata) -> Metadata:
    return {key: value.us if isinstance(value, Moment) else value for key, value in metadata.items()}


BROKEN = [
    cls for cls in list(globals().values())
    if isinstance(cls, type) and issubclass(cls, MemoryBackend) and cls is not MemoryBackend
]  # fmt: skip
