"""Collections in one SQLite file. A put is on the disk when it returns; a question scans."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from vragd.backends import plain
from vragd.backends.base import Among, Batch, CollectionInfo, Match, Matches, Stored, Traits, key_id
from vragd.backends.checks import check_identity, check_keys, check_shape, check_traits, checked_query, checked_rows
from vragd.backends.scan import Nearest
from vragd.backends.scores import prepared
from vragd.backends.sqlite.file import VectorFile
from vragd.backends.sqlite.settings import SqliteBackend as Settings
from vragd.errors import UnknownCollection
from vragd.system.failpoints import reach
from vragd.terms.filter import KINDS, Filter, holds
from vragd.terms.metric import METRICS, Metric

TRAITS = Traits(
    private=False, networked=False, keeps_payload=True, durable=True, patches=True, value_error=1e-6,
    metrics=METRICS, max_dimension=65_536, max_matches=None, max_among=None,
)  # fmt: skip

BESIDE = 1_500  # bytes of an entry beside its vector, about
KEYS, PAGE, BLOCK = 500, 5_000, 2_048  # in one statement; listed at once; rows scored at once


def create(settings: Settings, data_dir: Path) -> SqliteVectors:
    """A backend over the file of the settings, which is made with the first collection."""
    return SqliteVectors(settings)


class SqliteVectors:
    """One process writes, and says so to others; any number reads."""

    traits = TRAITS

    def __init__(self, settings: Settings) -> None:
        self._settings, self._file = settings, VectorFile(Path(settings.path))

    # -- collections -------------------------------------------------------------------------------

    def create_collection(
        self, name: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> CollectionInfo:  # fmt: skip
        check_traits(self.traits, dimension, metric, "sqlite")
        asked = CollectionInfo(name, dimension, metric, None, space, model)
        try:
            have = self.collection_info(name)
        except UnknownCollection:
            with self._file.writing(make=True) as db:
                db.execute(
                    "insert into collections (name, identity, dimension, metric, space, model, created_at)"
                    " values (?, ?, ?, ?, ?, ?, ?) on conflict (name) do nothing",
                    (name, secrets.token_hex(8), dimension, metric, space, model, time.time()),
                )
            reach("sqlite.collection_made")
            have = self.collection_info(name)
        check_shape(asked, have)
        return have

    def delete_collection(self, name: str, *, identity: str) -> None:
        try:
            with self._file.writing() as db:
                number, have, _ = _found(db, name)
                check_identity(name, have.identity, identity)
                _delete(db, "collection = ?", (number,))
                db.execute("delete from collections where number = ?", (number,))
        except UnknownCollection:
            return
        reach("sqlite.collection_deleted")

    def list_collections(self) -> list[str]:
        try:
            with self._file.reading() as db:
                return [str(name) for (name,) in db.execute("select name from collections order by name")]
        except UnknownCollection:  # there is no file
            return []

    def collection_info(self, name: str) -> CollectionInfo:
        with self._file.reading() as db:
            number, info, created = _found(db, name)
            ((count,),) = db.execute("select count(*) from entries where collection = ?", (number,))
        return CollectionInfo(
            name, info.dimension, info.metric, int(str(count)), info.space, info.model, info.identity,
            f"sqlite {self._settings.path} text={self._settings.remote_text}", True, KINDS,
            {"index": "exact", "file": self._settings.path,
             "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created))},
        )  # fmt: skip

    # -- vectors -----------------------------------------------------------------------------------

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        shape = self._shape(name)
        rows = prepared(checked_rows(batch, shape.dimension), shape.metric).astype("<f4", copy=False)
        with self._file.writing() as db:
            number, info, _ = _found(db, name)
            check_shape(shape, info)
            for key, i in {key: i for i, key in enumerate(batch.keys)}.items():
                entry = (key, key_id(key), batch.versions[i], plain.written(batch.metadata[i]), self._payload(batch, i))
                ((at,),) = db.execute(
                    "insert into entries (collection, key, id, version, properties, payload, created_at, updated_at)"
                    " values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) on conflict (collection, key) do update set"
                    " version = ?4, properties = ?5, payload = ?6, updated_at = ?7 returning number",
                    (number, *entry, time.time()),
                )
                db.execute(
                    "insert into vectors values (?1, ?2) on conflict (number) do update set vector = ?2",
                    (at, rows[i].tobytes()),
                )
        reach("sqlite.put")

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        check_keys(batch)
        with self._file.writing() as db:
            number, _, _ = _found(db, name)
            there = set()
            for i, key in enumerate(batch.keys):
                facts = (batch.versions[i], plain.written(batch.metadata[i]), self._payload(batch, i), time.time())
                db.execute(
                    "update entries set version = ?, properties = ?, payload = ?, updated_at = ?"
                    " where collection = ? and key = ?",
                    (*facts, number, key),
                )
                if db.changes():
                    there.add(key)
        return frozenset(batch.keys) - there

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        with self._file.writing() as db:
            number, _, _ = _found(db, name)
            for some in _some(keys):
                _delete(db, f"collection = ? and key in ({_marks(some)})", (number, *some))
        reach("sqlite.deleted")

    def get(
        self, name: str, keys: Collection[str], *, values: bool = True, metadata: bool = False
    ) -> dict[str, Stored]:  # fmt: skip
        found: dict[str, Stored] = {}
        columns = "e.key, e.version, e.properties, e.payload, " + ("v.vector" if values else "null")
        join = "join vectors v on v.number = e.number" if values else ""
        with self._file.reading() as db:
            number, info, _ = _found(db, name)
            for some in _some(keys):
                ask = f"select {columns} from entries e {join} where e.collection = ? and e.key in ({_marks(some)})"
                for key, version, properties, payload, vector in db.execute(ask, (number, *some)):
                    row = None if vector is None else _row(vector, info.dimension)
                    read = [plain.or_nothing(plain.read, text) if metadata else {} for text in (properties, payload)]
                    found[key] = Stored(row, read[0], read[1], version)
        return found

    def list_keys(
        self, name: str, prefix: str = "", after: str = "", *, versions: bool = False
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        beyond = prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else "\x80"  # above all that begin so: keys are ASCII
        while True:
            with self._file.reading() as db:
                number, _, _ = _found(db, name)
                rows = list(
                    db.execute(
                        "select key, version from entries where collection = ? and key > ? and key >= ? and key < ?"
                        f" order by key limit {PAGE}",
                        (number, after, prefix, beyond),
                    )
                )
            if not rows:
                return
            yield from ((str(key), str(version)) for key, version in rows)
            after = str(rows[-1][0])

    def bulk(self, name: str, expect: int) -> AbstractContextManager[None]:
        if expect > 0:
            self._file.suit(expect * (4 * self._shape(name).dimension + BESIDE))
        return nullcontext()

    def tend(self, name: str) -> None:
        self._shape(name)
        self._file.checkpoint()

    # -- questions ---------------------------------------------------------------------------------

    def split(self, name: str, where: Filter | None) -> tuple[Filter | None, Filter | None]:
        return where, None

    def query(
        self, name: str, vector: np.ndarray, top_k: int, *, among: Among | None = None, where: Filter | None = None,
        payload: bool = False, cursor: str | None = None, timeout_s: float | None = None,
    ) -> Matches:  # fmt: skip
        with self._file.reading() as db, plain.damage_told(self._settings.path):
            number, info, _ = _found(db, name)
            nearest = Nearest(prepared(checked_query(vector, info.dimension), info.metric), info.metric, top_k)
            for places, rows in _rows(db, number, info.dimension, _allowed(db, number, among, where)):
                nearest.add(places, rows)
            if top_k <= 0 or not nearest.n_seen:
                return Matches((), "more" if nearest.n_seen else "exhausted")
            scores = dict(nearest.best())
            told = _told(db, list(scores))
            best = sorted(((-score, *told[place]) for place, score in scores.items()), key=lambda found: found[:2])[
                :top_k
            ]
            items = [
                Match(key, -cost, *((plain.read(properties), plain.read(kept)) if payload else ({}, {})))
                for cost, key, properties, kept in best
            ]
            return Matches(items, "exhausted" if len(items) == nearest.n_seen else "more")

    def look_at_files(self, name: str) -> None:
        self._file.check()
        self._shape(name)

    def mend_files(
        self, name: str, meant: CollectionInfo | None = None, is_ours: Callable[[str], bool] = bool
    ) -> None:  # fmt: skip
        """Go on with the entries that can be read, of every collection of the file: it is one for all."""
        self._file.mend(name)

    def close(self) -> None:
        self._file.close()

    def _shape(self, name: str) -> CollectionInfo:
        with self._file.reading() as db:
            return _found(db, name)[1]

    def _payload(self, batch: Batch, i: int) -> str:
        return plain.written(plain.payload(batch.payload[i], with_text=self._settings.remote_text))


def _found(db: apsw.Connection, name: str) -> tuple[int, CollectionInfo, float]:
    """Number, shape and time of making of a collection."""
    ask = "select number, dimension, metric, space, model, identity, created_at from collections where name = ?"
    rows: list[Any] = list(db.execute(ask, (name,)))
    if not rows:
        raise UnknownCollection(f"{db.filename} has no store {name!r}")
    ((number, dimension, metric, space, model, identity, created),) = rows
    return number, CollectionInfo(name, dimension, metric, None, space, model, identity), created


def _row(vector: bytes, dimension: int) -> np.ndarray:
    """A row as it is kept; of zeros where that is none."""
    if not isinstance(vector, bytes) or len(vector) != 4 * dimension:
        return np.zeros(dimension, dtype=np.float32)
    return np.frombuffer(vector, dtype="<f4").astype(np.float32)


def _delete(db: apsw.Connection, which: str, bound: Sequence[int | str]) -> None:
    db.execute(f"delete from vectors where number in (select number from entries where {which})", tuple(bound))
    db.execute(f"delete from entries where {which}", tuple(bound))


def _allowed(db: apsw.Connection, number: int, among: Among | None, where: Filter | None) -> np.ndarray | None:
    """The entries that pass, int64, ascending; None for all."""
    if among is None and where is None:
        return None
    passes = _passes(where)
    found = [
        (at, identifier)
        for at, identifier, properties in db.execute(
            f"select number, id, {'properties' if where is not None else 'null'} from entries where collection = ?",
            (number,),
        )
        if passes(properties)
    ]
    pairs = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0] if among is None else pairs[:, 0][among.has(np.ascontiguousarray(pairs[:, 1]))]


def _passes(where: Filter | None) -> Any:
    """Whether an entry of these properties passes. The chunks of a note have the same ones, as text too."""
    if where is None:
        return lambda properties: True
    return lru_cache(100_000)(lambda properties: holds(where, plain.read(properties)))


def _rows(
    db: apsw.Connection, number: int, dimension: int, allowed: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:  # fmt: skip
    """Numbers of entries and their rows, in blocks."""
    if allowed is None:
        ask = "select v.number, v.vector from entries e cross join vectors v on v.number = e.number"
        scan = db.execute(f"{ask} where e.collection = ? order by e.number", (number,))
        while found := list(islice(scan, BLOCK)):
            yield _block(found, dimension)
        return
    for start in range(0, len(allowed), KEYS):
        some = allowed[start : start + KEYS].tolist()
        yield _block(list(db.execute(f"select * from vectors where number in ({_marks(some)})", some)), dimension)


def _block(found: Sequence[Any], dimension: int) -> tuple[np.ndarray, np.ndarray]:
    places = np.fromiter((place for place, _ in found), dtype=np.int64, count=len(found))
    rows = np.frombuffer(b"".join(vector for _, vector in found), dtype="<f4").reshape(len(found), dimension)
    return places, rows.astype(np.float32, copy=False)


def _told(db: apsw.Connection, places: Sequence[int]) -> dict[int, tuple[str, str, str]]:
    """Key, properties and payload of entries."""
    found: dict[int, tuple[str, str, str]] = {}
    for start in range(0, len(places), KEYS):
        some = places[start : start + KEYS]
        ask = f"select number, key, properties, payload from entries where number in ({_marks(some)})"
        for place, key, properties, payload in db.execute(ask, tuple(some)):
            found[place] = (key, properties, payload)
    return found


def _marks(some: Sequence[Any]) -> str:
    return ",".join("?" * len(some))


def _some(keys: Collection[str]) -> Iterator[list[str]]:
    """Those that can be keys at all, each once."""
    unique = sorted({key for key in keys if key.isascii()})
    for start in range(0, len(unique), KEYS):
        yield unique[start : start + KEYS]
