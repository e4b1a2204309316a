"""
A stand-in for a Qdrant on 127.0.0.1, over HTTP: requests are read by the official client's own models, which take
nothing that they do not know, and carried out by its local mode, which compares every vector. What it answers is what
that client understands (tests/unit/backends/test_fake_qdrant.py). It is no proof of what a real server does.

    with FakeQdrant() as node:
        node.full = True

Knobs may be set at any time, from any thread.
"""

from __future__ import annotations

import json
import re
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from tests.fakes.answering import Answering

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status, self.said = status, said


class FakeQdrant(Answering):
    """A server that is absent until `start()` or `with`; its port and what it holds stay over restarts."""

    def __init__(self, port: int = 0) -> None:
        from qdrant_client import QdrantClient  # takes two seconds to import, in each worker

        super().__init__(port)
        self.local: QdrantClient = QdrantClient(":memory:")
        self.indexed: dict[str, set[str]] = {}
        self.graphs: dict[str, dict[str, Any]] = {}
        self.calls: Counter[str] = Counter()
        """By method and the last part of the path, such as `POST query`."""
        self.sent: list[tuple[str, Any]] = []
        """Questions, as (path, body)."""
        self.version = "1.16.0"
        self.key: str | None = None
        """What whoever asks must show as `api-key`; None lets everybody in."""
        self.full = False
        """Its disk is full."""
        self.apply_then_drop = 0
        """So many changes of points are carried out, and their connections cut before an answer."""
        self.denies: Callable[[str, str], bool] = lambda method, path: False
        """Whether a request is answered with 403."""
        self.hangs: threading.Event | None = None
        """A question is answered once this is set."""
        self.before: Callable[[str], None] = lambda call: None
        """Called with each call, as `calls` names them, before it is carried out."""

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        path = unquote(urlsplit(target).path)
        call = f"{method} {path.rpartition('/')[2]}"
        with self.lock:
            self.calls[call] += 1
        if planted := self.planted():
            return planted
        if self.key is not None and headers.get("api-key") != self.key:
            return 401, b"Invalid API key or JWT"
        if self.denies(method, path):
            return 403, {"status": {"error": "Forbidden: planted"}, "time": 0.0}
        if call == "POST query" and self.hangs is not None:
            self.hangs.wait(60)
        self.before(call)
        if path == "/":
            return 200, {"title": "qdrant - vector search engine", "version": self.version}
        try:
            with self.lock:
                found = self._carry_out(method, path, json.loads(body or b"{}"))
        except Refused as error:
            return error.status, {"status": {"error": error.said}, "time": 0.0}
        except ValidationError as error:
            return 400, {"status": {"error": f"Format error in JSON body: {error}"}, "time": 0.0}
        except ValueError as error:
            return 400, {"status": {"error": f"Wrong input: {error}"}, "time": 0.0}
        if self.apply_then_drop and method == "PUT" and path.endswith("/points"):
            self.apply_then_drop -= 1
            return 0, None
        return 200, {"result": found, "status": "ok", "time": 0.0}

    def keys(self, name: str) -> set[str]:
        with self.lock:
            return {str((point.payload or {})["key"]) for point in self.local.scroll(name, limit=1 << 20)[0]}

    def _carry_out(self, method: str, path: str, sent: dict[str, Any]) -> Any:
        from qdrant_client import models

        parts = re.fullmatch(r"/collections(?:/([^/]+)(?:/(index|points(?:/[a-z]+)?))?)?", path)
        if parts is None:
            raise Refused(404, "")
        name, rest = parts[1], parts[2]
        if name is None:
            return _plain(self.local.get_collections())
        if rest is None:
            return self._of_collection(method, name, sent)
        self._check(name)
        if self.full and (method == "PUT" or rest.endswith(("batch", "delete"))):
            raise Refused(500, "Service internal error: No space left on device: WAL buffer size exceeds it")
        if rest == "index":
            asked = models.CreateFieldIndex.model_validate(sent)
            with warnings.catch_warnings(action="ignore"):  # that they are of no use to its local mode
                self.local.create_payload_index(name, asked.field_name, asked.field_schema)
            self.indexed.setdefault(name, set()).add(asked.field_name)
            return _DONE
        return self._of_points(f"{method} {rest}", name, sent)

    def _check(self, name: str) -> None:
        if not self.local.collection_exists(name):
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")

    def _of_collection(self, method: str, name: str, sent: dict[str, Any]) -> Any:
        from qdrant_client import models

        if method == "PUT":
            made = models.CreateCollection.model_validate(sent)
            if self.local.collection_exists(name):
                raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
            self.local.create_collection(name, vectors_config=made.vectors, metadata=made.metadata)
            self.graphs[name] = {key: it for key, it in _plain(made.hnsw_config).items() if it is not None}
            return True
        if method == "DELETE":
            self.indexed.pop(name, None)
            return self.local.delete_collection(name)
        self._check(name)
        told = _plain(self.local.get_collection(name))
        told["config"]["hnsw_config"] |= self.graphs.get(name, {})
        told["payload_schema"] = {it: {"data_type": "keyword", "points": 0} for it in self.indexed.get(name, ())}
        return told

    def _of_points(self, call: str, name: str, sent: dict[str, Any]) -> Any:
        from qdrant_client import models

        local = self.local
        match call:
            case "PUT points":
                local.upsert(name, models.PointsList.model_validate(sent).points)
            case "POST points/delete":
                local.delete(name, models.PointIdsList.model_validate(sent))
            case "POST points/batch":
                operations = models.UpdateOperations.model_validate(sent).operations
                self._check_points(name, sent["operations"])
                local.batch_update_points(name, operations)
                return [_DONE] * len(operations)
            case "POST points":
                wanted = models.PointRequest.model_validate(sent)
                payload, vector = wanted.with_payload, bool(wanted.with_vector)
                return [_plain(it) for it in local.retrieve(name, wanted.ids, payload or False, vector)]
            case "POST points/count":
                asked = models.CountRequest.model_validate(sent)
                return {"count": local.count(name, asked.filter).count}
            case "POST points/scroll":
                page = models.ScrollRequest.model_validate(sent)
                found, after = local.scroll(
                    name, page.filter, page.limit or 10, offset=page.offset, with_payload=page.with_payload or False
                )
                return {"points": [_plain(it) for it in found], "next_page_offset": after}
            case "POST points/query":
                self.sent.append((call, sent))
                question = models.QueryRequest.model_validate(sent)
                self._name_those_there(name, question.filter)
                answer = local.query_points(
                    name, question.query, query_filter=question.filter, limit=question.limit or 10,
                    with_payload=question.with_payload or False,
                )  # fmt: skip
                return _plain(answer)
            case _:
                raise Refused(404, "")
        return _DONE

    def _name_those_there(self, name: str, where: Any) -> None:
        """Of the ids that are asked for those alone that it has: its local mode looks through all for each point."""
        from qdrant_client import models

        for part in (where.must, where.should, where.must_not) if where else ():
            for each in part if isinstance(part, list) else [part] if part else []:
                if isinstance(each, models.Filter):
                    self._name_those_there(name, each)
                elif isinstance(each, models.HasIdCondition):
                    there = {str(it.id) for it in self.local.scroll(name, limit=1 << 20, with_payload=False)[0]}
                    each.has_id = [it for it in each.has_id if str(it) in there]

    def _check_points(self, name: str, operations: list[dict[str, Any]]) -> None:
        wanted = {it for each in operations for it in each["overwrite_payload"]["points"]}
        there = {point.id for point in self.local.retrieve(name, list(wanted), False)}
        if gone := wanted - there:
            raise Refused(404, f"Not found: No point with id {gone.pop()} found")


_DONE = {"operation_id": 0, "status": "completed"}


def _plain(it: Any) -> Any:
    return {} if it is None else it.model_dump(mode="json")
