"""What there is in the stores that run: tags, properties, tasks, what changed last; and the headings of a note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vragd.search.asking import understood, unknown_everywhere
from vragd.search.grammar.tree import And, Property
from vragd.search.links import Linked
from vragd.search.lists import By, Collected, Looked, Properties, Tags, look
from vragd.search.outline import Outline, outline_of
from vragd.search.question import Question
from vragd.search.tasks import Recent, State, Tasks
from vragd.stores.audience import Audience
from vragd.stores.indexer import Indexer
from vragd.stores.links import REST_S, chosen, looked, the_one
from vragd.stores.questions import asked_of, target_of
from vragd.stores.stores import Stores


async def tags(
    stores: Stores, names: Sequence[str], *, sort: By, assistant: bool = False, **narrowing: Any
) -> dict[str, Any]:  # fmt: skip
    """
    The tags of the notes that pass. `narrowing`, here and below, are `sources`, `folder` and `where` of a question.

    Each function raises NotFound for a store, UsageError for a source that there is not, Mistyped for a mistake.
    """
    found = Tags()
    told = await _looked(Audience(stores, assistant), names, _narrowed(**narrowing), found)
    return {"tags": found.told(sort), "n_tagged": found.n_tagged, **told}


async def properties(
    stores: Stores, names: Sequence[str], *, name: str, sort: By, assistant: bool = False, **narrowing: Any
) -> dict[str, Any]:  # fmt: skip
    """The properties of the notes that pass, or the one called `name` and its values."""
    question, name = _narrowed(**narrowing), name.strip()
    if name:
        question = replace(question, where=And((question.where or And(()), Property(name))))
    found = Properties(name)
    told = await _looked(Audience(stores, assistant), names, question, found)
    return {"properties": found.told(sort), "values": found.values(sort), **told}


async def tasks(
    stores: Stores, names: Sequence[str], *, state: State, assistant: bool = False, **narrowing: Any
) -> dict[str, Any]:  # fmt: skip
    """The tasks of the notes that pass."""
    found = Tasks(state)
    told = await _looked(Audience(stores, assistant), names, _narrowed(**narrowing), found)
    counts = {name: found.counts[name] for name in ("todo", "done", "notes")}
    return {"tasks": found.found, "counts": counts, **told}


async def recent(
    stores: Stores, names: Sequence[str], *, top_k: int, assistant: bool = False, **narrowing: Any
) -> dict[str, Any]:  # fmt: skip
    """The `top_k` of the notes that pass whose files were changed last."""
    found = Recent(top_k)
    told = await _looked(Audience(stores, assistant), names, _narrowed(**narrowing), found)
    return {"notes": found.found, **told}


async def outline(
    stores: Stores, names: Sequence[str], *, note: str, sources: frozenset[str], assistant: bool = False
) -> dict[str, Any]:  # fmt: skip
    """The headings of the note that `note` means. Raises NotFound, also for a place, and UsageError for several."""
    audience = Audience(stores, assistant)
    indexers, targets = await chosen(audience, names, sources)
    found = await looked(audience, indexers, _outlined, targets, note)
    told = {"note": found.note, "place": found.place, "lines": found.lines, "headings": found.headings}
    state = await _state(audience, names, indexers)
    return {**told, "n_unread": found.n_unread, "generation": found.generation, **state}


def _outlined(targets: Sequence[Linked], note: str) -> Outline:
    target, asked = the_one(targets, note)
    return outline_of(target, asked)


def _narrowed(**narrowing: Any) -> Question:
    """Every note, but for what is narrowed."""
    question = understood(**narrowing)
    return question if question.where is not None else replace(question, where=And(()))


async def _looked(audience: Audience, names: Sequence[str], question: Question, into: Collected) -> dict[str, Any]:
    stores = audience.stores
    await audience.at_rest(names, REST_S)
    indexers = asked_of(audience, names, [question])
    met = set[str]() if len(indexers) > 1 else None
    told: list[Looked] = []
    for indexer in indexers:
        told.append(await stores.aside.run(look, target_of(audience, indexer), question, met, into))
    return {
        "n_notes": sum(one.n_notes for one in told),
        "unknown": unknown_everywhere([one.unknown for one in told]),
        "n_unread": sum(one.n_unread for one in told),
        "generation": sum(one.generation for one in told),
        **await _state(audience, names, indexers),
    }


async def _state(audience: Audience, names: Sequence[str], indexers: Sequence[Indexer]) -> dict[str, Any]:
    pending, degraded = await audience.state(indexers)
    degraded += ["store_restarting"] if audience.shown(audience.stores.coming) and not names else []
    return {"pending": pending, "degraded": tuple(dict.fromkeys(degraded))}
