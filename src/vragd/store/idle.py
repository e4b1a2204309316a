"""What is done while there is nothing else to do. Runs on the store's writer lane."""

from __future__ import annotations

from vragd.store.store import Store
from vragd.store.titles import embed_titles


def while_idle(store: Store) -> bool:
    """A slice of it, of about a quarter of a second at most; whether there is more."""
    return embed_titles(store) or store.catalog.merge_words()
