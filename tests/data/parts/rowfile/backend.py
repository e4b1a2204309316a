"""
Exact search over files of JSON lines, one a collection: what a line says replaces what earlier lines said.

The file is read when the collection is first asked for. A line that was cut off by a crash is the last, and is dropped.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vragd.backends.base import Among, Batch, CollectionInfo, Match, Matches, Stored, Traits, key_ids
from vragd.backends.checks import check_identity, check_keys, check_shape, check_traits, checked_query, checked_rows
from vragd.backends.scores import exact_scores, prepared
from vragd.errors import UnknownCollection
from vragd.terms.filter import Filter, Metadata, Moment, holds
from vragd.terms.metric import METRICS, Metric

from .settings import Settings

SUFFIX = ".rowfile"
TRAITS = Traits(
    private=True, networked=False, keeps_payload=False, durable=True, patches=True, value_error=1e-6,
    metrics=METRICS, max_dimension=65_536, max_matches=None, max_among=None,
)  # fmt: skip
PUSHES = frozenset({"And", "Or", "Not", "Compare", "In", "Prefix", "Exists"})


def create(settings: Settings, data_dir: Path) -> RowfileBackend:
    """A backend of the files in `data_dir`."""
    return RowfileBackend(data_dir, sync=settings.sync)


@dataclass(slots=True)
class _Held:
    values: np.ndarray
    metadata: Metadata
    version: str


@dataclass(slots=True)
class _Collection:
    info: CollectionInfo
    rows: dict[str, _Held] = field(default_factory=dict)


class RowfileBackend:
    """A dictionary of vectors for each file, behind one lock; `sync` waits for the disk at every change."""

    traits = TRAITS

    def __init__(self, folder: Path, *, sync: bool) -> None:
        self._folder, self._sync = folder, sync
        self._lock = threading.RLock()
        self._collections: dict[str, _Collection] = {}

    def create_collection(
        self, name: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> CollectionInfo:  # fmt: skip
        check_traits(self.traits, dimension, metric, "rowfile")
        asked = _info(name, dimension, metric, space, model, secrets.token_hex(8))
        with self._lock:
            if not self._path(name).exists():
                fields = ("dimension", "metric", "space", "model", "identity")
                self._write(name, {key: getattr(asked, key) for key in fields})
            have = self._held(name).info
            check_shape(asked, have)
            return have

    def delete_collection(self, name: str, *, identity: str) -> None:
        with self._lock:
            if self._path(name).exists():
                check_identity(name, self._held(name).info.identity, identity)
                self._path(name).unlink()
                del self._collections[name]

    def list_collections(self) -> list[str]:
        return sorted(path.name.removesuffix(SUFFIX) for path in self._folder.glob("*" + SUFFIX))

    def collection_info(self, name: str) -> CollectionInfo:
        with self._lock:
            held = self._held(name)
            return replace(held.info, count=len(held.rows))

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        with self._lock:
            held = self._held(name)
            rows = prepared(checked_rows(batch, held.info.dimension), held.info.metric)
            new = {
                key: _Held(row, dict(data), version)
                for key, row, data, version in zip(batch.keys, rows, batch.metadata, batch.versions, strict=True)
            }
            self._write(name, *(_line(key, one) for key, one in new.items()))
            held.rows.update(new)

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        check_keys(batch)
        with self._lock:
            rows = self._held(name).rows
            told = zip(batch.keys, batch.metadata, batch.versions, strict=True)
            new = {key: _Held(rows[key].values, dict(data), version) for key, data, version in told if key in rows}
            self._write(name, *(_line(key, one) for key, one in new.items()))
            rows.update(new)
            return frozenset(batch.keys) - rows.keys()

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        with self._lock:
            rows = self._held(name).rows
            gone = {key for key in keys if key in rows}
            self._write(name, *({"key": key} for key in sorted(gone)))
            for key in gone:
                del rows[key]

    def get(
        self, name: str, keys: Collection[str], *, values: bool = True, metadata: bool = False
    ) -> dict[str, Stored]:  # fmt: skip
        with self._lock:
            rows = self._held(name).rows
            return {
                key: Stored(one.values.copy() if values else None, one.metadata if metadata else {}, {}, one.version)
                for key in keys
                if (one := rows.get(key))
            }

    def list_keys(
        self, name: str, prefix: str = "", after: str = "", *, versions: bool = False
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        with self._lock:
            rows = self._held(name).rows.items()
            return iter(sorted((key, one.version) for key, one in rows if key > after and key.startswith(prefix)))

    def bulk(self, name: str, expect: int) -> AbstractContextManager[None]:
        return nullcontext()

    def tend(self, name: str) -> None:
        return None

    def split(self, name: str, where: Filter | None) -> tuple[Filter | None, Filter | None]:
        return where, None

    def query(
        self, name: str, vector: np.ndarray, top_k: int, *, among: Among | None = None, where: Filter | None = None,
        payload: bool = False, cursor: str | None = None, timeout_s: float | None = None,
    ) -> Matches:  # fmt: skip
        with self._lock:
            held = self._held(name)
            found = [
                (key, one)
                for key, one in sorted(held.rows.items())
                if (where is None or holds(where, one.metadata)) and (among is None or among.has(key_ids([key]))[0])
            ]
        query = prepared(checked_query(vector, held.info.dimension), held.info.metric)
        if not found or top_k <= 0:
            return Matches((), "more" if found else "exhausted")
        scores = exact_scores(np.stack([one.values for _, one in found]), query, held.info.metric)
        best = [
            Match(found[i][0], float(scores[i]), found[i][1].metadata)
            for i in np.argsort(-scores, kind="stable")[:top_k]
        ]
        return Matches(best, "exhausted" if len(best) == len(found) else "more")

    def close(self) -> None:
        return None

    def _path(self, name: str) -> Path:
        return self._folder / (name + SUFFIX)

    def _held(self, name: str) -> _Collection:
        if name not in self._collections:
            if not self._path(name).exists():
                raise UnknownCollection(f"there is no file of store {name!r}")
            head, *rest = self._lines(name)
            held = _Collection(_info(name, **head))
            for line in rest:
                if "values" in line:
                    values = np.array(line["values"], dtype=np.float32)
                    metadata = {key: _value(value) for key, value in line["metadata"].items()}
                    held.rows[line["key"]] = _Held(values, metadata, line["version"])
                else:
                    held.rows.pop(line["key"], None)
            self._collections[name] = held
        return self._collections[name]

    def _lines(self, name: str) -> list[dict[str, Any]]:
        raw = self._path(name).read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if whole != raw:
            os.truncate(self._path(name), len(whole))
        return [json.loads(line) for line in whole.splitlines()]

    def _write(self, name: str, *lines: dict[str, Any]) -> None:
        with open(self._path(name), "ab") as file:
            file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            file.flush()
            if self._sync:
                os.fsync(file.fileno())


def _info(name: str, dimension: int, metric: Metric, space: str, model: str, identity: str) -> CollectionInfo:
    return CollectionInfo(name, dimension, metric, 0, space, model, identity, "rowfile", True, PUSHES)


def _line(key: str, one: _Held) -> dict[str, Any]:
    metadata = {name: _plain(value) for name, value in one.metadata.items()}
    return {"key": key, "values": one.values.tolist(), "metadata": metadata, "version": one.version}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return {"us": value.us, "date_only": value.date_only} if isinstance(value, Moment) else value


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(part) for part in plain)
    return Moment(plain["us"], plain["date_only"]) if isinstance(plain, dict) else plain
