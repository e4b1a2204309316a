"""Notes of the stores that run, read back from their catalogs. What reads works aside, as for links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from vragd.search import reading
from vragd.search.links import Linked
from vragd.search.reading import Got
from vragd.stores.audience import Audience
from vragd.stores.links import chosen, having, looked, the_one
from vragd.stores.stores import Stores


async def get(
    stores: Stores, names: Sequence[str], *, note: str, sources: frozenset[str], assistant: bool = False
) -> dict[str, Any]:  # fmt: skip
    """
    What `note` means: a passage by its id, or a note, whole or a place or lines of it; see `reading.Got`.

    Raises NotFound for what is not there, UsageError for what may be several notes, or lines that are none.
    """
    audience = Audience(stores, assistant)
    indexers, targets = await chosen(audience, names, sources)
    got = await looked(audience, indexers, _got, targets, note)
    pending, degraded = await audience.state(indexers)
    return {
        **{one.name: getattr(got, one.name) for one in fields(got)},
        "pending": pending,
        "degraded": tuple(degraded),
    }


def _got(targets: Sequence[Linked], text: str) -> Got:
    if (found := _by_id(targets, text.strip())) is not None:
        return found
    target, asked = the_one(targets, text)
    return reading.of_file(target, asked)


def _by_id(targets: Sequence[Linked], name: str) -> Got | None:
    """The passage as the first store has it, in which it is unchanged if there is one."""
    return min((got for _, got in having(targets, name, reading.by_id)), key=lambda got: got.changed, default=None)
