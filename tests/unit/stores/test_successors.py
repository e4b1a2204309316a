"""Which index of a shared place is that of a store after its model changed."""

from __future__ import annotations

from vragd.backends.base import CollectionInfo
from vragd.stores.elsewhere import succeeds


def test_an_index_succeeds_that_of_a_store_by_its_name_and_its_space() -> None:
    def named(name: str) -> CollectionInfo:
        return CollectionInfo(name, 64, "cosine", None, "0123456789abcdef")

    assert succeeds(named("notes.01234567"), "notes")
    for other in ("notes", "note.01234567", "notes.0123456", "notes.01234568", "notes.20260101"):
        assert not succeeds(named(other), "notes"), other
