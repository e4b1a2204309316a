"""The backend itself: collections as indices, each call one request or a few."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

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
from vragd.backends.lucene import documents, layout, tokens, writing
from vragd.backends.lucene.errors import Exists, Faulty
from vragd.backends.lucene.layout import Dialect, Question, Shape
from vragd.backends.lucene.server import Bulk, Server
from vragd.backends.lucene.settings import LuceneSettings
from vragd.backends.plain import damage_told
from vragd.backends.scores import prepared
from vragd.errors import (
    BackendRefused,
    UnknownCollection,
    Unsupported,
    VectorsRefused,
    VragdError,
)
from vragd.system.failpoints import reach
from vragd.terms.filter import Filter
from vragd.terms.metric import METRICS, Metric

log = structlog.get_logger()

KEYS, PAGE = 1_000, 10_000  # in one request: got or deleted, listed
MOST_MATCHES = 10_000  # the engines' `max_result_window`
INDEX_FROM = 10_000  # vectors from which `index: auto` asks the index

TRAITS = Traits(
    private=False, networked=True, keeps_payload=True, durable=True, patches=True, value_error=1e-6,
    metrics=METRICS, max_dimension=4_096, max_matches=MOST_MATCHES, max_among=None,
)  # fmt: skip


class LuceneBackend:
    """Of a server that others may use too. What it knows of a collection is looked up again when that is gone."""

    def __init__(
        self, settings: LuceneSettings, dialect: Dialect, credentials: Credentials, index_from: int = INDEX_FROM,
        writer: writing.Writer | None = None,
    ) -> None:  # fmt: skip
        self.traits = replace(TRAITS, max_dimension=dialect.max_dimension)
        self._settings, self._dialect, self._index_from = settings, dialect, index_from
        self.server = Server(settings, credentials, self._forget)
        self._writer = writer or writing.Writer()
        self._lock = threading.Lock()
        self._shapes: dict[str, Shape] = {}
        self._many: dict[str, bool] = {}  # by alias: so many that the index is asked
        self._unseen: set[str] = set()  # aliases of what was put and need not be visible yet
        self._seen: set[str] = set()  # aliases of which this process has made sure to see everything

    # -- collections -------------------------------------------------------------------------------

    def create_collection(
        self, name: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> CollectionInfo:  # fmt: skip
        check_traits(self.traits, dimension, metric, self._settings.title)
        asked = CollectionInfo(name, dimension, metric, None, space, model)
        try:
            have = self._describe(name)
        except UnknownCollection:
            if self._create(asked):
                reach("lucene.index_made")
                log.info("backend.index_created", store=name, dimension=dimension)
            have = self._describe(name)  # which is somebody else's if that was quicker
        check_shape(asked, have.info)
        if self._settings.remote_text and not have.has_words:
            with suppress(BackendRefused):  # who may not is none the worse for it: the text is kept all the same
                added = {"properties": {layout.WORDS: layout.FULL_TEXT}}
                self.server.ask("PUT", f"/{have.index}/_mapping", added, name)
                have = self._describe(name)
        if actions := layout.led_back(have, self._led_to(name, have)):
            self.server.ask("POST", "/_aliases", {"actions": actions}, name)
            have = self._describe(name)
        return have.info

    def _led_to(self, name: str, shape: Shape) -> list[str]:
        """The indices of ours that the alias leads to, as far as we may know."""
        try:  # of a pattern nothing is found instead of refused
            return list(self.server.ask("GET", f"/{self._settings.prefix}*/_alias/{shape.alias}*", None, name))
        except BackendRefused:
            return []

    def _create(self, asked: CollectionInfo) -> bool:
        """Whether the index was made; not if it is there by now."""
        version = self.server.version()
        body = layout.creation(self._settings, self._dialect, asked, version)
        try:
            self.server.ask("PUT", f"/{layout.index_name(self._settings, asked.name)}", body, asked.name)
        except Exists:
            return False
        except Faulty as error:
            raise BackendRefused(
                f"{self._settings.title} makes no index of vectors: {self._settings.where()}: {error.message}",
                hint=f"see that host leads to {self._settings.title}, and that it knows vectors",
            ) from None
        return True

    def delete_collection(self, name: str, *, identity: str) -> None:
        try:
            shape = self._describe(name)
            check_identity(name, shape.info.identity, identity)
            self.server.ask("DELETE", f"/{shape.index}", None, name)
            reach("lucene.index_deleted")
        except UnknownCollection:
            return
        finally:
            self._forget(name)

    def list_collections(self) -> list[str]:
        path = f"/{self._settings.prefix}*/_mapping"
        return layout.names(self._settings, self.server.ask("GET", path, None, None))

    def collection_info(self, name: str) -> CollectionInfo:
        shape = self._describe(name)
        layout.check_alias(shape)
        count = self._count(name, shape)
        version = ".".join(map(str, self.server.version()))
        detail = dict(shape.info.detail) | ({self._settings.type: version} if version else {})
        detail["index"] = "hnsw" if self._many[shape.alias] else "exact"
        return replace(shape.info, count=count, exact=not self._many[shape.alias], detail=detail)

    def _describe(self, name: str, timeout_s: float | None = None) -> Shape:
        """What is there, as it is now."""
        self._forget(name)
        path = f"/{layout.index_name(self._settings, name)}"
        answer = self.server.ask("GET", path, None, name, timeout_s)
        shape = layout.shape(self._settings, self._dialect, name, answer)
        with self._lock:
            self._shapes[name] = shape
        return shape

    def _shape(self, name: str, timeout_s: float | None = None) -> Shape:
        with self._lock:
            known = self._shapes.get(name)
        shape = known or self._describe(name, timeout_s)
        layout.check_alias(shape)
        return shape

    def _text(self, shape: Shape) -> documents.Text:
        return documents.Text(self._settings.remote_text, shape.has_words)

    def _forget(self, name: str) -> None:
        with self._lock:
            self._shapes.pop(name, None)

    def _count(self, name: str, shape: Shape, timeout_s: float | None = None) -> int:
        count = int(self.server.ask("GET", f"/{shape.alias}/_count", None, name, timeout_s)["count"])
        most = {"auto": self._index_from, "hnsw": -1, "exact": self._dialect.most_exact}[self._settings.index]
        self._many[shape.alias] = shape.kind == "hnsw" and most is not None and count > most
        return count

    # -- vectors -----------------------------------------------------------------------------------

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        shape = self._shape(name)
        rows = prepared(checked_rows(batch, shape.info.dimension), shape.info.metric)
        documents.check(batch)
        last = sorted({key: i for i, key in enumerate(batch.keys)}.items())
        lines = documents.put_lines(batch, rows, last, self._text(shape))
        if not visible:
            with self._lock:
                self._unseen.add(shape.alias)
        refused = self._write(name, shape, lines, refresh=visible)
        if refused:
            error = next(iter(refused.values()))
            raise VectorsRefused(error.message, keys=tuple(refused), part="metadata", hint=error.hint)

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        check_keys(batch)
        documents.check(batch)
        shape, missing = self._shape(name), set[str]()
        last = sorted({key: i for i, key in enumerate(batch.keys)}.items())
        lines = documents.patch_lines(batch, last, self._text(shape))
        refused = self._write(name, shape, lines, refresh=True, missing=missing)
        if refused:
            error = next(iter(refused.values()))
            raise VectorsRefused(error.message, keys=tuple(refused), part="metadata", hint=error.hint)
        return frozenset(missing)

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        shape = self._shape(name)
        for some in _some(keys):
            self._write(name, shape, documents.delete_lines(some), refresh=True)

    def _write(
        self, name: str, shape: Shape, lines: Iterable[documents.Line], *, refresh: bool,
        missing: set[str] | None = None,
    ) -> dict[str, Faulty]:  # fmt: skip
        try:
            return self._writer.send(Bulk(self.server, name, shape.alias), lines, refresh=refresh, missing=missing)
        except (UnknownCollection, BackendRefused):
            self._forget(name)
            raise

    def get(
        self, name: str, keys: Collection[str], *, values: bool = True, metadata: bool = False
    ) -> dict[str, Stored]:  # fmt: skip
        shape, found = self._shape(name), dict[str, Stored]()
        wanted = ["key", "version", *(["vec"] if values else []), *(["properties", "payload"] if metadata else [])]
        path = f"/{shape.alias}/_mget?{urlencode({'_source_includes': ','.join(wanted)})}"
        for some in _some(keys):
            body = {"ids": [documents.document_id(key) for key in some]}
            answer = self.server.ask("POST", path, body, name)
            for doc in answer["docs"]:
                if "error" in doc:
                    self._forget(name)
                    raise self.server.error(404, doc["error"], name)
                if doc.get("found") and "key" in doc["_source"]:
                    source = doc["_source"]
                    found[source["key"]] = documents.stored(source, values=values, metadata=metadata)
        return found

    def list_keys(
        self, name: str, prefix: str = "", after: str = "", *, versions: bool = False
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        shape = self._shape(name)
        self._see(name, shape)
        fields = ["key", "version"] if versions else ["key"]
        body: dict[str, Any] = {
            "size": PAGE, "_source": False, "track_total_hits": False, "docvalue_fields": fields,
            "query": {"prefix": {"key": {"value": prefix}}} if prefix else layout.KEYED, "sort": [{"key": "asc"}],
        }  # fmt: skip
        while True:
            if after:
                body["search_after"] = [after]
            hits = self.server.search(name, shape.alias, body, self._settings.timeout_s)
            for hit in hits:
                (version,) = hit["fields"].get("version", [""])
                yield hit["fields"]["key"][0], version
            if len(hits) < PAGE:
                return
            after = hits[-1]["fields"]["key"][0]

    @contextmanager
    def bulk(self, name: str, expect: int) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with suppress(VragdError):  # what went wrong inside is what is told
                self._see_own(name)
            raise
        self._see_own(name)

    def _see_own(self, name: str) -> None:
        with self._lock:
            shape = self._shapes.get(name)
        if shape is not None and shape.alias in self._unseen:
            self._see(name, shape)

    def _see(self, name: str, shape: Shape) -> None:
        """
        Make everything visible that was put, also by a process before this one.

        Who may only read need not be allowed to: to him it is visible a second later.
        """
        with self._lock:
            if shape.alias in self._seen and shape.alias not in self._unseen:
                return
            ours = shape.alias in self._unseen
        try:
            self.server.ask("POST", f"/{shape.alias}/_refresh", None, name)
        except BackendRefused:
            if ours:
                raise
        with self._lock:
            self._seen.add(shape.alias)
            self._unseen.discard(shape.alias)

    def tend(self, name: str) -> None:
        """See whether there are so many by now, or so few, that questions are put otherwise."""
        self._count(name, self._shape(name))

    # -- questions ---------------------------------------------------------------------------------

    def split(self, name: str, where: Filter | None) -> tuple[Filter | None, Filter | None]:
        return tokens.split(where)

    def query(
        self, name: str, vector: np.ndarray, top_k: int, *, among: Among | None = None, where: Filter | None = None,
        payload: bool = False, cursor: str | None = None, timeout_s: float | None = None,
    ) -> Matches:  # fmt: skip
        refuse(self.split(name, where)[1], self._settings.title)
        timeout_s = timeout_s or self._settings.query_timeout_s
        shape = self._shape(name, timeout_s)
        row = checked_query(vector, shape.info.dimension, shape.info.metric)
        if top_k <= 0:
            return Matches((), "more")
        if shape.alias not in self._many:
            self._count(name, shape, timeout_s)
        n = min(top_k + 1, MOST_MATCHES)
        values = prepared(row, shape.info.metric).tolist()
        question = Question(values, n, shape.info.metric, shape.kind, _narrowed(among, where))
        exact = not self._many[shape.alias]
        hits = self._hits(name, shape, question, timeout_s, exact=exact, payload=payload)
        if len(hits) < n and not exact:  # nothing but comparing all says that there is nothing else
            exact = True
            hits = self._hits(name, shape, question, timeout_s, exact=exact, payload=payload)
        if not hits:  # nor are there any in another index that somebody led the alias to
            layout.check_alias(self._describe(name, timeout_s))
        metric = shape.info.metric
        with damage_told(self._settings.where()):
            scored = ((hit, self._dialect.score(float(hit["_score"]), metric, exact=exact)) for hit in hits)
            return _matches(documents.matches(scored), top_k)

    def query_words(
        self, name: str, text: str, top_k: int, *, where: Filter | None = None, timeout_s: float | None = None
    ) -> Matches:  # fmt: skip
        refuse(self.split(name, where)[1], self._settings.title)
        timeout_s = timeout_s or self._settings.query_timeout_s
        shape = self._shape(name, timeout_s)
        if not shape.has_words:
            raise self._no_text(shape)
        if top_k <= 0:
            return Matches((), "more")
        asked: dict[str, Any] = {"must": {"match": {layout.WORDS: {"query": text}}}}
        if (narrowed := _narrowed(None, where)) is not None:
            asked["filter"] = narrowed
        body = {
            "query": {"bool": asked}, "sort": [{"_score": "desc"}, {"key": "asc"}], "docvalue_fields": ["key"],
            "size": min(top_k + 1, MOST_MATCHES), "timeout": f"{max(1, int(timeout_s * 1000))}ms",
            "track_total_hits": False, "_source": ["properties", "payload"],
        }  # fmt: skip
        hits = self.server.search(name, shape.alias, body, timeout_s)
        if not (hits or self._settings.remote_text) and self._lacks_text(name, shape, timeout_s):  # else it is to come
            raise self._no_text(shape)
        with damage_told(self._settings.where()):
            return _matches(documents.matches((hit, hit["_score"]) for hit in hits), top_k)

    def _no_text(self, shape: Shape) -> Unsupported:
        return Unsupported(
            f"index {shape.index!r} holds no text that {self._settings.title} looks into", condition="words",
            hint="ask it without --mode; or give the store that fills it remote_text: true",
        )  # fmt: skip

    def _lacks_text(self, name: str, shape: Shape, timeout_s: float) -> bool:
        """Whether there are documents, and no text in any."""
        has_text, has_any = (
            self.server.search(name, shape.alias, {"query": query, "size": 1, "_source": False}, timeout_s)
            for query in (layout.ANY_WORDS, layout.ALL)
        )
        return bool(has_any) and not has_text

    def _hits(
        self, name: str, shape: Shape, question: Question, timeout_s: float, *, exact: bool, payload: bool
    ) -> list[Any]:  # fmt: skip
        part = (self._dialect.exact if exact else self._dialect.approximate)(question)
        body = {
            **part, "size": question.n, "timeout": f"{max(1, int(timeout_s * 1000))}ms", "track_total_hits": False,
            "_source": ["properties", "payload"] if payload else False, "docvalue_fields": ["key"],
        }  # fmt: skip
        return self.server.search(name, shape.alias, body, timeout_s)

    def close(self) -> None:
        self.server.connections.close()


def _matches(items: list[Match], top_k: int) -> Matches:
    items.sort(key=lambda match: (-match.score, match.key))
    if top_k >= MOST_MATCHES and len(items) == MOST_MATCHES:
        return Matches(items, "limit")
    return Matches(items[:top_k], "more" if len(items) > top_k else "exhausted")


def _narrowed(among: Among | None, where: Filter | None) -> dict[str, Any] | None:
    parts = [] if among is None else [tokens.among(among, "id")]
    if where is not None:
        parts.append(tokens.query(where))
    return None if not parts else parts[0] if len(parts) == 1 else {"bool": {"filter": parts}}


def _some(keys: Collection[str]) -> Iterator[list[str]]:
    """Those that can be keys at all, each once."""
    unique = sorted({key for key in keys if key and key.isascii()})
    for start in range(0, len(unique), KEYS):
        yield unique[start : start + KEYS]
