"""The routes that list what there is in the notes: tags, properties, tasks, what changed last, headings."""

from __future__ import annotations

from typing import Any

from vragd.server import list_schemas as ls
from vragd.server.table import Call, Encoded, encoded_in_slices
from vragd.stores import lists
from vragd.stores import names as named


async def tags(call: Call) -> Any:
    """Each tag, with what it is nested in, and how many notes have it"""
    b: ls.TagsRequest = call.body
    return await _encoded(call, await lists.tags(call.stores, b.stores, sort=b.sort, **_narrowing(call, b)))


async def properties(call: Call) -> Any:
    """Each property, its types, and how many notes have it; or the values of one"""
    b: ls.PropertiesRequest = call.body
    told = await lists.properties(call.stores, b.stores, name=b.name, sort=b.sort, **_narrowing(call, b))
    return await _encoded(call, told)


async def tasks(call: Call) -> Any:
    """Open tasks, done ones or all, each with its place"""
    b: ls.TasksRequest = call.body
    return await _encoded(call, await lists.tasks(call.stores, b.stores, state=b.state, **_narrowing(call, b)))


async def recent(call: Call) -> Any:
    """The notes that were changed last"""
    b: ls.RecentRequest = call.body
    return await _encoded(call, await lists.recent(call.stores, b.stores, top_k=b.top_k, **_narrowing(call, b)))


async def outline(call: Call) -> Any:
    """The headings of a note"""
    b: ls.OutlineRequest = call.body
    sources = frozenset(b.sources)
    told = await lists.outline(call.stores, b.stores, note=b.note, sources=sources, assistant=call.assistant)
    return await _encoded(call, told)


async def names(call: Call) -> Any:
    """Names that begin with what was typed: cheap enough to be asked for at every key"""
    b: ls.NamesRequest = call.body
    return await named.names(call.stores, b.kind, b.prefix, b.limit)


def _narrowing(call: Call, b: ls.ListRequest) -> dict[str, Any]:
    return {"sources": frozenset(b.sources), "folder": b.folder, "where": b.where, "assistant": call.assistant}


async def _encoded(call: Call, told: dict[str, Any]) -> Encoded:
    return await call.stores.aside.run(encoded_in_slices, told)
