"""
The routes of the socket: one table, one function each. Also called without a socket, by commands that
find no daemon.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import Any
from urllib.parse import parse_qs, unquote

import structlog
from pydantic import BaseModel, ValidationError

from vragd.config.settings import SourceSettings, StoreSettings
from vragd.errors import ConfigError, MethodNotAllowed, NotFound, UsageError, VragdError
from vragd.search.ask import Question
from vragd.server import schemas as s
from vragd.stores import reports as reports
from vragd.stores.service import Service
from vragd.system.log import error_fields
from vragd.terms.names import exact, shown

log = structlog.get_logger()

Handler = Callable[["Call"], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that found its route. `body` is an instance of the route's request model."""

    service: Service
    body: Any
    path: Mapping[str, str]
    query: Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Route:
    """`timeout_s` bounds the handler; `answer` and the schemas of `query` are what `/openapi.json` promises."""

    method: str
    path: str
    handler: Handler
    answer: type[BaseModel] | None
    request: type[BaseModel] | None = None
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: a status and a JSON body; `allow` names the methods there are, where the asked one is not."""

    status: int
    body: bytes
    media_type: str = "application/json"
    allow: str = ""


async def query(call: Call) -> Any:
    """Search"""
    b: s.QueryRequest = call.body
    question = Question(
        b.text, b.vector, b.top_k, b.mode, frozenset(b.sources), b.folder,
        chunks=b.chunks, weak=b.weak, exact=b.exact, explain=b.explain,
    )  # fmt: skip
    return await call.service.query(question, b.stores)


async def status(call: Call) -> Any:
    """What runs, how far it is, and what is wrong"""
    return await reports.status(call.service)


async def files(call: Call) -> Any:
    """Each file and its state: indexed, pending, skipped, failed, and why"""
    states = call.query.get("state", [])
    if unknown := set(states) - set(_STATES):
        raise UsageError(f"unknown state {unknown.pop()!r}", hint="indexed, failed, pending or skipped")
    rows = await reports.files(call.service, call.query.get("store", []), states)
    return {"files": [{**row, "path_b64": exact(row["path"])} for row in rows]}


async def sync(call: Call) -> Any:
    """Scan now; optionally wait until what was found is searchable"""
    b: s.SyncRequest = call.body
    service = call.service
    tickets = b.tickets
    if tickets is None:
        tickets = await service.sync(b.stores, b.path, confirm_deletes=b.confirm_deletes)
    done = await service.settled(tickets, b.wait_s)
    workers = [service.workers[name] for name in tickets if name in service.workers]
    degraded = dict.fromkeys(reason for worker in workers for reason in worker.degraded())
    return {
        "done": done,
        "tickets": tickets,
        "pending": sum(worker.dirty.pending() for worker in workers),
        "degraded": tuple(degraded),
    }


async def list_stores(call: Call) -> Any:
    """Every store"""
    return {"stores": await reports.list_stores(call.service)}


async def store_info(call: Call) -> Any:
    """One store in full"""
    return await reports.store_info(call.service, call.path["name"])


async def create_store(call: Call) -> Any:
    """Make a store"""
    b: s.StoreRequest = call.body
    with _as_the_caller_put_it():
        settings = StoreSettings(
            sources=tuple(SourceSettings.model_validate(source.model_dump(exclude_none=True)) for source in b.sources),
            embedder=b.embedder,
            backend=b.backend,
            metric=b.metric,
        )
        await call.service.create_store(b.name, settings, replace=b.replace)
    return await reports.store_info(call.service, b.name)


@contextmanager
def _as_the_caller_put_it() -> Iterator[None]:
    """Settings that cannot be are the caller's fault here: there is no file to mend."""
    try:
        yield
    except ValidationError as error:
        raise UsageError(_complaint(error)) from None
    except ConfigError as error:
        raise UsageError(error.message, hint=error.hint) from None


async def delete_store(call: Call) -> Any:
    """Forget a store and everything kept of it; the vault is not touched"""
    name = call.path["name"]
    said = call.query.get("keep_remote", ["false"])[-1]
    if said not in _TRUTH:
        raise UsageError(f"keep_remote is {said[:40]!r}, expected true or false")
    return {"deleted": name, "origin": await call.service.delete_store(name, keep_remote=_TRUTH[said])}


async def index(call: Call) -> Any:
    """Index what matches a pattern, once"""
    b: s.IndexRequest = call.body
    with _as_the_caller_put_it():
        tickets = await call.service.index(b.store, b.path, b.include, b.backend)
    return {"done": False, "tickets": tickets, "pending": 0, "degraded": ()}


async def verify(call: Call) -> Any:
    """Compare vault, catalog and backend; optionally mend"""
    b: s.VerifyRequest = call.body
    return await call.service.verify(b.stores, repair=b.repair)


async def healthz(call: Call) -> Any:
    """Whether the daemon answers at all"""
    return {"ok": True, "pid": os.getpid()}


async def openapi(call: Call) -> Any:
    """This document"""
    from vragd.server.openapi import document

    return document()


_STATES = ("indexed", "failed", "pending", "skipped")
_TRUTH = {"1": True, "true": True, "0": False, "false": False}
_MANY = {"type": "array", "items": {"type": "string"}}
_FILES = {"state": {"type": "array", "items": {"enum": list(_STATES)}}, "store": _MANY}
_DELETE = {"keep_remote": {"type": "boolean", "default": False}}

ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/query", query, s.QueryAnswer, s.QueryRequest),
    Route("GET", "/v1/status", status, s.StatusAnswer),
    Route("GET", "/v1/files", files, s.FilesAnswer, query=_FILES),
    Route("POST", "/v1/sync", sync, s.SyncAnswer, s.SyncRequest),
    Route("GET", "/v1/stores", list_stores, s.StoresAnswer),
    Route("POST", "/v1/stores", create_store, s.StoreAnswer, s.StoreRequest, timeout_s=300.0),
    Route("GET", "/v1/stores/{name}", store_info, s.StoreAnswer),
    Route("DELETE", "/v1/stores/{name}", delete_store, s.DeletedAnswer, query=_DELETE, timeout_s=300.0),
    Route("POST", "/v1/index", index, s.SyncAnswer, s.IndexRequest, timeout_s=300.0),
    Route("POST", "/v1/verify", verify, s.VerifyAnswer, s.VerifyRequest, timeout_s=3600.0),
    Route("GET", "/healthz", healthz, s.HealthAnswer),
    Route("GET", "/openapi.json", openapi, None),
)


def find(method: str, target: str) -> tuple[Route, dict[str, str], dict[str, list[str]]]:
    """The route of a request line, its path and its query parameters. Raises NotFound, UsageError."""
    path, _, search = target.partition("?")
    allowed = []
    for route in ROUTES:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", re.escape(route.path).replace(r"\{", "{").replace(r"\}", "}"))
        if match := re.fullmatch(pattern, path):
            if route.method == method:
                return (
                    route,
                    {k: unquote(v) for k, v in match.groupdict().items()},
                    _parameters(route, search),
                )
            allowed.append(route.method)
    if allowed:
        raise MethodNotAllowed(f"{method} is not for this path", hint=f"allowed: {', '.join(allowed)}")
    raise NotFound("no such path", hint="GET /openapi.json lists them")


def _parameters(route: Route, search: str) -> dict[str, list[str]]:
    try:
        found = parse_qs(search, keep_blank_values=True, strict_parsing=bool(search), max_num_fields=64)
    except ValueError:
        raise UsageError("the query string cannot be understood") from None
    if unknown := set(found) - set(route.query):
        raise UsageError(
            f"unknown parameter {sorted(unknown)[0][:40]!r}",
            hint=f"known: {', '.join(route.query) or 'none'}",
        )
    return found


async def dispatch(service: Service, method: str, target: str, body: bytes) -> Reply:
    """Answer one request. Never raises: every error becomes a reply, an unforeseen one with an id for the log."""
    try:
        route, path, parameters = find(method, target)
        request = _parse(route, body)
        answer = await route.handler(Call(service, request, path, parameters))
        return Reply(200, _encode(answer))
    except MethodNotAllowed as error:
        return replace(error_reply(error), allow=error.hint.removeprefix("allowed: "))
    except VragdError as error:
        return error_reply(error)
    except Exception as error:
        incident = secrets.token_hex(4)
        log.error("server.request_failed", incident=incident, method=method, **error_fields(error))
        return error_reply(
            VragdError(f"something went wrong in vragd (incident {incident})", hint="see the daemon's log")
        )


def _parse(route: Route, body: bytes) -> BaseModel | None:
    if route.request is None:
        return None
    try:
        return route.request.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise UsageError(_complaint(error), hint="GET /openapi.json describes every request") from None
    except RecursionError:
        raise UsageError("the request is nested too deeply") from None


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def error_reply(error: VragdError) -> Reply:
    """The body every error has."""
    body = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    return Reply(error.http_status, _encode(body))


def _encode(answer: Any) -> bytes:
    text = json.dumps(answer, default=_plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        fields = asdict(value)
        if "path" in fields:
            fields["path"] = shown(fields["path"])
        return fields
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"cannot encode {type(value).__name__}")
