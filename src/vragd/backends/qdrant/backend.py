"""Qdrant, over HTTP: a collection for each collection, each call one request or a few."""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from vragd.backends.base import Among, Batch, CollectionInfo, Match, Matches, Stored, Traits
from vragd.backends.checks import (
    check_identity,
    check_keys,
    check_shape,
    check_traits,
    checked_query,
    checked_rows,
    refuse,
)
from vragd.backends.http.connect import Credentials
from vragd.backends.plain import damage_told
from vragd.backends.plain import read as read_plain
from vragd.backends.qdrant import filters, points
from vragd.backends.qdrant.server import ApiKey, Exists, NoPoint, Server
from vragd.backends.qdrant.settings import Settings
from vragd.backends.scores import prepared
from vragd.errors import BackendRefused, BackendUnavailable, CollectionMismatch, UnknownCollection
from vragd.terms.filter import KINDS, Filter
from vragd.terms.metric import METRICS, Metric

log = structlog.get_logger()

MARK, FORMAT = "vragd", 1
OLDEST = (1, 16)  # which keeps metadata of a collection
KEYS, PAGE = 1_000, 5_000  # in one request: got or deleted, listed
INDEX_FROM = 10_000  # vectors from which `index: auto` asks the index
TRIES = 3  # of a change to points that others delete meanwhile
DISTANCES: Mapping[Metric, str] = {"cosine": "Cosine", "euclidean": "Euclid", "dot": "Dot"}
INDEXES = {filters.TOKENS: "keyword", filters.ID: "integer"}

TRAITS = Traits(
    private=False, networked=True, keeps_payload=True, durable=True, patches=True, value_error=1e-6,
    metrics=METRICS, max_dimension=65_536, max_matches=None, max_among=None,
)  # fmt: skip


def create(settings: Settings, data_dir: Path) -> QdrantBackend:
    """A backend over the server. Contacts nobody; keeps nothing below `data_dir`."""
    return QdrantBackend(settings, ApiKey(settings))


class QdrantBackend:
    """Of a server that others may use too. What it knows of a collection is looked up again when that is gone."""

    traits = TRAITS

    def __init__(self, settings: Settings, credentials: Credentials, index_from: int = INDEX_FROM) -> None:
        self._settings, self._index_from = settings, index_from
        self.server = Server(settings, credentials)
        self._lock = threading.Lock()
        self._known: dict[str, CollectionInfo] = {}
        self._many: dict[str, bool] = {}  # by identity: so many that the index is asked

    # -- collections -------------------------------------------------------------------------------

    def create_collection(
        self, name: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> CollectionInfo:  # fmt: skip
        check_traits(self.traits, dimension, metric, self._settings.title)
        asked = CollectionInfo(name, dimension, metric, None, space, model)
        try:
            have, indexed = self._described(name)
        except UnknownCollection:
            if self._create(asked):
                log.info("backend.index_created", store=name, dimension=dimension)
            have, indexed = self._described(name)  # which is somebody else's if that was quicker
        check_shape(asked, have)
        for field in INDEXES.keys() - indexed:  # also where whoever made it came no further
            body = {"field_name": field, "field_schema": INDEXES[field]}
            self.server.ask("PUT", f"{self._path(name)}/index?wait=true", body, name)
        return have

    def _create(self, asked: CollectionInfo) -> bool:
        """Whether it was made; not if it is there by now."""
        version = self.server.version()
        if version and version < OLDEST:
            raise BackendRefused(
                f"Qdrant {'.'.join(map(str, version))} keeps no metadata of collections: {self._settings.where()}",
                hint="update it to 1.16 or newer",
            )
        meta = {
            "format": FORMAT, "name": asked.name, "identity": secrets.token_hex(8), "metric": asked.metric,
            "space": asked.space, "model": asked.model, "created": points.stamp(),
        }  # fmt: skip
        body: dict[str, Any] = {
            "vectors": {"size": asked.dimension, "distance": DISTANCES[asked.metric], "datatype": "float32"},
            "metadata": {MARK: meta},
        }
        graph = self._settings.index != "exact"
        body["hnsw_config"] = {"m": self._settings.m if graph else 0, "ef_construct": self._settings.ef_construction}
        try:
            self.server.ask("PUT", self._path(asked.name), body, asked.name)
        except Exists:
            return False
        return True

    def delete_collection(self, name: str, *, identity: str) -> None:
        try:
            check_identity(name, self._described(name)[0].identity, identity)
            self.server.ask("DELETE", self._path(name), None, name)
        except UnknownCollection:
            return
        finally:
            self._forget(name)

    def list_collections(self) -> list[str]:
        """Those of other programs that begin as ours do are left out."""
        prefix, found = self._settings.prefix, []
        for each in self.server.ask("GET", "/collections", None, None)["collections"]:
            if each["name"].startswith(prefix):
                try:
                    found.append(self._described(each["name"].removeprefix(prefix))[0].name)
                except (UnknownCollection, CollectionMismatch, BackendRefused):
                    continue
        return sorted(found)

    def collection_info(self, name: str) -> CollectionInfo:
        info = self._described(name)[0]
        count = self._count(info)
        many = self._many[info.identity]
        version = ".".join(map(str, self.server.version()))
        detail = dict(info.detail) | {"index": "hnsw" if many else "exact"} | ({"qdrant": version} if version else {})
        return replace(info, count=count, exact=not many, detail=detail)

    def _path(self, name: str) -> str:
        return f"/collections/{self._settings.prefix}{name}"

    def _described(self, name: str, timeout_s: float | None = None) -> tuple[CollectionInfo, frozenset[str]]:
        """What is there, as it is now, and the names in payloads that are indexed."""
        self._forget(name)
        answer = self.server.ask("GET", self._path(name), None, name, timeout_s)
        info = self._read(name, answer)
        with self._lock:
            self._known[name] = info
        return info, frozenset(answer.get("payload_schema") or ())

    def _read(self, name: str, answer: Mapping[str, Any]) -> CollectionInfo:
        """Raises CollectionMismatch for what vragd did not make so."""
        settings, config = self._settings, answer["config"]
        vectors, meta = config["params"].get("vectors") or {}, (config.get("metadata") or {}).get(MARK)
        called = settings.prefix + name
        if not isinstance(meta, dict) or meta.get("name") != name:
            raise CollectionMismatch(
                f"collection {called!r} was not made by vragd: {settings.where()}", what="owner",
                hint="delete it there, or set another prefix, or use another store name",
            )  # fmt: skip
        if meta.get("format") != FORMAT:
            raise BackendRefused(f"collection {called!r} was made by another version of vragd", hint="use that version")
        metric: Metric = meta.get("metric", "")
        whole = vectors.get("datatype") in (None, "float32") and not vectors.get("multivector_config")
        if vectors.get("distance") != DISTANCES.get(metric, "") or not (whole and meta.get("identity")):
            raise CollectionMismatch(
                f"the vectors of collection {called!r} are not as vragd made them", what="owner",
                hint="delete it there, and vragd makes and fills it again",
            )  # fmt: skip
        graph = {**(config.get("hnsw_config") or {}), **(vectors.get("hnsw_config") or {})}
        detail: dict[str, Any] = {"collection": called, "created": meta.get("created", "")}
        if graph.get("m"):
            detail |= {"m": graph["m"], "ef_construction": graph.get("ef_construct"), "ef_search": settings.ef_search}
        place = f"qdrant {settings.scheme}://{settings.host} text={settings.remote_text}"
        return CollectionInfo(
            name, vectors["size"], metric, None, meta.get("space", ""), meta.get("model", ""), meta["identity"], place,
            not graph.get("m"), KINDS - {"Prefix"}, detail,
        )  # fmt: skip

    def _of(self, name: str, timeout_s: float | None = None) -> CollectionInfo:
        with self._lock:
            known = self._known.get(name)
        return known or self._described(name, timeout_s)[0]

    def _forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)

    def _ask(self, name: str, method: str, path: str, body: Any, timeout_s: float | None = None) -> Any:
        """As `Server.ask` about points; after an error the collection may be another."""
        try:
            return self.server.ask(method, f"{self._path(name)}/points{path}", body, name, timeout_s)
        except Exception:
            self._forget(name)
            raise

    def _count(self, info: CollectionInfo, timeout_s: float | None = None) -> int:
        count = int(self._ask(info.name, "POST", "/count", {"exact": True}, timeout_s)["count"])
        most = {"auto": self._index_from, "hnsw": -1, "exact": math.inf}[self._settings.index]
        self._many[info.identity] = "m" in info.detail and count > most
        return count

    # -- vectors -----------------------------------------------------------------------------------

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        info = self._of(name)
        rows = prepared(checked_rows(batch, info.dimension), info.metric)
        points.check(batch)
        for body in points.requests(points.written(batch, rows, with_text=self._settings.remote_text)):
            self._ask(name, "PUT", "?wait=true", body)

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        check_keys(batch)
        points.check(batch)
        self._of(name)
        last = {key: i for i, key in enumerate(batch.keys)}
        missing: set[str] = set()
        for some in _some(last):
            for left in reversed(range(TRIES)):
                try:
                    missing |= self._patch(name, batch, {key: last[key] for key in some})
                    break
                except NoPoint:
                    if not left:
                        raise BackendUnavailable("points are deleted while they are changed") from None
        return frozenset(missing)

    def _patch(self, name: str, batch: Batch, places: Mapping[str, int]) -> set[str]:
        """The keys that are not there. Raises NoPoint where one is deleted in between."""
        body = {"ids": [points.point_id(key) for key in places], "with_payload": ["key", "created_at"]}
        made = {it["payload"]["key"]: it["payload"]["created_at"] for it in self._ask(name, "POST", "", body)}
        operations = []
        for key, i in places.items():
            if key in made:
                payload = points.told(batch, i, with_text=self._settings.remote_text, created_at=made[key])
                operations.append({"overwrite_payload": {"payload": payload, "points": [points.point_id(key)]}})
        if operations:
            self._ask(name, "POST", "/batch?wait=true", {"operations": operations})
        return places.keys() - made.keys()

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        self._of(name)
        for some in _some(keys):
            self._ask(name, "POST", "/delete?wait=true", {"points": [points.point_id(key) for key in some]})

    def get(
        self, name: str, keys: Collection[str], *, values: bool = True, metadata: bool = False
    ) -> dict[str, Stored]:  # fmt: skip
        self._of(name)
        found = {}
        wanted = ["key", "version", *(["properties", "payload"] if metadata else [])]
        for some in _some(keys):
            body = {"ids": [points.point_id(key) for key in some], "with_payload": wanted, "with_vector": values}
            for point in self._ask(name, "POST", "", body):
                found[point["payload"]["key"]] = points.stored(point, values=values, metadata=metadata)
        return found

    def list_keys(
        self, name: str, prefix: str = "", after: str = "", *, versions: bool = False
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        self._of(name)
        found = (it for it in self._every(name, versions=versions) if it[0].startswith(prefix))
        yield from found if not after else sorted(it for it in found if it[0] > after)  # pages are by id alone

    def _every(self, name: str, *, versions: bool) -> Iterator[tuple[str, str]]:
        body: dict[str, Any] = {"limit": PAGE, "with_payload": ["key", "version"] if versions else ["key"]}
        while True:
            page = self._ask(name, "POST", "/scroll", body)
            for point in page["points"]:
                if "key" in (point["payload"] or ()):  # others are somebody else's
                    yield point["payload"]["key"], point["payload"].get("version", "")
            if page.get("next_page_offset") is None:
                return
            body["offset"] = page["next_page_offset"]

    def bulk(self, name: str, expect: int) -> AbstractContextManager[None]:
        """Nothing: each request is seen when it is answered, and the server builds its index by itself."""
        return nullcontext()

    def tend(self, name: str) -> None:
        """See whether there are so many by now, or so few, that questions are put otherwise."""
        self._count(self._of(name))

    # -- questions ---------------------------------------------------------------------------------

    def split(self, name: str, where: Filter | None) -> tuple[Filter | None, Filter | None]:
        return filters.split(where)

    def query(
        self, name: str, vector: np.ndarray, top_k: int, *, among: Among | None = None, where: Filter | None = None,
        payload: bool = False, cursor: str | None = None, timeout_s: float | None = None,
    ) -> Matches:  # fmt: skip
        refuse(self.split(name, where)[1], self._settings.title)
        timeout_s = timeout_s or self._settings.query_timeout_s
        info = self._of(name, timeout_s)
        row = checked_query(vector, info.dimension, info.metric)
        if top_k <= 0:
            return Matches((), "more")
        if info.identity not in self._many:
            self._count(info, timeout_s)
        body: dict[str, Any] = {
            "query": prepared(row, info.metric).tolist(), "limit": top_k + 1,
            "with_payload": ["key", "properties", "payload"] if payload else ["key"],
        }  # fmt: skip
        if narrowed := filters.query(where, among):
            body["filter"] = narrowed
        many = self._many[info.identity]
        hits = self._hits(name, body, timeout_s, exact=not many)
        if len(hits) <= top_k and many:  # nothing but comparing all says that there is nothing else
            hits = self._hits(name, body, timeout_s, exact=True)
        with damage_told(self._settings.where()):
            items = [_match(hit, info.metric) for hit in hits if "key" in (hit["payload"] or ())]
        items.sort(key=lambda match: (-match.score, match.key))
        return Matches(items[:top_k], "more" if len(items) > top_k else "exhausted")

    def _hits(self, name: str, body: Mapping[str, Any], timeout_s: float, *, exact: bool) -> list[dict[str, Any]]:
        effort = {"exact": True} if exact else {"hnsw_ef": max(self._settings.ef_search, body["limit"])}
        path = f"/query?timeout={max(1, math.ceil(timeout_s))}"
        hits: list[dict[str, Any]] = self._ask(name, "POST", path, {**body, "params": effort}, timeout_s)["points"]
        return hits

    def close(self) -> None:
        self.server.connections.close()


def _match(hit: Mapping[str, Any], metric: Metric) -> Match:
    raw, held = float(hit["score"]), hit["payload"]
    score = 1 / (1 + max(0.0, raw)) if metric == "euclidean" else raw
    return Match(
        held["key"], max(-1.0, min(1.0, score)) if metric == "cosine" else score,
        read_plain(held.get("properties", "{}")), read_plain(held.get("payload", "{}")),
    )  # fmt: skip


def _some(keys: Collection[str]) -> Iterator[list[str]]:
    """Those that can be keys at all, each once."""
    unique = sorted({key for key in keys if key and key.isascii()})
    for start in range(0, len(unique), KEYS):
        yield unique[start : start + KEYS]
