"""
What is asked of a server, its errors turned into ours.

What it says may quote a point, so of it only whether certain words are in it is looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from vragd.backends.http.connect import Connections, Credentials
from vragd.backends.http.errors import BUSY, somebody_else
from vragd.backends.http.secrets import Header, secret, sendable
from vragd.backends.qdrant.settings import QdrantBackend as Settings
from vragd.errors import (
    AGAIN,
    BackendFull,
    BackendRefused,
    BackendUnavailable,
    CollectionMismatch,
    StoreMismatch,
    UnknownCollection,
    VragdError,
)


class Exists(StoreMismatch):
    """What is to be made is there already."""


class NoPoint(StoreMismatch):
    """One of the points that were named is not there."""


class ApiKey(Header):
    """The API key; nothing where there is none."""

    name, kind = "api-key", "the API key"

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._file, self._variable = settings.api_key_file, settings.key_variable

    def _made(self) -> str:
        key = secret(self._file, "api_key_file", self._variable)
        return sendable(key, self._variable if self._file is None else "api_key_file")


class Server:
    """Thread-safe. `name` is always the collection a request is about."""

    def __init__(self, settings: Settings, credentials: Credentials) -> None:
        self._settings, self._credentials = settings, credentials
        self.title, self.where = settings.title, settings.where()
        self.connections = Connections(settings, credentials)

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | bytes | None, name: str | None,
        timeout_s: float | None = None,
    ) -> Any:  # fmt: skip
        """What it answers under `result`."""
        sent = body if isinstance(body, bytes) else b"" if body is None else _json(body)
        answer = self.connections.ask(method, path, sent, timeout_s or self._settings.timeout_s)
        if answer.status < 300 and isinstance(answer.body, dict) and "result" in answer.body:
            return answer.body["result"]
        raise self._error(answer.status, answer.body, name)

    def version(self) -> tuple[int, ...]:
        """Its version; empty where it does not tell."""
        answer = self.connections.ask("GET", "/", b"", self._settings.timeout_s)
        told = answer.body.get("version") if answer.status == 200 and isinstance(answer.body, dict) else None
        found = re.match(r"\d+(\.\d+)*", told) if isinstance(told, str) else None
        return tuple(map(int, found[0].split("."))) if found else ()

    def _error(self, status: int, body: Any, name: str | None) -> VragdError:
        title, told = self.title, f"(status {status}): {self.where}"
        if status in (401, 403):
            shown = self._credentials.shown
            refusal = f"does not accept {shown}" if shown else "wants an API key"
            return BackendRefused(
                f"{title} {refusal if status == 401 else 'denies it'} {told}",
                hint=f"set {self._settings.key_variable}, or api_key_file, to a key that may do this",
            )
        said = body.get("status") if isinstance(body, dict) else None
        words = str(said.get("error", "")) if isinstance(said, dict) else ""
        if not words:
            return somebody_else(status, title, self.where)
        if re.search(r"no space left|out of disk|disk space|disk is full", words, re.I):
            return BackendFull(f"{title} has next to no disk left {told}", hint="make room there")
        if re.search(r"already exists", words, re.I):
            return Exists(f"there is a collection already {told}")
        if re.search(r"no point with id", words, re.I):
            return NoPoint(f"there is no such point {told}")
        if status == 404:
            return UnknownCollection(f"{self.where}: there is no store {name!r}" if name else f"not found {told}")
        if re.search(r"dimension", words, re.I):
            return CollectionMismatch(
                f"collection {name!r} takes vectors of another length by now {told}", what="dimension",
                hint="somebody made it anew: delete it there, and vragd makes and fills it again",
            )  # fmt: skip
        if status in BUSY or status == 413:
            return BackendUnavailable(f"{title} is busy {told}", hint=AGAIN)
        if status in (400, 422):
            return StoreMismatch(f"{title} refuses what was sent {told}")
        return BackendRefused(f"{title} refuses {told}", hint="check the store's backend settings")


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
