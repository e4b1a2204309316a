"""
FAISS in memory, with a cache file per collection.

The catalog is the truth: a put or delete changes memory only and writes nothing, and the file is written
when enough has changed to be worth it. After a crash the file is older than the catalog, and whoever
holds the catalog puts what is missing and deletes what is too much. A file that is not whole is moved
aside and the collection opens empty.
"""

from __future__ import annotations

import json
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from collections.abc import Collection as Some
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from vragd.backends.base import Among, Batch, CollectionInfo, Matches, Stored, Traits
from vragd.backends.checks import check_identity, check_keys, check_shape, check_traits, may_be_called
from vragd.backends.faiss import collection
from vragd.backends.faiss.collection import Collection, Tuning
from vragd.backends.faiss.settings import Settings
from vragd.errors import BackendUnavailable, CollectionMismatch, UnknownCollection
from vragd.system.failpoints import reach
from vragd.system.files import private_dir, write_atomic
from vragd.terms.filter import KINDS, Filter
from vragd.terms.metric import METRICS, Metric

TRAITS = Traits(
    private=True, networked=False, keeps_payload=False, durable=False, patches=True, value_error=1 / 50_000,
    metrics=METRICS, max_dimension=65_536, max_matches=None, max_among=None,
)  # fmt: skip


def create(settings: Settings, data_dir: Path) -> FaissBackend:
    """A backend over what is below `data_dir`. Files are read when a collection is first used."""
    return FaissBackend(settings.index, data_dir, collection.TUNING)


class FaissBackend:
    """Searches of a collection run beside each other; a change waits for them and they for it."""

    traits = TRAITS

    def __init__(self, index: str, data_dir: Path, tuning: Tuning = collection.TUNING) -> None:
        self._index, self._data_dir, self._tuning = index, data_dir, tuning
        self._lock = threading.Lock()
        self._open: dict[str, Collection] = {}
        self._closed = False

    def create_collection(
        self, name: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> CollectionInfo:  # fmt: skip
        check_traits(self.traits, dimension, metric, "FAISS")
        asked = self._info(name, dimension, metric, space, model, secrets.token_hex(8))
        with self._lock:
            if have := self._record(name):
                check_shape(asked, have)
                if not have.identity:  # made before collections had one
                    have = replace(have, identity=asked.identity)
                    self._write(have)
                return have
            folder = private_dir(self._folder(name))
            (folder / "vectors.faiss").unlink(missing_ok=True)  # of one whose deletion a crash interrupted
            reach("collection.emptied")
            self._write(asked)
            reach("collection.made")
            return asked

    def _write(self, info: CollectionInfo) -> None:
        fields = ("dimension", "metric", "space", "model", "identity")
        record = json.dumps({field: getattr(info, field) for field in fields})
        write_atomic(self._folder(info.name) / "store.json", [record.encode()])

    def delete_collection(self, name: str, *, identity: str) -> None:
        with self._lock:
            if have := self._record(name):
                check_identity(name, have.identity, identity)
            if held := self._open.pop(name, None):
                held.forget()
            if may_be_called(name) and (folder := self._folder(name)).is_dir():
                (folder / "vectors.faiss").unlink(missing_ok=True)  # while the record is there, the rest is found
                reach("collection.shrunk")
                shutil.rmtree(folder)
                reach("collection.removed")

    def list_collections(self) -> list[str]:
        names = [record.parent.name for record in self._data_dir.glob("*/store.json")]
        return sorted(name for name in names if self._record(name))

    def collection_info(self, name: str) -> CollectionInfo:
        with self._lock:
            held, record = self._held(name), self._record(name)
        if record is None:
            raise UnknownCollection(f"{self._folder(name) / 'store.json'} is gone, or damaged")
        count, exact, detail = held.info()
        return replace(record, count=count, exact=exact, detail=detail)

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        self._collection(name).put(batch)

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        check_keys(batch)
        return self._collection(name).put_metadata(batch)

    def delete_vectors(self, name: str, keys: Some[str]) -> None:
        self._collection(name).delete(keys)

    def get(
        self, name: str, keys: Some[str], *, values: bool = True, metadata: bool = False
    ) -> dict[str, Stored]:  # fmt: skip
        return self._collection(name).get(keys, values=values, metadata=metadata)

    def list_keys(
        self, name: str, prefix: str = "", after: str = "", *, versions: bool = False
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        found = [pair for pair in self._collection(name).keys(versions=versions) if pair[0].startswith(prefix)]
        return iter(sorted(pair for pair in found if pair[0] > after) if after else found)

    def bulk(self, name: str, expect: int) -> AbstractContextManager[None]:
        return nullcontext()

    def split(self, name: str, where: Filter | None) -> tuple[Filter | None, Filter | None]:
        return where, None

    def query(
        self, name: str, vector: np.ndarray, top_k: int, *, among: Among | None = None, where: Filter | None = None,
        payload: bool = False, cursor: str | None = None, timeout_s: float | None = None,
    ) -> Matches:  # fmt: skip
        return self._collection(name).query(vector, top_k, among, where, with_metadata=payload)

    def tend(self, name: str) -> None:
        """Write the cache file if enough of the collection has changed, see `Tuning`."""
        self._collection(name).tend()

    def look_at_files(self, name: str) -> None:
        self.collection_info(name)
        self._collection(name).look_at_file()

    def mend_files(
        self, name: str, meant: CollectionInfo | None = None, is_ours: Callable[[str], bool] = bool
    ) -> None:  # fmt: skip
        """Begin with what the file holds, or with nothing: it is a cache."""
        with self._lock:
            if held := self._open.pop(name, None):
                held.forget()

    def close(self) -> None:
        """Write the cache of each collection that has changed, so that nothing deleted stays in it, and free all."""
        with self._lock:
            try:
                for held in self._open.values():
                    held.save()
            finally:
                self._closed = True
                for held in self._open.values():
                    held.forget()
                self._open.clear()

    def _folder(self, name: str) -> Path:
        if not may_be_called(name):
            raise CollectionMismatch(f"{name!r} cannot be the name of a store", what="name")
        return self._data_dir / name

    def _info(
        self, name: str, dimension: int, metric: Metric, space: str, model: str, identity: str
    ) -> CollectionInfo:  # fmt: skip
        exact = self._index == "flat"
        return CollectionInfo(name, dimension, metric, None, space, model, identity, "faiss", exact, KINDS)

    def _record(self, name: str) -> CollectionInfo | None:
        """What is recorded of a collection; None for one that is not there, or whose record is damaged."""
        if not may_be_called(name):
            return None
        try:
            record = json.loads((self._folder(name) / "store.json").read_bytes())
            texts = (record.get(field, "") for field in ("space", "model", "identity"))
            return self._info(name, int(record["dimension"]), record["metric"], *texts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _collection(self, name: str) -> Collection:
        with self._lock:
            return self._held(name)

    def _held(self, name: str) -> Collection:
        """The open collection, under the lock."""
        if self._closed:
            raise BackendUnavailable("the index is closed", hint="try again in a moment")
        if name not in self._open:
            if (record := self._record(name)) is None:
                raise UnknownCollection(f"the backend has no store {name!r}")
            self._open[name] = Collection(record, self._folder(name), self._index, self._tuning)
        return self._open[name]
