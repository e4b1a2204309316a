"""Wrong orders of things, to be planted in a process of the crash matrix: each must be found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apsw

import vragd.store.filling
import vragd.system.sqlite
from vragd.backends.base import Batch, Entry
from vragd.catalog.model import NoteChange, NoteRemoval
from vragd.catalog.writer import Catalog
from vragd.store.filling import Refiller
from vragd.store.spaces import Spaces
from vragd.sync.change import Prepared
from vragd.sync.round import Syncer
from vragd.sync.vectors import to_vector
from vragd.system.failpoints import reach


def _puts(syncer: Syncer, ready: Sequence[Prepared]) -> list[Entry]:
    fresh = [(item, chunk) for item in ready for chunk in item.fresh]
    vectors = syncer._catalog.embeddings(syncer._space.id, {chunk.text_hash for _, chunk in fresh})
    return [
        to_vector(
            item.job.source.uid,
            item.job.source.label,
            item.job.path,
            item.change.title,
            chunk,
            vectors[chunk.text_hash],
        )
        for item, chunk in fresh
        if isinstance(item.change, NoteChange)
    ]


def commit_before_put() -> None:
    def write(self: Syncer, ready: Sequence[Prepared], report: Any) -> None:
        collection, puts = self._space.collection, _puts(self, ready)
        done = self._catalog.commit(collection, [item.change for item in self._proven(ready, report)])
        reach("sync.committed")
        self._backend.put_vectors(collection, Batch.of(puts))
        self._backend.delete_vectors(collection, done.dead)
        self._catalog.clear(collection, done.dead)

    Syncer._write = write  # type: ignore[method-assign]


def delete_before_put() -> None:
    right = Syncer._write

    def write(self: Syncer, ready: Sequence[Prepared], report: Any) -> None:
        for item in ready:
            known = self._catalog.known_note(item.job.source.id, item.job.path)
            if known:
                self._backend.delete_vectors(self._space.collection, self._catalog.embedded_chunks(known.note_id))
                item.fresh = list(item.change.chunks or ()) if isinstance(item.change, NoteChange) else []
        reach("sync.deleted")
        right(self, ready, report)

    Syncer._write = write  # type: ignore[method-assign]


def no_intents() -> None:
    Catalog._intend = lambda *_: None  # type: ignore[method-assign]


def commit_in_halves() -> None:
    right = Catalog.commit

    def commit(self: Catalog, collection: str, changes: Sequence[NoteChange | NoteRemoval]) -> Any:
        right(self, collection, [NoteRemoval(c.source_id, c.path, c.seq - 1) for c in changes])
        return right(self, collection, changes)

    Catalog.commit = commit  # type: ignore[method-assign]


def clear_before_delete() -> None:
    def recover(catalog: Catalog, backend: Any, space: Any, put: Callable[[list[str]], object]) -> int:
        intents, live = catalog.intents(space.collection), catalog.live_keys(space.id)
        catalog.clear(space.collection, intents)
        reach("recover.cleared")
        backend.delete_vectors(space.collection, [key for key in intents if key not in live])
        put([key for key in intents if key in live])
        return 0

    vragd.store.filling.recover = recover


def remember_before_put() -> None:
    put = Refiller.put

    def go_on(self: Refiller, space: Any) -> None:
        keys = self._catalog.live_keys_after(space.id, self._catalog.meta("filled_to") or "", vragd.store.filling.SLICE)
        self._catalog.set_meta("filled_to" if keys else "filled", keys[-1] if keys else self._target)
        reach("filling.remembered")
        put(self, space, keys)
        self.n_left = len(keys) or None

    Refiller.go_on = go_on  # type: ignore[method-assign]


def version_apart() -> None:
    def migrate(db: apsw.Connection, migrations: list[Callable[[apsw.Connection], None]]) -> None:
        while (version := vragd.system.sqlite._pragma(db, "user_version")) < len(migrations):
            migrations[version](db)
            reach("migration.applied")
            db.execute(f"pragma user_version = {version + 1}")

    vragd.system.sqlite._migrate = migrate


def switch_at_once() -> None:
    Catalog.any_outside = lambda *_, **__: False  # type: ignore[method-assign]
    forget = Catalog.forget_space

    def forget_space(self: Catalog, space_id: int) -> None:
        self._db.execute("update note set space_id = (select max(id) from space) where space_id = ?", (space_id,))
        forget(self, space_id)

    Catalog.forget_space = forget_space  # type: ignore[method-assign]
    Spaces._can_be_asked = lambda *_: True  # type: ignore[method-assign]


def plant(name: str) -> None:
    if name:
        PLANTS[name]()


PLANTS: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (
        commit_before_put,
        delete_before_put,
        no_intents,
        commit_in_halves,
        clear_before_delete,
        remember_before_put,
        version_apart,
        switch_at_once,
    )
}
