"""
A directory that Chroma keeps: `chroma.sqlite3` with texts, metadata and the vectors put last, and a folder for each
collection with those put before (`hnsw`). Its own client writes when it opens one: nothing of it is used here.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import apsw
import numpy as np

from vragd.backends.base import Entry
from vragd.errors import UsageError
from vragd.store.exported import Record, Records, Shape
from vragd.stores.moves.hnsw import Elements
from vragd.stores.moves.lines import key_of, plain_metadata, text_of, versioned
from vragd.stores.moves.llamaindex import PATHS

FILE = "chroma.sqlite3"
DOCUMENT = "chroma:document"
METRICS = {"l2": "euclidean", "ip": "dot", "cosine": "cosine"}
AT_ONCE = 500
DELETED = 3  # what its queue calls the operation


def is_chroma(path: Path) -> bool:
    """Whether it is such a directory, or its file."""
    file = path / FILE if path.is_dir() else path
    if file.suffix != ".sqlite3" or not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(16) == b"SQLite format 3\0"


class Chroma:
    """One collection. Raises UsageError for what is none, or where none of several is chosen."""

    with_text = True

    def __init__(self, path: Path, collection: str | None = None) -> None:
        folder = path if path.is_dir() else path.parent
        if not is_chroma(path):
            hint = "name the folder that a persistent client writes"
            raise UsageError(f"{path} is no directory of Chroma: it has no {FILE}", hint=hint)
        self.left_out = Counter[str]()
        with ExitStack() as stack:
            self._db = _opened(folder / FILE, stack)
            with _reading():
                self._name, self._id, said = self._chosen(collection)
                self._texts, vectors = self._segment("METADATA"), self._segment("VECTOR")
                self.count: int | None = self._counted(self._texts)
                # a dimension that is no number of a reasonable size is that of a damaged file
                self.dimension = said if isinstance(said, int) and 0 < said <= 1 << 20 else 0
                self.shape = Shape(self.dimension, METRICS[self._space()])
                self._queued = self._queue(vectors)
            self._elements = Elements(folder / Path(vectors).name, self.dimension) if vectors else None
            if self._elements is not None:
                stack.callback(self._elements.close)
            self.title = f"collection {self._name} of {folder.name}"
            self._open = stack.pop_all()

    def _chosen(self, wanted: str | None) -> tuple[str, str, Any]:
        rows = list(self._db.execute("select name, id, dimension from collections order by name"))
        if wanted is None:
            rows = [row for row in rows if row[2] is not None] or rows  # those that ever held a vector
        else:
            rows = [row for row in rows if row[0] == wanted]
        if len(rows) != 1:
            names = ", ".join(str(name) for (name,) in self._db.execute("select name from collections order by name"))
            what = "holds several collections" if len(rows) > 1 else f"has no collection {wanted or ''}".rstrip()
            raise UsageError(f"it {what}: {names or 'none at all'}", hint="--collection NAME")
        ((name, number, dimension),) = rows
        return str(name), str(number), dimension

    def _segment(self, scope: str) -> str:
        rows = self._db.execute("select id from segments where collection = ? and scope = ?", (self._id, scope))
        return next((str(number) for (number,) in rows), "")

    def _counted(self, segment: str) -> int:
        ((count,),) = self._db.execute("select count(*) from embeddings where segment_id = ?", (segment,))
        return int(str(count))

    def _space(self) -> str:
        """How near is told: its newer versions say it in a schema, older ones in a configuration or in metadata."""
        columns = {str(row[1]) for row in self._db.execute("pragma table_info(collections)")}
        for column in ("schema_str", "config_json_str"):
            if column in columns:
                ((text,),) = self._db.execute(f"select {column} from collections where id = ?", (self._id,))  # noqa: S608
                if space := _space_in(text):
                    return space
        rows = self._db.execute(
            "select str_value from collection_metadata where collection_id = ? and key = 'hnsw:space'", (self._id,)
        )
        return next((str(value) for (value,) in rows if value in METRICS), "l2")

    def _queue(self, segment: str) -> dict[str, int]:
        """By id where in the queue its newest vector stands; 0 where it was deleted since the folder was written."""
        done = self._db.execute("select seq_id from max_seq_id where segment_id = ?", (segment,))
        after = next((_number(number) for (number,) in done), 0)
        newest = dict[str, int]()
        rows = self._db.execute(
            "select seq_id, operation, id, vector is null from embeddings_queue where topic like ? and seq_id > ?"
            " order by seq_id",
            (f"%/{self._id}", after),
        )
        for number, operation, name, is_bare in rows:
            if operation == DELETED:
                newest[str(name)] = 0
            elif not is_bare:
                newest[str(name)] = int(str(number))
        return newest

    def records(self) -> Records:
        self.left_out = Counter()
        last = 0
        while True:
            with _reading():
                found = list(
                    self._db.execute(
                        "select id, embedding_id from embeddings where segment_id = ? and id > ? order by id limit ?",
                        (self._texts, last, AT_ONCE),
                    )
                )
                told = self._told(last, int(str(found[-1][0]))) if found else {}
                rows = [(str(name), self._row(str(name)), told.get(int(str(at)), {})) for at, name in found]
            if not found:
                return
            last = int(str(found[-1][0]))
            for name, row, metadata in rows:
                yield self._record(name, row, metadata)

    def _told(self, after: int, to: int) -> dict[int, dict[str, Any]]:
        told: dict[int, dict[str, Any]] = {}
        rows = self._db.execute(
            "select m.id, m.key, m.string_value, m.int_value, m.float_value, m.bool_value from embedding_metadata m"
            " join embeddings e on e.id = m.id where e.segment_id = ? and m.id > ? and m.id <= ?",
            (self._texts, after, to),
        )
        for at, key, *values, flag in rows:
            value = next((one for one in values if one is not None), None if flag is None else bool(flag))
            told.setdefault(int(str(at)), {})[str(key)] = value
        return told

    def _row(self, name: str) -> np.ndarray | None:
        if name not in self._queued:
            return None if self._elements is None else self._elements.row(name)
        for vector, encoding in self._db.execute(
            "select vector, encoding from embeddings_queue where seq_id = ?", (self._queued[name],)
        ):  # fmt: skip
            if isinstance(vector, bytes) and encoding == "FLOAT32" and len(vector) % 4 == 0:
                return np.frombuffer(vector, dtype="<f4").astype(np.float32)
        return None

    def _record(self, name: str, row: np.ndarray | None, metadata: dict[str, Any]) -> Record:
        text = text_of(metadata.pop(DOCUMENT, ""))
        path = next((text_of(metadata[key]) for key in PATHS if metadata.get(key)), "")
        payload: dict[str, str | int | tuple[str, ...]] = {
            "content": text, "path": path, "title": text_of(metadata.get("title")) or Path(path).stem,
            "source_name": self._name, "heading": (), "line_from": 0, "line_to": 0,
        }  # fmt: skip
        plain = plain_metadata(metadata)
        entry = Entry(key_of("chroma", name), row, {**plain, "id": text_of(name)}, payload)
        return Record(versioned(entry), plain)

    def close(self) -> None:
        self._open.close()


def _number(given: object) -> int:
    """A number of its queue, which older versions keep as bytes."""
    return int.from_bytes(given, "big") if isinstance(given, bytes) else int(str(given))


def _space_in(text: object) -> str:
    try:
        said = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return ""
    for path in (
        ("keys", "#embedding", "float_list", "vector_index", "config", "space"),
        ("hnsw", "space"), ("hnsw_configuration", "space"),
    ):  # fmt: skip
        found = said
        for step in path:
            found = found.get(step) if isinstance(found, dict) else None
        if isinstance(found, str) and found in METRICS:
            return found
    return ""


def _opened(file: Path, stack: ExitStack) -> apsw.Connection:
    """The database, which is only read; where a write to it was not finished, a copy of it, where SQLite ends that."""
    beside = [file.with_name(f"{file.name}{ending}") for ending in ("-wal", "-journal")]
    url = f"file:{quote(str(file))}?mode=ro&immutable=1"
    if unfinished := [one for one in beside if one.is_file() and one.stat().st_size]:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="vragd-")))
        for one in (file, *unfinished):
            shutil.copyfile(one, folder / one.name)
        url = f"file:{quote(str(folder / file.name))}?mode=rw"
    with _reading():
        db = apsw.Connection(url, flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI)
        stack.callback(db.close)
    return db


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (apsw.Error, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"{FILE} is damaged, of a version that is not read, or written meanwhile: {error}",
            hint="end the program that uses it, and try again",
        ) from None
