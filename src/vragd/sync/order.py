"""
The order of writes. The only place that puts or deletes vectors of a primary, and that has notes changed or removed;
replicas are fed by `feed`.

It is the same for every backend, a list of steps (`WRITE`):

    intent → put → commit (swap the notes' chunks) → delete → clear

so that a reader at any instant, crashes included, joins its matches to the whole old note or the whole new one. What
brings a backend in line otherwise has its steps here too: recovery after a crash, filling, the sweep. A crash between
any two of a list leaves what the next run of it mends. Runs on the store's writer lane, and for a replica on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from vragd.backends.base import Batch, Entry, VectorBackend
from vragd.catalog.embeddings import Embeddings
from vragd.catalog.model import Committed, LiveRow, NoteChange, NoteRemoval, SpaceRow
from vragd.catalog.writer import Catalog
from vragd.errors import VectorsRefused
from vragd.sync.prepared import RETRY_FIRST_S
from vragd.sync.proof.proof import Proof
from vragd.sync.vectors import source_of, to_entry
from vragd.system.failpoints import reach

BATCH = 1_000  # vectors read from the catalog at once

Context = TypeVar("Context")


class Step(NamedTuple, Generic[Context]):
    """One thing that leaves something durable."""

    name: str
    run: Callable[[Context], None]


def run(steps: Iterable[Step[Context]], context: Context) -> None:
    """Each step in turn."""
    for step in steps:
        step.run(context)


# -- changed notes ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Write:
    """
    What a round writes into one space, and what became of it.

    `puts` are the chunks the backend does not hold yet as they are now, but for those that it refused when they were
    put before. `proofs` by source id: a removal is committed only if its source's proof says that the note is gone;
    what it does not say so of is `unproven` afterwards.
    """

    catalog: Catalog
    backend: VectorBackend
    space: SpaceRow
    puts: Sequence[Entry]
    changes: Sequence[NoteChange | NoteRemoval]
    proofs: Mapping[int, Proof]
    refused: Collection[str] = ()
    committed: list[NoteChange | NoteRemoval] = field(default_factory=list)
    unproven: list[NoteRemoval] = field(default_factory=list)
    done: Committed | None = None
    n_put: int = 0
    n_deleted: int = 0

    @property
    def dead(self) -> tuple[str, ...]:
        return self.done.dead if self.done else ()


def _intend(write: Write) -> None:
    if write.puts:
        write.catalog.intend(write.space.target, [vector.key for vector in write.puts])
        reach("sync.intended")


def _put(write: Write) -> None:
    if write.puts:
        write.backend.put_vectors(write.space.collection, Batch.of(write.puts))
        write.n_put = len(write.puts)
        reach("sync.put")


def _commit(write: Write) -> None:
    """A source's proof is asked as late as this, once for all of its notes."""
    missing: dict[int, list[str]] = {}
    for change in write.changes:
        if isinstance(change, NoteRemoval):
            missing.setdefault(change.source_id, []).append(change.path)
    gone = {source_id: write.proofs[source_id].gone(paths) for source_id, paths in missing.items()}
    for change in write.changes:
        if isinstance(change, NoteRemoval) and change.path not in gone[change.source_id]:
            write.unproven.append(change)
        else:
            write.committed.append(change)
    if write.committed or write.puts:
        write.done = write.catalog.commit(write.space.target, write.committed)
        reach("sync.committed")


def _delete(write: Write) -> None:
    if write.dead and write.space.has_vectors:  # what the space before had is deleted as a whole
        write.backend.delete_vectors(write.space.collection, write.dead)
        write.n_deleted = len(write.dead)
        reach("sync.deleted")


def _clear(write: Write) -> None:
    if write.done is not None and (write.done.n_stale or write.refused):
        # a key put for what was dropped may be in nobody's note, and one that was refused be there as it was before
        recover(write.catalog, write.backend, write.space)
    elif write.puts or write.dead:
        write.catalog.clear(write.space.target, [*write.dead, *(vector.key for vector in write.puts)])
        reach("sync.cleared")


WRITE: tuple[Step[Write], ...] = (
    Step("intent", _intend),
    Step("put", _put),
    Step("commit", _commit),
    Step("delete", _delete),
    Step("clear", _clear),
)


def purge(catalog: Catalog, space: SpaceRow | None, source_id: int, paths: Iterable[str]) -> None:
    """Remove the notes of a source that is configured no longer: no proof is needed. Recovery deletes their vectors."""
    removals = [NoteRemoval(source_id, path, catalog.next_seq()) for path in paths]
    catalog.commit(space.target if space else 0, removals)


# -- what a crash interrupted ----------------------------------------------------------------------


@dataclass(slots=True)
class Recovery:
    """Keys that were intended, and which of them are live."""

    catalog: Catalog
    backend: VectorBackend
    space: SpaceRow
    intents: Sequence[str]
    live: Collection[str]
    n_deleted: int = 0


def _delete_dead(recovery: Recovery) -> None:
    if dead := [key for key in recovery.intents if key not in recovery.live]:
        recovery.backend.delete_vectors(recovery.space.collection, dead)
        recovery.n_deleted = len(dead)
        reach("recover.deleted")


def _put_again(recovery: Recovery) -> None:
    """In a backend that keeps payloads a live key may carry title and lines of a change that was never committed."""
    again = [key for key in recovery.intents if key in recovery.live]
    if recovery.backend.traits.keeps_payload and again:
        put_live(recovery.catalog, recovery.backend, recovery.space, again)
        reach("recover.put")


def _clear_intents(recovery: Recovery) -> None:
    recovery.catalog.clear(recovery.space.target, recovery.intents)
    reach("recover.cleared")


RECOVER: tuple[Step[Recovery], ...] = (
    Step("delete", _delete_dead),
    Step("put", _put_again),
    Step("clear", _clear_intents),
)


def recover(catalog: Catalog, backend: VectorBackend, space: SpaceRow) -> int:
    """
    Finish what a crash interrupted: keys that were intended and are not live leave the backend. How many.

    May itself be interrupted and repeated. A key that is live was put before it was committed, so it is in every
    backend that is durable; for the others `refill` follows.
    """
    intents = catalog.intents(space.target)
    if not intents:
        return 0
    live = catalog.live_keys(space.id) | catalog.inherited_keys()
    recovery = Recovery(catalog, backend, space, intents, live)
    run(RECOVER, recovery)
    return recovery.n_deleted


# -- a backend in line with the catalog ------------------------------------------------------------


def put_live(catalog: Catalog, backend: VectorBackend, space: SpaceRow, keys: Sequence[str]) -> int:
    """
    Put those of `keys` that are live and have an embedding, as the catalog has them; how many.

    What the backend refuses is set aside, and keeps nothing else out.
    """
    entries = entries_of(catalog, space, catalog.rows_for(keys))
    try:
        backend.put_vectors(space.collection, Batch.of(entries))
    except VectorsRefused as error:
        if not (refused := frozenset(error.keys).intersection(keys)):
            raise
        catalog.set_aside(space, refused, error.message, RETRY_FIRST_S)
        reach("refused.set_aside")
        recover(catalog, backend, space)
        return put_live(catalog, backend, space, [key for key in keys if key not in refused])
    return len(entries)


def entries_of(catalog: Embeddings, space: SpaceRow, rows: Iterable[LiveRow]) -> list[Entry]:
    """What is put of chunks, those left out that have no embedding in the space."""
    some = list(rows)
    values = catalog.embeddings(space.id, {row.chunk.text_hash for row in some})
    return [
        to_entry(row.uid, row.label, row.path, row.title, row.chunk, values[row.chunk.text_hash], row.changed_at)
        for row in some
        if row.chunk.text_hash in values
    ]


def own_keys(catalog: Catalog, backend: VectorBackend, collection: str) -> tuple[set[str], bool]:
    """The keys a collection holds for this store, whether it holds others. A key is ours if its source is, or was."""
    keys = {key for key, _ in backend.list_keys(collection)}
    if backend.traits.private:
        return keys, False
    uids = catalog.own_uids()
    own = {key for key in keys if source_of(key) in uids}
    return own, len(own) < len(keys)


def refill(catalog: Catalog, backend: VectorBackend, space: SpaceRow, keys: Collection[str]) -> tuple[int, int]:
    """
    Make the backend hold exactly these keys of a space. (put, deleted).

    What a cache on disk did not have, or a backend lost, comes back.
    """
    held, _ = own_keys(catalog, backend, space.collection)
    extra, missing = held.difference(keys) - catalog.inherited_keys(), sorted(set(keys) - held)
    if extra:
        backend.delete_vectors(space.collection, extra)
        reach("refill.deleted")
    n_put = 0
    for some in _batches(missing):
        n_put += put_live(catalog, backend, space, some)
        reach("refill.put")
    return n_put, len(extra)


def _batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]


def withdraw(catalog: Catalog, backend: VectorBackend, collection: str) -> None:
    """Take what is ours out of a collection that others feed too."""
    own, _ = own_keys(catalog, backend, collection)
    backend.delete_vectors(collection, own)


@dataclass(slots=True)
class Fill:
    """The next keys, in order, that a target lacks; none when it has all."""

    catalog: Catalog
    backend: VectorBackend
    space: SpaceRow
    keys: Sequence[str]


def _put_slice(fill: Fill) -> None:
    if fill.keys:
        put_live(fill.catalog, fill.backend, fill.space, fill.keys)
        reach("filling.put")


def _remember_filled(fill: Fill) -> None:
    fill.catalog.remember_filled(fill.space.target, fill.keys[-1] if fill.keys else None)
    if fill.keys:
        reach("filling.remembered")
    else:
        reach("filling.finished")


FILL: tuple[Step[Fill], ...] = (Step("put", _put_slice), Step("remember", _remember_filled))


def fill_on(catalog: Catalog, backend: VectorBackend, space: SpaceRow, limit: int) -> int:
    """Put the next `limit` live keys into a target that is being filled; how many there were, 0 for the end."""
    target = catalog.target(space.collection)
    done = target.filled_to or "" if target else ""
    fill = Fill(catalog, backend, space, catalog.live_keys_after(space.id, done, limit))
    run(FILL, fill)
    return len(fill.keys)


@dataclass(slots=True)
class Sweep:
    """What a collection holds of ours beyond the live keys."""

    catalog: Catalog
    backend: VectorBackend
    space: SpaceRow
    extra: Collection[str]


def _delete_extra(sweep: Sweep) -> None:
    if sweep.extra:
        sweep.backend.delete_vectors(sweep.space.collection, sweep.extra)
        reach("sweep.deleted")


def _remember_swept(sweep: Sweep) -> None:
    sweep.catalog.remember_swept(sweep.space.target)
    reach("sweep.remembered")


SWEEP: tuple[Step[Sweep], ...] = (Step("delete", _delete_extra), Step("remember", _remember_swept))


def sweep(catalog: Catalog, backend: VectorBackend, space: SpaceRow) -> int:
    """
    Forget what the collection holds of ours beyond the live keys; how many.

    To be called when every source was scanned and all is indexed: a catalog that was begun anew does not know its
    notes before.
    """
    own, _ = own_keys(catalog, backend, space.collection)
    found = Sweep(catalog, backend, space, own - catalog.live_keys(space.id) - catalog.inherited_keys())
    run(SWEEP, found)
    return len(found.extra)
