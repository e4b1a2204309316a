"""
A stand-in for a node of OpenSearch or Elasticsearch on 127.0.0.1, over HTTP: what vragd asks of them, with the errors,
limits and scores that were seen on real ones, and faults. Searches compare every vector. It is no proof that a
real one takes what is sent: tests/servers asks those.

    with FakeNode("opensearch") as node:
        node.flooded = True

Knobs may be set at any time, from any thread.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from tests.fakes.answering import Answering
from tests.fakes.lucene_search import Refused, asked, matcher, ranked, scored

FIELDS = {"opensearch": ("knn_vector", "dimension"), "elasticsearch": ("dense_vector", "dims")}
REJECTED = {"opensearch": "rejected_execution_exception", "elasticsearch": "es_rejected_execution_exception"}
VERSIONS = {"opensearch": "2.19.1", "elasticsearch": "8.17.0"}
MOST_ID, MOST_TOKEN = 512, 32_766


class Index:
    """`docs` is what a get sees, `seen` what a search does: documents as of the last refresh."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.settings = {"index": {**body.get("settings", {}).get("index", {}), "uuid": uuid.uuid4().hex[:22]}}
        self.mappings: dict[str, Any] = dict(body.get("mappings", {}))
        self.aliases = set(body.get("aliases", {}))
        self.docs: dict[str, dict[str, Any]] = {}
        self.seen: dict[str, dict[str, Any]] = {}
        self._changed: set[str] = set()
        self._rows: tuple[list[dict[str, Any]], np.ndarray] | None = None

    def change(self, name: str, source: dict[str, Any] | None) -> None:
        if source is None:
            self.docs.pop(name, None)
        else:
            self.docs[name] = source
        self._changed.add(name)

    def refresh(self) -> None:
        for name in self._changed:
            if name in self.docs:
                self.seen[name] = self.docs[name]
            else:
                self.seen.pop(name, None)
        if self._changed:
            self._rows = None
        self._changed = set()

    def rows(self) -> tuple[list[dict[str, Any]], np.ndarray]:
        """What a search sees, and its vectors, shape (n, dimension)."""
        if self._rows is None:
            docs = [doc for doc in self.seen.values() if doc.get("vec") is not None]
            self._rows = docs, np.array([doc["vec"] for doc in docs], dtype=np.float32)
        return self._rows

    @property
    def vec(self) -> dict[str, Any]:
        found: dict[str, Any] = self.mappings.get("properties", {}).get("vec", {})
        return found

    def told(self) -> dict[str, Any]:
        return {"aliases": {alias: {} for alias in self.aliases}, "mappings": self.mappings, "settings": self.settings}


class FakeNode(Answering):
    """A server that is absent until `start()` or `with`; its port and what it holds stay over restarts."""

    def __init__(self, kind: str, port: int = 0) -> None:
        super().__init__(port)
        self.kind = kind
        self.indices: dict[str, Index] = {}
        self.calls: Counter[str] = Counter()
        """By the last part of the path, such as `_bulk`; `PUT` and `DELETE` of an index by the method."""
        self.violations: list[str] = []
        """Requests that were carried out, and that a correct client never sends."""
        self.flooded = False
        """The disk is full: writes are refused, each item with a 429."""
        self.blocked = False
        """Somebody has switched off writing: each item is refused with a 403."""
        self.serverless = False
        """It takes no ids, as Amazon's Serverless."""
        self.word: str | None = None
        """What whoever asks must be allowed by, the value of Authorization; None lets everybody in."""
        self.most_bytes = 1 << 40
        """A bulk above this is refused whole, with a 429 that no waiting heals."""
        self.busy_items = 0
        """So many items are refused with a 429 because the server is busy."""
        self.absent_items = 0
        """So many items are refused with a 503 because the shard is not there yet."""
        self.poison: str | None = None
        """A document with this in it is refused."""
        self.apply_then_drop = 0
        """So many bulks are carried out, and their connections cut before an answer."""
        self.denies: Callable[[str, str], bool] = lambda method, path: False
        """Whether a request is answered with 403."""
        self.hangs: threading.Event | None = None
        """What `hangs_in` names, a search if nothing else, is answered once this is set."""
        self.hangs_in = "_search"
        self.partial = False
        """Searches say that a shard failed."""

    def keys(self, index: str) -> set[str]:
        with self.lock:
            return {doc["key"] for doc in self.indices[index].docs.values()} if index in self.indices else set()

    # -- requests ----------------------------------------------------------------------------------

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        """Status, and what is sent as JSON, or as it is where it is bytes. None: the connection is cut."""
        parts = urlsplit(target)
        path, given = unquote(parts.path), {key: value[0] for key, value in parse_qs(parts.query).items()}
        *place, last = path.strip("/").split("/")
        with self.lock:
            self.calls[last if last.startswith("_") else method] += 1
        if planted := self.planted():
            return planted
        if last == self.hangs_in and self.hangs is not None:
            self.hangs.wait(60)
        if self.word is not None and headers.get("Authorization") != self.word:
            return 401, b"Unauthorized"
        if self.denies(method, path):
            return 403, {"error": {"type": "security_exception", "reason": "planted"}}
        try:
            with self.lock:
                return self._carry_out(method, place[0] if place else "", last, given, body)
        except Refused as error:
            cause = {"type": error.kind, "reason": "planted reason"}
            return error.status, {"error": {"root_cause": [cause], **cause}, "status": error.status}

    def _carry_out(
        self, method: str, place: str, last: str, given: Mapping[str, str], body: bytes
    ) -> tuple[int, Any]:  # fmt: skip
        if last == "_bulk":
            return self._bulk(place, given, body)
        sent = json.loads(body or b"{}")
        if last == "":
            return 200, {"version": {"number": VERSIONS[self.kind]}}
        if last == "_aliases":
            for ((kind, it),) in map(dict.items, sent["actions"]):
                aliases = self._index(it["index"]).aliases
                aliases.add(it["alias"]) if kind == "add" else aliases.remove(it["alias"])
        elif last.endswith("*"):  # GET /PATTERN/_alias/ALIAS*
            alias = last[:-1]
            return 200, {name: {"aliases": {alias: {}}} for name, it in self.indices.items() if alias in it.aliases}
        elif last == "_mapping" and method == "PUT":
            self._index(place).mappings["properties"] |= sent["properties"]
        elif last == "_mapping":
            pattern = re.compile(re.escape(place).replace(r"\*", ".*"))
            return 200, {n: {"mappings": it.mappings} for n, it in self.indices.items() if pattern.fullmatch(n)}
        elif last == "_refresh":
            self._index(place).refresh()
        elif last == "_count":
            return 200, {"count": len(self._index(place).seen)}
        elif last == "_mget":
            docs = self._index(place).docs
            fields = given["_source_includes"].split(",")
            return 200, {"docs": [_got(name, docs.get(name), fields) for name in sent["ids"]]}
        elif last == "_search":
            return 200, self._search(self._index(place), sent)
        else:
            return self._of_index(method, last, sent)
        return 200, {"acknowledged": True}

    def _of_index(self, method: str, name: str, sent: Mapping[str, Any]) -> tuple[int, Any]:
        if method == "PUT":
            if name in self.indices:
                raise Refused(400, "resource_already_exists_exception")
            index = Index(sent)
            if index.vec.get("type") != FIELDS[self.kind][0]:
                raise Refused(400, "mapper_parsing_exception")
            if "method" in index.vec and not index.settings["index"].get("knn"):
                raise Refused(400, "mapper_parsing_exception")
            self.indices[name] = index
        elif method == "DELETE":
            if self.indices.pop(name, None) is None:
                raise Refused(404, "index_not_found_exception")
        else:
            index = self._index(name)
            return 200, {next(key for key, it in self.indices.items() if it is index): index.told()}
        return 200, {"acknowledged": True}

    def _index(self, name: str) -> Index:
        for index, it in self.indices.items():
            if index == name or name in it.aliases:
                return it
        raise Refused(404, "index_not_found_exception")

    def _search(self, index: Index, body: Mapping[str, Any]) -> dict[str, Any]:
        vector, query = asked(body, self.kind)
        passes = matcher(query or {"match_all": {}}, [0])
        size = body.get("size", 10)
        if vector is None:
            (after,) = body.get("search_after", [""])
            score = ranked(query or {})
            found = [(score(doc), doc) for doc in index.seen.values() if doc["key"] > after and passes(doc)]
            best = sorted(found, key=lambda one: (-one[0], str(one[1]["key"])))[:size]
        else:
            docs, rows = index.rows()
            if docs and len(vector["vector"]) != rows.shape[1]:
                raise Refused(400, "query_shard_exception")
            space = vector["space"] or index.vec.get("similarity") or index.vec["method"]["space_type"]
            chosen = [i for i, doc in enumerate(docs) if passes(doc)]
            scores = scored(rows[chosen], np.array(vector["vector"], np.float32), space) if chosen else []
            order = np.argsort(-np.asarray(scores), kind="stable")[: min(size, vector["k"])].tolist()
            best = [(float(scores[i]), docs[chosen[i]]) for i in order]
        fields = body.get("docvalue_fields", [])
        hits = [
            {"_score": score, "fields": {name: [doc[name]] for name in fields}} | _source(doc, body.get("_source"))
            for score, doc in best
        ]
        return {"timed_out": False, "_shards": {"failed": int(self.partial)}, "hits": {"hits": hits}}

    # -- writes ------------------------------------------------------------------------------------

    def _bulk(self, place: str, given: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        if self.serverless:
            reason = "Document ID is not supported in create/index operation request"
            return 400, {"error": {"type": "illegal_argument_exception", "reason": reason}}
        if len(body) > self.most_bytes:
            raise Refused(429, REJECTED[self.kind])
        if not body.endswith(b"\n"):
            raise Refused(400, "illegal_argument_exception")
        actions = list(_actions(body))
        if any(not 0 < len(action["_id"].encode()) <= MOST_ID for _, action, _ in actions):
            raise Refused(400, "action_request_validation_exception")
        items = [{kind: self._item(place, given, kind, action["_id"], doc)} for kind, action, doc in actions]
        index = next((it for it in self.indices.values() if place in it.aliases), None)
        if index is not None and given.get("refresh") == "true":
            index.refresh()
        if self.apply_then_drop:
            self.apply_then_drop -= 1
            return 0, None
        return 200, {"errors": any("error" in item for each in items for item in each.values()), "items": items}

    def _item(
        self, place: str, given: Mapping[str, str], kind: str, name: str, doc: dict[str, Any]
    ) -> dict[str, Any]:  # fmt: skip
        try:
            return {"status": self._apply(place, given, kind, name, doc)}
        except Refused as error:
            return {"status": error.status, "error": {"type": error.kind, "reason": f"planted {doc}"}}

    def _apply(self, place: str, given: Mapping[str, str], kind: str, name: str, doc: dict[str, Any]) -> int:
        index = next((it for it in self.indices.values() if place in it.aliases), None)
        if index is None:
            if given.get("require_alias") != "true" and kind == "index":
                self.violations.append(f"an index was made by guessing: {place}")
            raise Refused(404, "index_not_found_exception")
        if self.flooded or self.blocked:
            raise Refused(429 if self.flooded else 403, "cluster_block_exception")
        if self.busy_items or self.absent_items:
            busy = bool(self.busy_items)
            self.busy_items, self.absent_items = self.busy_items - busy, self.absent_items - (not busy)
            raise Refused(*((429, REJECTED[self.kind]) if busy else (503, "unavailable_shards_exception")))
        if kind == "delete":
            there = name in index.docs
            index.change(name, None)
            return 200 if there else 404
        if kind == "update":
            if name not in index.docs:
                raise Refused(404, "document_missing_exception")
            doc = index.docs[name] | doc["doc"]
        self._check(index, doc)
        index.change(name, doc)
        return 200

    def _check(self, index: Index, doc: Mapping[str, Any]) -> None:
        if doc.keys() - index.mappings["properties"].keys():
            raise Refused(400, "strict_dynamic_mapping_exception")
        if self.poison is not None and self.poison in json.dumps(doc):
            raise Refused(400, "document_parsing_exception")
        values = np.array(doc["vec"], dtype=np.float32)
        wrong = len(values) != index.vec[FIELDS[self.kind][1]] or not np.isfinite(values).all()
        if wrong or any(len(token.encode()) > MOST_TOKEN for token in doc["tok"]):
            raise Refused(400, "mapper_parsing_exception")


def _got(name: str, doc: Mapping[str, Any] | None, fields: list[str]) -> dict[str, Any]:
    return {"_id": name, "found": doc is not None} | (_source(doc, fields) if doc is not None else {})


def _source(doc: Mapping[str, Any], wanted: Any) -> dict[str, Any]:
    return {"_source": {name: doc[name] for name in wanted if name in doc}} if wanted else {}


def _actions(body: bytes) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    lines = iter(body.splitlines())
    for line in lines:
        ((kind, action),) = json.loads(line).items()
        yield kind, action, json.loads(next(lines)) if kind != "delete" else {}


def basic(user: str, word: str) -> str:
    """What `FakeNode.word` is for a user and a password."""
    return "Basic " + base64.b64encode(f"{user}:{word}".encode()).decode()
