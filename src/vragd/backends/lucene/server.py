"""What is asked of a server, its errors turned into ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from vragd.backends.http.connect import JSON, LINES, Connections, Credentials
from vragd.backends.lucene import layout, writing
from vragd.backends.lucene.errors import from_answer, reason_of, type_of
from vragd.backends.lucene.settings import LuceneSettings
from vragd.errors import BackendUnavailable, UnknownCollection, VragdError

_ANSWERED = urlencode({"filter_path": "errors,items.*.status,items.*.error"})  # escaped as AWS signs it


class Server:
    """
    Thread-safe. `name` is always the collection a request is about, `failed` is called with it where one is refused:
    it may be another by now.
    """

    def __init__(self, settings: LuceneSettings, credentials: Credentials, failed: Callable[[str], None]) -> None:
        self._settings, self._failed = settings, failed
        self._credentials = credentials
        self.title, self.where = settings.title, settings.where()
        self.connections = Connections(settings, credentials)
        self._version: tuple[int, ...] | None = None

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None, name: str | None, timeout_s: float | None = None
    ) -> Any:  # fmt: skip
        """What it answers, as JSON."""
        sent = b"" if body is None else json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        return self._answer(method, path, sent, name, JSON, timeout_s or self._settings.timeout_s)

    def search(self, name: str, alias: str, body: Mapping[str, Any], timeout_s: float) -> list[dict[str, Any]]:
        """The hits of a search, which are all or none."""
        answer = self.ask("POST", f"/{alias}/_search?allow_partial_search_results=false", body, name, timeout_s)
        if answer.get("timed_out") or answer.get("_shards", {}).get("failed"):
            raise BackendUnavailable(f"{self.title} answers in part: {self.where}")
        hits: list[dict[str, Any]] = answer["hits"]["hits"]
        return hits

    def version(self) -> tuple[int, ...]:
        """Its version; empty where it does not tell us."""
        if self._version is None:
            found = None
            for path in ("/", "/_nodes/_local"):
                answer = self.connections.ask("GET", path, b"", self._settings.timeout_s)
                found = found or (layout.version(answer.body) if answer.status == 200 else None)
            self._version = found or ()
        return self._version

    def _answer(
        self, method: str, path: str, sent: bytes, name: str | None, content_type: str, timeout_s: float
    ) -> Any:  # fmt: skip
        answer = self.connections.ask(method, path, sent, timeout_s, content_type)
        if answer.status < 300 and isinstance(answer.body, dict):
            return answer.body
        error = answer.body.get("error") if isinstance(answer.body, dict) else None
        if name is not None:
            self._failed(name)
        raise self.error(answer.status, error, name, quotes=method in ("GET", "PUT"))  # notes are sent by POST alone

    def error(self, status: int, error: Any, name: str | None, *, quotes: bool = False) -> VragdError:
        shown = self._credentials.shown
        return from_answer(status, error, self.title, self.where, name, shown=shown, quotes=quotes)

    def bulk(self, name: str, alias: str, body: bytes, *, refresh: bool) -> list[tuple[int, Any]]:
        """Status and error of each line."""
        path = f"/{alias}/_bulk?{_ANSWERED}&refresh={'true' if refresh else 'false'}&require_alias=true"
        answer = self._answer("POST", path, body, name, LINES, self._settings.timeout_s)
        return [(item["status"], item.get("error")) for each in answer["items"] for item in each.values()]


class Bulk:
    """A `writing.Target`: a collection."""

    def __init__(self, server: Server, name: str, alias: str) -> None:
        self._server, self._name, self._alias = server, name, alias

    def bulk(self, body: bytes, *, refresh: bool) -> list[tuple[int, Any]]:
        return self._server.bulk(self._name, self._alias, body, refresh=refresh)

    def item_error(self, status: int, error: Any) -> VragdError:
        if type_of(error) == "document_missing_exception":
            return writing.Missing("there is no such document")
        if "no write index" in reason_of(error):  # to make the collection leads the alias back
            return UnknownCollection(f"the alias of {self._name!r} leads to several indices: {self._server.where}")
        return self._server.error(status, error, self._name)
