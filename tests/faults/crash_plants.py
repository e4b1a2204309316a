"""
Wrong orders of things, to be planted in a process of the crash matrix: each must be found.

`SWAPS` are all that two neighbours of a list of steps can be exchanged for; the others are wrong in ways of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from types import ModuleType
from typing import Any

import apsw

import vragd.store.spaces
import vragd.sync.feed
import vragd.system.sqlite
from vragd.catalog.model import NoteChange, NoteRemoval
from vragd.catalog.writer import Catalog
from vragd.store.spaces import Spaces
from vragd.sync import order
from vragd.system.failpoints import reach

LISTS: dict[str, tuple[ModuleType, str]] = {
    "write": (order, "WRITE"),
    "recover": (order, "RECOVER"),
    "fill": (order, "FILL"),
    "sweep": (order, "SWEEP"),
    "leave": (vragd.store.spaces, "LEAVE"),
    "feed": (vragd.sync.feed, "FEED"),
}
"""Every list of steps there is."""


def reorder(which: str, names: Sequence[str]) -> None:
    """The list with its steps in this order."""
    module, attribute = LISTS[which]
    steps = {step.name: step for step in getattr(module, attribute)}
    assert steps.keys() == set(names)
    setattr(module, attribute, tuple(steps[name] for name in names))


def _swaps() -> dict[str, Callable[[], None]]:
    found: dict[str, Callable[[], None]] = {}
    for which, (module, attribute) in LISTS.items():
        names = [step.name for step in getattr(module, attribute)]
        for i, (first, second) in enumerate(pairwise(names)):
            swapped = [*names[:i], second, first, *names[i + 2 :]]
            found[f"{which}: {second} before {first}"] = partial(reorder, which, swapped)
    return found


SWAPS = _swaps()


def delete_before_put() -> None:
    """What a note had is deleted before what it is to have is put."""
    put = {step.name: step for step in order.WRITE}["put"]

    def delete_and_put(write: order.Write) -> None:
        dying = set()
        for change in write.changes:
            known = write.catalog.known_note(change.source_id, change.path)
            if known:
                dying |= write.catalog.embedded_chunks(known.note_id).keys()
        stay = {chunk.key for change in write.changes for chunk in getattr(change, "chunks", ()) or ()}
        write.backend.delete_vectors(write.space.collection, dying - stay)
        reach("sync.deleted")
        put.run(write)

    order.WRITE = tuple(step._replace(run=delete_and_put) if step is put else step for step in order.WRITE)


def forget_refused() -> None:
    """What was refused is taken for put: nobody looks whether it is there as it was before."""
    clear = {step.name: step for step in order.WRITE}["clear"]

    def clear_all(write: order.Write) -> None:
        refused, write.refused = write.refused, ()
        clear.run(write)
        write.catalog.clear(write.space.target, refused)

    order.WRITE = tuple(step._replace(run=clear_all) if step is clear else step for step in order.WRITE)


def no_intents() -> None:
    Catalog._intend = lambda *_: None  # type: ignore[method-assign]


def commit_in_halves() -> None:
    right = Catalog.commit

    def commit(self: Catalog, target: int, changes: Sequence[NoteChange | NoteRemoval]) -> Any:
        right(self, target, [NoteRemoval(c.source_id, c.path, c.seq - 1) for c in changes])
        return right(self, target, changes)

    Catalog.commit = commit  # type: ignore[method-assign]


def clear_before_all() -> None:
    reorder("recover", ["clear", "delete", "put"])


def forget_before_leaving() -> None:
    reorder("leave", ["forget", "leave", "clear"])


def never_withhold() -> None:
    Catalog.withhold = lambda *_: None  # type: ignore[method-assign]


def version_apart() -> None:
    def migrate(db: apsw.Connection, migrations: list[Callable[[apsw.Connection], None]], *_: object) -> None:
        while (version := vragd.system.sqlite._pragma(db, "user_version")) < len(migrations):
            with vragd.system.sqlite.transaction(db):
                migrations[version](db)
            reach("migration.applied")
            db.execute(f"pragma user_version = {version + 1}")

    vragd.system.sqlite._migrate = migrate


def switch_at_once() -> None:
    Catalog.any_outside = lambda *_, **__: False  # type: ignore[method-assign]
    forget, leave = Catalog.forget_space, Catalog.leave_space

    def move(self: Catalog, space_id: int) -> None:
        self._db.execute("update note set space_id = (select max(id) from space) where space_id = ?", (space_id,))

    def forget_space(self: Catalog, space_id: int) -> None:
        move(self, space_id)
        forget(self, space_id)

    def leave_space(self: Catalog, space_id: int, now: float) -> None:
        move(self, space_id)
        leave(self, space_id, now)

    Catalog.forget_space, Catalog.leave_space = forget_space, leave_space  # type: ignore[method-assign]
    Spaces._can_be_asked = lambda *_: True  # type: ignore[method-assign]


def plant(name: str) -> None:
    if name:
        PLANTS[name]()


PLANTS: dict[str, Callable[[], None]] = {
    **SWAPS,
    **{
        function.__name__: function
        for function in (
            delete_before_put,
            forget_refused,
            no_intents,
            commit_in_halves,
            clear_before_all,
            forget_before_leaving,
            never_withhold,
            version_apart,
            switch_at_once,
        )
    },
}
