"""
What a replica is told: the order of writes for a target that follows the catalog at its own pace, on its own lane.

It is asked itself what it holds of the keys that changed, so changes that cancel cost neither a put nor a deletion.
`put → delete → remember`: a kill anywhere leaves what the next feed finds done. Of `sync/order` this is the part that
the writer lane does not wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from vragd.backends.base import Batch, Entry, VectorBackend
from vragd.catalog.model import SpaceRow
from vragd.catalog.reader import Reader
from vragd.catalog.replicas import LATEST, Due, following
from vragd.errors import UnknownCollection, VectorsRefused
from vragd.sync.order import Step, entries_of, run
from vragd.sync.vectors import source_of
from vragd.system.failpoints import reach


@dataclass(slots=True)
class Feed:
    """
    What some keys of a replica need to be as the catalog has them; `held` are those that it has.

    `refused` are the keys of vectors that the replica does not take. `remember` puts down how far it is: last, so that
    a kill before it leaves puts and deletions that are found done.
    """

    backend: VectorBackend
    collection: str
    puts: Sequence[Entry]
    gone: Sequence[str]
    held: Collection[str]
    remember: Callable[[], None]
    refused: set[str] = field(default_factory=set)


def _put_fed(feed: Feed) -> None:
    puts = list(feed.puts)
    while puts:
        try:
            feed.backend.put_vectors(feed.collection, Batch.of(puts))
        except VectorsRefused as error:
            if not (refused := {entry.key for entry in puts}.intersection(error.keys)):
                raise
            feed.refused |= refused
            puts = [entry for entry in puts if entry.key not in refused]
        else:
            break
    if feed.puts:
        reach("feed.put")


def _delete_fed(feed: Feed) -> None:
    gone = [*feed.gone, *feed.refused.intersection(feed.held)]  # as it was before, which is as if it were not told
    if gone:
        feed.backend.delete_vectors(feed.collection, gone)
        reach("feed.deleted")


def _remember_fed(feed: Feed) -> None:
    feed.remember()
    reach("feed.remembered")


FEED: tuple[Step[Feed], ...] = (Step("put", _put_fed), Step("delete", _delete_fed), Step("remember", _remember_fed))


def feed(
    reader: Reader, backend: VectorBackend, space: SpaceRow, keys: Sequence[str], remember: Callable[[], None],
    anyway: Collection[str] = (),
) -> Feed:  # fmt: skip
    """
    Make these keys of a replica, whose collection is that of `space`, what they are in the catalog; what that took.

    The replica says itself what it holds of them: changes that cancel cost nothing. Those of `anyway` are put
    whatever it says.
    """
    held = backend.get(space.collection, keys, values=False, metadata=True) if keys else {}
    with following(reader) as catalog:
        live = catalog.versions(space.id, keys)
        lacks = [
            k for k, version in live.items()
            if k not in held or k in anyway or differs(backend, held[k].version, version)
        ]  # fmt: skip
        puts = entries_of(catalog, space, catalog.rows_for(lacks))
    done = Feed(backend, space.collection, puts, [key for key in held if key not in live], held, remember)
    run(FEED, done)
    return done


def differs(backend: VectorBackend, held: str, version: str) -> bool:
    """Whether what a backend says a vector is a version of is another. One that keeps no payload is not told of all."""
    return backend.traits.keeps_payload and held != version and "" not in (held, version)


def compare(reader: Reader, backend: VectorBackend, space: SpaceRow, *, sweep: bool) -> Due:
    """
    The keys in which a replica's whole collection differs from the catalog.

    Without `sweep` without those of ours that the catalog does not have.
    """
    with following(reader) as catalog:
        seen, live, uids = catalog.due_after(Due(LATEST)).seen, catalog.versions(space.id), catalog.own_uids()
    held = {
        key: version
        for key, version in backend.list_keys(space.collection, versions=backend.traits.keeps_payload)
        if key in live or backend.traits.private or source_of(key) in uids
    }
    found = {key for key, version in live.items() if key not in held or differs(backend, held[key], version)}
    extra = frozenset(held.keys() - live.keys() if sweep else ())
    return Due(seen, extra.union(found), extra)


def leave(backend: VectorBackend, collection: str, identity: str, uids: Collection[str]) -> None:
    """Take what is of these sources out of a collection; it goes too, unless somebody else has something in it."""
    with suppress(UnknownCollection):
        keys = {key for key, _ in backend.list_keys(collection)}
        own = keys if backend.traits.private else {key for key in keys if source_of(key) in uids}
        if own == keys:
            backend.delete_collection(collection, identity=identity)
        else:
            backend.delete_vectors(collection, own)
