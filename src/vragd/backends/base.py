"""
The backend contract, second edition.

A backend holds vectors by key in collections and finds the nearest. It is derived from the catalog: whatever it
loses is put again from there, without embedding anything. Adding a backend is one folder with a
`create(settings, data_dir) -> VectorBackend`, one line in `terms.backends`, one factory in `tests/conformance`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

import numpy as np
import xxhash

from vragd.errors import VectorsRefused
from vragd.terms.filter import Filter, Metadata
from vragd.terms.metric import Metric

MAX_KEY_BYTES = 1024  # S3 Vectors' limit, the smallest of any backend

# All that a payload may hold. A backend that keeps payloads declares them where it must be told beforehand.
PAYLOAD_KEYS = ("content", "path", "title", "heading", "line_from", "line_to", "source_name", "changed_at")


@dataclass(frozen=True, slots=True)
class Traits:
    """What can be relied on in a backend, whatever its settings. A test pins them for each type."""

    private: bool
    """It keeps everything below our own data directory: only then may collections nobody knows be deleted."""
    networked: bool
    """A call may wait for a network: it is attached late, and words answer while it is out of reach."""
    keeps_payload: bool
    """It answers those who have no catalog; others may put into the same collection."""
    durable: bool
    """A returned put survives a crash. If not, whoever holds the catalog compares keys at start."""
    patches: bool
    """`put_metadata` is there."""
    value_error: float | None
    """By how much of a row's largest value a number may be off that is given back; None: none is given back."""
    metrics: frozenset[Metric]
    max_dimension: int
    max_matches: int | None
    """The most matches one query can give."""
    max_among: int | None
    """The most keys a query can be narrowed to; 0 where it cannot. None: any number."""


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """
    A collection as it is. `count` is None where the service does not say.

    `space` is what it was made with, `model` a readable form of it; empty where nothing was. `identity` names this
    very collection: one that was deleted and made again has another. `place` says where and how vectors are kept:
    when it is another than before, everything is put again. `exact`: a query without a filter finds the very
    nearest. `pushes`: the kinds of conditions (`Compare`, `In`, …) that `split` may leave to it. `detail` is the
    backend's own, for `store info`.
    """

    name: str
    dimension: int
    metric: Metric
    count: int | None = None
    space: str = ""
    model: str = ""
    identity: str = ""
    place: str = ""
    exact: bool = True
    pushes: frozenset[str] = frozenset()
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What is put under a key: `values` is float32, shape (dimension,); None where only metadata is.

    `metadata` can be filtered on and is small. `payload`, of `PAYLOAD_KEYS`, is what a backend that keeps payloads
    answers with; others drop it. `version` changes with either: 16 hexadecimal digits, or empty.
    """

    key: str
    values: np.ndarray | None = None
    metadata: Metadata = field(default_factory=dict)
    payload: Metadata = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries, column by column, all of one length; `values` has shape (n, dimension), or is None for metadata only."""

    keys: Sequence[str]
    values: np.ndarray | None
    metadata: Sequence[Metadata]
    payload: Sequence[Metadata]
    versions: Sequence[str]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Batch:
        """A batch of entries. Raises VectorsRefused if they have not values of one length all, or none of them any."""
        shapes = {None if entry.values is None else entry.values.shape for entry in entries}
        if len(shapes) > 1:
            keys = tuple(entry.key for entry in entries)
            raise VectorsRefused(f"vectors of {len(shapes)} shapes in one batch", keys=keys, part="values")
        rows = [entry.values for entry in entries if entry.values is not None]
        values = np.stack(rows).astype(np.float32, copy=False) if rows else None
        return cls(
            [entry.key for entry in entries], values, [entry.metadata for entry in entries],
            [entry.payload for entry in entries], [entry.version for entry in entries],
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is held under a key: what was asked for of it, and where the backend keeps it."""

    values: np.ndarray | None = None
    metadata: Metadata = field(default_factory=dict)
    payload: Metadata = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """
    A vector near the query. `score`: higher is better, for every backend and metric.

    cosine: the similarity, in [-1, 1]. dot: the product. euclidean: 1 / (1 + distance), in (0, 1].
    """

    key: str
    score: float
    metadata: Metadata = field(default_factory=dict)
    payload: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Among:
    """
    The keys a query is narrowed to, as numbers: `ids` holds `key_id` of each, int64, ascending, each once.

    50,000 of them are no 50,000 Python strings. Should two keys have one number, whoever joins the matches with
    the catalog leaves the other out.
    """

    ids: np.ndarray

    @classmethod
    def of(cls, keys: Collection[str]) -> Among:
        return cls(key_ids(keys))

    def __len__(self) -> int:
        return len(self.ids)

    def has(self, ids: np.ndarray) -> np.ndarray:
        """For each of `ids`, int64, whether it is among them: bool."""
        if not len(self.ids):
            return np.zeros(len(ids), dtype=bool)
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        found: np.ndarray = self.ids[places] == ids
        return found


def key_id(key: str) -> int:
    """A number of 64 bits, signed, for a key."""
    return int.from_bytes(xxhash.xxh3_64_digest(key.encode("ascii")), "big", signed=True)


def key_ids(keys: Collection[str]) -> np.ndarray:
    """`key_id` of each, int64, ascending, each once."""
    return np.unique(np.fromiter((key_id(key) for key in keys), dtype=np.int64, count=len(keys)))


End = Literal["exhausted", "more", "limit"]


@dataclass(frozen=True, slots=True)
class Matches:
    """
    Matches, best first, and why there are no more of them.

    `exhausted`: nothing else passes. `more`: a larger `top_k`, or `cursor` where there is one, may find others.
    `limit`: there may be others, which this backend does not give.
    """

    items: Sequence[Match]
    end: End
    cursor: str | None = None


class VectorBackend(Protocol):
    """
    Synchronous; every method may be called from any thread, queries beside writes included.

    Any batch size is accepted: a backend splits into its own request sizes. Raises UnknownCollection for one that
    was not created (or that somebody else deleted), CollectionMismatch for one that is not what was meant,
    VectorsRefused for entries it will not take, BackendUnavailable when a retry may help, BackendFull when somebody
    must make room, BackendRefused when the user must act, Unsupported for what it never does, DiskFull.
    """

    traits: Traits

    def create_collection(
        self, name: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> CollectionInfo:  # fmt: skip
        """
        Make an empty collection, and say what is there. One that is there already is left as it is.

        `space` says what the vectors mean, up to 32 characters of a-z and 0-9, and `model` the same for people. Of
        two at the same time one is made, and both are told its identity. Raises CollectionMismatch for a collection
        of another dimension, metric or space, and for a metric or dimension that `traits` rules out.
        """

    def delete_collection(self, name: str, *, identity: str) -> None:
        """
        Forget the collection of this identity and all that is in it. One that is not there is no error.

        Raises CollectionMismatch, leaving it, if it is another one by now.
        """

    def list_collections(self) -> list[str]:
        """Names, sorted."""

    def collection_info(self, name: str) -> CollectionInfo: ...

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        """
        Upsert by key; the last of equal keys wins. Checks all before writing any.

        `visible`: a query that begins after the return sees it. Without, it may take a while.
        """

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        """
        Replace metadata, payload and version of keys that are there; the keys that were not.

        Raises Unsupported where `traits.patches` is false: the caller puts the vectors again.
        """

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        """Forget keys; a query that begins after the return does not see them. Unknown keys are ignored."""

    def get(
        self, name: str, keys: Collection[str], *, values: bool = True, metadata: bool = False
    ) -> dict[str, Stored]:  # fmt: skip
        """What is held of those keys that are there. Values are float32, off by `traits.value_error` at most."""

    def list_keys(
        self, name: str, prefix: str = "", after: str = "", *, versions: bool = False
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        """
        Every key that begins so and is above `after`, once, with its version if `versions` are asked for.

        In order where `after` is given; otherwise in none.
        """

    def bulk(self, name: str, expect: int) -> AbstractContextManager[None]:
        """About `expect` vectors are put inside, which need not be visible before its end."""

    def tend(self, name: str) -> None:
        """Make what was put cheap to search and to open again. Never needed for correctness."""

    def split(self, name: str, where: Filter | None) -> tuple[Filter | None, Filter | None]:
        """What of `where` the backend evaluates exactly, before the best are chosen, and what is left to the caller."""

    def query(
        self, name: str, vector: np.ndarray, top_k: int, *, among: Among | None = None,
        where: Filter | None = None, payload: bool = False, cursor: str | None = None, timeout_s: float | None = None,
    ) -> Matches:  # fmt: skip
        """
        At most `top_k` nearest vectors that pass `where` and whose keys are `among` those, best first.

        Without `payload` a match need not carry metadata or payload. Raises Unsupported for a condition that
        `split` does not leave to it, and for more keys than `traits.max_among`.
        """

    def close(self) -> None:
        """Free everything; calls in flight end with BackendUnavailable. Nothing may be called afterwards."""


class Remembers(Protocol):
    """What a backend has besides that answers from memory what lies in files: they may be changed by somebody else."""

    def look_at_files(self, name: str) -> None:
        """Read all that a collection keeps, as the next start will. Raises BackendRefused, UnknownCollection."""

    def mend_files(
        self, name: str, meant: CollectionInfo | None = None, is_ours: Callable[[str], bool] = bool
    ) -> None:  # fmt: skip
        """
        Go on with what can be read of a collection; whoever holds the catalog compares keys, and puts the rest.

        Its place (`CollectionInfo.place`) is another afterwards, if anything of it was lost that others may hold, too.
        Where it cannot be read what the collection is, it is taken to be what was `meant`, if keys in it say that it
        `is_ours`. Raises BackendRefused where the user must act.
        """


class FindsWords(Protocol):
    """What a backend has besides whose server finds words in the text of payloads, where they hold any."""

    def query_words(
        self, name: str, text: str, top_k: int, *, where: Filter | None = None, timeout_s: float | None = None
    ) -> Matches:  # fmt: skip
        """
        At most `top_k` vectors with payload that have any word of `text` in theirs or in their names, as the server
        ranks them.

        `score` is the server's own, above 0. Raises Unsupported where the collection holds no text that the server
        looks into, and as `query` does.
        """


# Whether a backend has more is asked of its methods: it may be reached through another object, and of such a one
# `isinstance` says another thing from Python 3.12 on.


def remembering(backend: VectorBackend) -> Remembers | None:
    """The backend, if it `Remembers`."""
    return cast(Remembers, backend) if hasattr(backend, "look_at_files") else None


def finding_words(backend: VectorBackend) -> FindsWords | None:
    """The backend, if it `FindsWords`."""
    return cast(FindsWords, backend) if hasattr(backend, "query_words") else None
