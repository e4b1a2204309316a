"""
The routes of the socket: one table, one function each. Also called without a socket, by commands that
find no daemon.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from pydantic import ValidationError

from vragd.errors import ConfigError, UsageError, VragdError
from vragd.server import list_schemas as ls
from vragd.server import lists, metrics, pictures, watching
from vragd.server import note_schemas as n
from vragd.server import query_schemas as q
from vragd.server import schemas as s
from vragd.server.openapi import document
from vragd.server.table import (
    AUDIENCE,
    Call,
    Encoded,
    Reply,
    Route,
    complaint,
    encode,
    encoded_in_slices,
    error_reply,
    find,
    in_slices,
    parse,
    reply_of,
)
from vragd.stores import changes, reading, reports, verifying
from vragd.stores import links as linked
from vragd.stores import similar as related
from vragd.stores.questions import Questions
from vragd.stores.stores import Stores
from vragd.system.filenames import exact, shown
from vragd.system.log import error_fields

log = structlog.get_logger()

NO_ROUTE_S = 5.0


async def query(call: Call) -> Any:
    """Search"""
    b: q.QueryRequest = call.body
    asked = b.model_dump(exclude={"stores", "sources"})
    return await call.questions.query(
        b.stores, peer=call.peer, assistant=call.assistant, **asked, sources=frozenset(b.sources)
    )


async def status(call: Call) -> Any:
    """What runs, how far it is, and what is wrong"""
    if not _truth(call, "sizes", default=True):
        return await reports.overview(call.stores, assistant=call.assistant)
    return await reports.status(call.stores, assistant=call.assistant)


async def files(call: Call) -> Any:
    """Each file and its state: indexed, pending, skipped, failed, and why"""
    states = call.query.get("state", [])
    if unknown := set(states) - set(_STATES):
        raise UsageError(f"unknown state {unknown.pop()!r}", hint="indexed, failed, pending or skipped")
    rows = await reports.files(call.stores, call.query.get("store", []), states)
    return await call.stores.aside.run(_files_encoded, rows)


def _files_encoded(rows: list[dict[str, Any]]) -> Encoded:
    return Encoded(b'{"files":' + in_slices(rows, _with_paths) + b"}")


def _with_paths(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "path": shown(row["path"]), "path_b64": exact(row["path"])}


async def links(call: Call) -> Any:
    """What a note links to and what links to it, what leads nowhere, which notes nothing leads to"""
    b: s.LinksRequest = call.body
    told = await linked.links(
        call.stores, b.stores, note=b.note, unresolved=b.unresolved, orphans=b.orphans, sources=frozenset(b.sources),
        assistant=call.assistant,
    )  # fmt: skip
    return await call.stores.aside.run(encoded_in_slices, told)


async def get(call: Call) -> Any:
    """Read back a note, a part of it, or a passage by its id"""
    b: n.GetRequest = call.body
    sources, assistant = frozenset(b.sources), call.assistant
    got = await reading.get(call.stores, b.stores, note=b.note, sources=sources, assistant=assistant)
    return Encoded(await call.stores.aside.run(encode, got))


async def similar(call: Call) -> Any:
    """Notes that are related to a note, or to a text"""
    b: n.SimilarRequest = call.body
    narrow = b.model_dump(exclude={"note", "text", "unlinked", "stores", "sources"})
    return await related.similar(
        call.stores, call.questions, b.stores, note=b.note, text=b.text, unlinked=b.unlinked, peer=call.peer,
        sources=frozenset(b.sources), assistant=call.assistant, **narrow,
    )  # fmt: skip


async def sync(call: Call) -> Any:
    """Scan now; optionally wait until what was found is searchable"""
    b: s.SyncRequest = call.body
    stores = call.stores
    tickets = b.tickets
    if tickets is None:
        tickets = await stores.sync(b.stores, b.path, confirm_deletes=b.confirm_deletes)
    done = await stores.settled(tickets, b.wait_s)
    indexers = [stores.indexers[name] for name in tickets if name in stores.indexers]
    degraded = dict.fromkeys(reason for indexer in indexers for reason in indexer.degraded())
    return {
        "done": done,
        "tickets": tickets,
        "pending": sum(indexer.dirty.pending() for indexer in indexers),
        "left_s": reports.left_s(indexers),
        "degraded": tuple(degraded),
    }


async def list_stores(call: Call) -> Any:
    """Every store"""
    return {"stores": await reports.list_stores(call.stores)}


async def store_info(call: Call) -> Any:
    """One store in full; with `recall`, also how many of the nearest vectors its index finds, which takes a while"""
    recall = _truth(call, "recall")
    return await reports.store_info(call.stores, call.path["name"], recall=recall)


async def create_store(call: Call) -> Any:
    """Make a store"""
    b: s.StoreRequest = call.body
    with _as_the_caller_put_it():
        settings = changes.settings_of(
            [source.model_dump(exclude_none=True) for source in b.sources], b.embedder, b.backend, b.metric
        )
        await changes.create_store(call.stores, b.name, settings, replace=b.replace)
    return await reports.store_info(call.stores, b.name)


@contextmanager
def _as_the_caller_put_it() -> Iterator[None]:
    """Settings that cannot be are the caller's fault here: there is no file to mend."""
    try:
        yield
    except ValidationError as error:
        raise UsageError(complaint(error)) from None
    except ConfigError as error:
        raise UsageError(error.message, hint=error.hint) from None


async def delete_store(call: Call) -> Any:
    """Forget a store and everything kept of it; the vault is not touched"""
    name = call.path["name"]
    keep_remote = _truth(call, "keep_remote")
    origin, left = await changes.delete_store(call.stores, name, keep_remote=keep_remote)
    return {"deleted": name, "origin": origin, "left_behind": left}


def _truth(call: Call, key: str, *, default: bool = False) -> bool:
    said = call.query.get(key, [str(default).lower()])[-1]
    if said not in _TRUTH:
        raise UsageError(f"{key} is {said[:40]!r}, expected true or false")
    return _TRUTH[said]


async def index(call: Call) -> Any:
    """Index what matches a pattern, once"""
    b: s.IndexRequest = call.body
    with _as_the_caller_put_it():
        tickets = await changes.index_once(call.stores, b.store, b.path, b.include, b.backend)
    return {"done": False, "tickets": tickets, "pending": 0, "left_s": None, "degraded": ()}


async def reindex(call: Call) -> Any:
    """Read every note of a store again; what was indexed before answers until then"""
    b: s.ReindexRequest = call.body
    tickets = await changes.reindex(call.stores, b.store, embed=b.embed)
    indexer = call.stores.indexer(b.store)
    pending, left_s = indexer.dirty.pending(), reports.left_s([indexer])
    return {"done": False, "tickets": tickets, "pending": pending, "left_s": left_s, "degraded": ()}


async def verify(call: Call) -> Any:
    """Compare vault, catalog, backend and replicas; optionally mend"""
    b: s.VerifyRequest = call.body
    return await verifying.verify(call.stores, b.stores, repair=b.repair)


async def web(call: Call) -> Any:
    """A ticket for the page that the configuration keeps, or whether one is still good"""
    page = call.stores.page
    return {"url": page.url, "ticket": await page.ticket(call.body.ticket)} if page else {"url": "", "ticket": ""}


async def healthz(call: Call) -> Any:
    """Whether the daemon answers at all"""
    return {"ok": True, "pid": os.getpid()}


async def openapi(call: Call) -> Any:
    """This document"""
    return document(ROUTES)


_STATES = ("indexed", "failed", "pending", "skipped")
_TRUTH = {"1": True, "true": True, "0": False, "false": False}
_MANY = {"type": "array", "items": {"type": "string"}}
_FILES = {"state": {"type": "array", "items": {"enum": list(_STATES)}}, "store": _MANY}
_WAIT = {"type": "number", "minimum": 0, "maximum": ls.MAX_WAIT_S, "default": 0}
_MAP: dict[str, dict[str, Any]] = {"store": _MANY, "wait_s": _WAIT, **AUDIENCE}
_STATUS: dict[str, dict[str, Any]] = {"sizes": {"type": "boolean", "default": True}, **AUDIENCE}
_RECALL = {"recall": {"type": "boolean", "default": False}}
_DELETE = {"keep_remote": {"type": "boolean", "default": False}}

ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/query", query, q.QueryAnswer, q.QueryRequest, timeout_s=60.0, query=AUDIENCE),
    Route("GET", "/v1/status", status, s.StatusAnswer, query=_STATUS),
    Route("GET", "/v1/files", files, s.FilesAnswer, query=_FILES),
    Route("POST", "/v1/links", links, s.LinksAnswer, s.LinksRequest, query=AUDIENCE),
    Route("POST", "/v1/tags", lists.tags, ls.TagsAnswer, ls.TagsRequest, query=AUDIENCE),
    Route("POST", "/v1/properties", lists.properties, ls.PropertiesAnswer, ls.PropertiesRequest, query=AUDIENCE),
    Route("POST", "/v1/tasks", lists.tasks, ls.TasksAnswer, ls.TasksRequest, query=AUDIENCE),
    Route("POST", "/v1/recent", lists.recent, ls.RecentAnswer, ls.RecentRequest, query=AUDIENCE),
    Route("GET", "/v1/map", pictures.pictures, ls.MapAnswer, query=_MAP, timeout_s=120.0),
    Route("POST", "/v1/outline", lists.outline, ls.OutlineAnswer, ls.OutlineRequest, query=AUDIENCE),
    Route("POST", "/v1/names", lists.names, ls.NamesAnswer, ls.NamesRequest, timeout_s=5.0),
    Route("POST", "/v1/get", get, n.GetAnswer, n.GetRequest, query=AUDIENCE),
    Route("POST", "/v1/similar", similar, n.SimilarAnswer, n.SimilarRequest, query=AUDIENCE),
    Route("POST", "/v1/sync", sync, s.SyncAnswer, s.SyncRequest),
    Route("GET", "/v1/stores", list_stores, s.StoresAnswer),
    Route("POST", "/v1/stores", create_store, s.StoreAnswer, s.StoreRequest, timeout_s=300.0),
    Route("GET", "/v1/stores/{name}", store_info, s.StoreAnswer, query=_RECALL, timeout_s=300.0),
    Route("DELETE", "/v1/stores/{name}", delete_store, s.DeletedAnswer, query=_DELETE, timeout_s=300.0),
    Route("POST", "/v1/index", index, s.SyncAnswer, s.IndexRequest, timeout_s=300.0),
    Route("POST", "/v1/reindex", reindex, s.SyncAnswer, s.ReindexRequest, timeout_s=300.0),
    Route("POST", "/v1/verify", verify, s.VerifyAnswer, s.VerifyRequest, timeout_s=3600.0),
    Route("POST", "/v1/web", web, s.WebAnswer, s.WebRequest),
    Route("GET", "/v1/events", watching.events, None, media_type=watching.EVENTS),
    Route("GET", "/metrics", metrics.metrics, None, media_type=metrics.MEDIA_TYPE),
    Route("GET", "/healthz", healthz, s.HealthAnswer),
    Route("GET", "/openapi.json", openapi, None),
)


def timeout_of(method: str, target: str) -> float:
    """How long a request may be worked on, in seconds."""
    try:
        return find(ROUTES, method, target)[0].timeout_s
    except VragdError:
        return NO_ROUTE_S


async def dispatch(questions: Questions, stores: Stores, method: str, target: str, body: bytes, peer: int = 0) -> Reply:
    """
    Answer one request of the process `peer`; 0 is nobody in particular.
     Never raises: every error becomes a reply, an unforeseen one with an id for the log."""
    try:
        route, path, parameters = find(ROUTES, method, target)
        request = parse(route, body)
        answer = await route.handler(Call(stores, questions, request, path, parameters, peer))
        return reply_of(answer)
    except VragdError as error:
        return error_reply(error)
    except Exception as error:
        incident = secrets.token_hex(4)
        log.error("server.request_failed", incident=incident, method=method, **error_fields(error))
        return error_reply(
            VragdError(f"something went wrong in vragd (incident {incident})", hint="see the daemon's log")
        )
