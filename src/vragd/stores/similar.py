"""Related notes, of the stores that run: of the store that has the note, or for a text of all. Readers do the work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vragd.errors import UsageError
from vragd.search.asking import understood, unknown_everywhere
from vragd.search.question import SEEN, Question, check
from vragd.search.similar import Answer, Related, Wanted
from vragd.search.similar import similar as of_store
from vragd.stores.audience import Audience
from vragd.stores.indexer import Indexer
from vragd.stores.links import chosen, looked, the_one
from vragd.stores.questions import Questions, target_of
from vragd.stores.stores import Stores


async def similar(
    stores: Stores, questions: Questions, names: Sequence[str], *,
    note: str, text: str, unlinked: bool, sources: frozenset[str], peer: int = 0,
    assistant: bool = False, **asked: Any,
) -> dict[str, Any]:  # fmt: skip
    """
    The notes that are related to the one that `note` means, in the store that has it, or to `text`, in each; narrowed
    by the fields `folder` and `where` of a question.

    Raises NotFound and UsageError as `links` does.
    """
    if bool(SEEN.search(note)) == bool(SEEN.search(text)):
        raise UsageError("similar to what? a note or a text, one of them", hint="vragd similar NOTE, or - for a text")
    if unlinked and not note:
        raise UsageError("a text has no links that could be left out", hint="leave out --unlinked")
    question = understood(sources=sources, **asked)
    check(Question(text="-", top_k=question.top_k))
    audience = Audience(stores, assistant)
    indexers, targets = await chosen(audience, names, sources)
    if note:
        target, found = await looked(audience, indexers, the_one, targets, note)
        if found.place or found.lines:
            raise UsageError("related notes are those of a whole note", hint="leave out the place in it")
        wanted = Wanted(question, found.file, unlinked=unlinked)
        asking = [indexer for indexer in indexers if indexer.store.name == target.name]
    else:
        wanted = Wanted(question, text=text)
        asking = [one for one in indexers if one.store.name in {target.name for target in targets}]
    async with questions.place(peer):
        answers = await asyncio.gather(*(_ask(audience, indexer, wanted) for indexer in asking))
    pending, degraded = await audience.state(asking)
    degraded += [] if all(answer.semantic for answer in answers) else ["semantic_unavailable"]
    degraded += ["words_alone"] if any(_has_words_alone(one) for one in asking) else []
    return {
        "note": answers[0].note if answers else None,
        "hits": _once(answers)[: question.top_k],
        "unknown": unknown_everywhere([answer.unknown for answer in answers]),
        "generation": sum(answer.generation for answer in answers),
        "pending": pending,
        "degraded": tuple(dict.fromkeys(degraded)),
    }


def _once(answers: Sequence[Answer]) -> list[Related]:
    """Those of all stores, the best first: a file once, for two stores may have one source, and equal notes once."""
    hits = [pair for answer in answers for pair in zip(answer.hits, answer.texts, strict=True)]
    found, seen = dict[object, Related](), set[tuple[str, str]]()
    for hit, texts in sorted(hits, key=lambda pair: -pair[0].score):
        files = [one for one in (hit.note, *hit.copies) if (one.source, one.path) not in seen]
        seen |= {(one.source, one.path) for one in files}
        content = texts or (hit.note.source, hit.note.path)
        if (first := found.get(content)) is not None:
            found[content] = replace(first, copies=(*first.copies, *files))
        elif hit.note in files:
            found[content] = replace(hit, copies=tuple(files[1:]))
    return list(found.values())


def _has_words_alone(indexer: Indexer) -> bool:
    answering = indexer.store.answering
    return answering is not None and not answering.space.has_vectors


async def _ask(audience: Audience, indexer: Indexer, wanted: Wanted) -> Answer:
    return await audience.stores.readers.run(of_store, target_of(audience, indexer), wanted)
