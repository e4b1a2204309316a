"""A question narrowed to a folder, which the disk may spell in another way than whoever asks."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping

from vragd.search.question import Place
from vragd.terms.filter import Filter, every, one_of

Narrowed = Filter | None
"""What a backend leaves of a question; None for all."""


def spellings(name: str) -> tuple[str, ...]:
    """`name` as it was typed, composed and decomposed: what a disk may call it. One of each kind."""
    if name.isascii():
        return (name,)
    return tuple(dict.fromkeys((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))))


def printed(folder: str, places: Mapping[str, Place]) -> str:
    """A folder that was given by its place on the disk as hits print it; any other as it is."""
    for label, place in places.items() if folder.startswith("/") else ():
        if f"{folder.rstrip('/')}/".startswith(root := f"{place.root}/"):
            return f"{label}/{folder.rstrip('/')[len(root) :]}".rstrip("/")
    return folder


def within(folder: str) -> Filter | None:
    """What a backend leaves of a question to that folder, relative to a source; None, which is all, for no folder."""
    return one_of("folder", spellings(folder.strip("/"))) if folder else None


def within_sources(uids: Collection[str], folder: str) -> Narrowed:
    """As `within`, of these sources alone."""
    return every(one_of("source", uids), within(folder))
