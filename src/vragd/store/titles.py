"""Titles → vectors, while there is nothing else to do. Runs on the store's writer lane."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import numpy as np

from vragd.catalog import titles
from vragd.catalog.model import SpaceRow
from vragd.embed.base import Embedder
from vragd.errors import EmbedderRejected, EmbedderUnavailable
from vragd.store.store import Store
from vragd.sync.calls import Late
from vragd.sync.embedding import identity_of, makes, who
from vragd.system.failpoints import reach

SLICE_S = 0.25  # a note saved meanwhile waits for it
SLICE = 64

Rows = list[tuple[bytes, np.ndarray | None]]
"""Of each title, by its hash, the vector; None for one that is refused."""


def embed_titles(store: Store) -> bool:
    """
    Embed a slice of the titles that have no vector; whether there are more. An outage leaves them for another time.

    A rename costs this, one short text, and no chunk; a title that was seen before costs nothing.
    """
    space = store.space
    if space is None or not space.has_vectors:
        return False
    catalog = store.catalog
    if catalog.titled == (space.id, catalog.as_of()):
        return False  # to find that there is none, every note is looked at
    with catalog.writing() as db:
        waiting = titles.missing(db, space.id, SLICE)
    if not waiting:
        if not store.settings.embedder.sets_the_scale:
            with catalog.writing() as db:
                titles.calibrate(db, space)
        catalog.titled = space.id, catalog.as_of()
        return False
    try:
        embedder = store.embedder
        if not who(store.calls, embedder).is_like(identity_of(space)):
            return False  # it is noticed where chunks are embedded
        began = time.monotonic()
        for start in range(0, len(waiting), embedder.batch_size):
            some = waiting[start : start + embedder.batch_size]
            made = store.calls.run(partial(_made, embedder, space, some), f"titles {space.id}")
            if made is None:
                return False
            with store.catalog.writing() as db:
                titles.save(db, space.id, made)
            reach("titles.saved")
            was_left = [key for key, _ in made] != [key for key, _ in some]  # of other titles: see anew what waits
            if was_left or time.monotonic() - began > SLICE_S:
                break
    except (EmbedderUnavailable, Late):
        return False
    return True


def _made(embedder: Embedder, space: SpaceRow, some: Sequence[tuple[bytes, str]]) -> Rows | None:
    """As `_embedded` has it of titles with their keys; None from one that was replaced meanwhile."""
    rows = _embedded(embedder, [title for _, title in some])
    return [(key, row) for (key, _), row in zip(some, rows, strict=True)] if makes(embedder, space) else None


def _embedded(embedder: Embedder, texts: list[str]) -> list[np.ndarray | None]:
    """A vector of each, None for one that is refused."""
    try:
        return list(embedder.embed_documents(texts))
    except EmbedderRejected:
        if len(texts) == 1:
            return [None]
        return [row for text in texts for row in _embedded(embedder, [text])]
