"""
Vectors of titles, by the hash of the title: one is embedded once, whatever a note does. And what their cosines with
chunks are like in a space. For the writer lane.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import apsw
import numpy as np

from vragd.catalog.model import SpaceRow
from vragd.system import packed

LEAST_TITLES, MOST_TITLES, MOST_CHUNKS = 8, 200, 1_000
FEW_TITLES = 50
"""Of fewer, a title's own passages are so large a share that they would be what is measured."""
NORMAL = 1.4826
"""Of what is spread normally, the deviation in medians of distances from the median."""


def missing(db: apsw.Connection, space_id: int, limit: int) -> list[tuple[bytes, str]]:
    """(hash, title) of titles that have no vector in the space."""
    rows = db.execute(
        "select distinct w.title_hash, n.title from note_words w join note n on n.id = w.note_id"
        " where n.title != '' and not exists (select 1 from title_embedding e"
        " where e.space_id = ? and e.text_hash = w.title_hash) limit ?",
        (space_id, limit),
    )
    return [(text_hash, title) for text_hash, title in rows]


def save(db: apsw.Connection, space_id: int, vectors: Iterable[tuple[bytes, np.ndarray | None]]) -> None:
    """Keep vectors of titles; None for one that the embedder refuses, so that it is not asked again."""
    db.executemany(
        "insert or replace into title_embedding(space_id, text_hash, vector) values (?, ?, ?)",
        (
            (space_id, text_hash, b"" if vector is None else packed.pack(vector[None]).tobytes())
            for text_hash, vector in vectors
        ),
    )


def calibrate(db: apsw.Connection, space: SpaceRow) -> bool:
    """
    Measure mean and deviation of the cosines of titles with chunks of the space (of few titles by medians, which hardly
    move for a title's own passages), if there are enough, and twice as many as when it was done last. Whether that was
    done. Titles are as questions are: short, about something.
    """
    ((n_titles,),) = db.execute("select count(*) from title_embedding where space_id = ?", (space.id,))
    ((said,),) = db.execute("select calibration from space where id = ?", (space.id,))
    if n_titles < LEAST_TITLES or (said is not None and n_titles < 2 * json.loads(said)["n"]):
        return False
    if (found := _measured(db, space.id, space.dimension, n_titles)) is None:
        return False
    db.execute("update space set calibration = ? where id = ?", (found, space.id))
    return True


def calibration_in_sight(db: apsw.Connection, fingerprint: str) -> str | None:
    """What `calibrate` would write of what a connection sees, if it was done; see `closed`. Reads every text's hash."""
    sql = "select id, dimension from space where fingerprint = ? and calibration is not null"
    for space_id, dimension in list(db.execute(sql, (fingerprint,))):
        counted = f"select count(*) from title_embedding where space_id = ? and {_IN_SIGHT['title_embedding']}"
        ((n_titles,),) = db.execute(counted, (space_id,))
        if n_titles >= LEAST_TITLES:
            return _measured(db, space_id, dimension, n_titles, _IN_SIGHT)
    return None


_EVERY = {"title_embedding": "true", "embedding": "true"}
_IN_SIGHT = {
    "title_embedding": "text_hash in (select title_hash from note_words)",
    "embedding": "text_hash in (select text_hash from chunk)",
}


def _measured(
    db: apsw.Connection, space_id: int, dimension: int, n_titles: int, of: Mapping[str, str] = _EVERY
) -> str | None:  # fmt: skip
    """As JSON; None where there is nothing to be measured. `of` are conditions on the tables."""
    titles = _sample(db, "title_embedding", space_id, dimension, MOST_TITLES, of["title_embedding"])
    chunks = _sample(db, "embedding", space_id, dimension, MOST_CHUNKS, of["embedding"])
    if not len(titles) or not len(chunks):
        return None
    cosines = titles @ chunks.T
    mean, deviation = cosines.mean(), cosines.std()
    if n_titles < FEW_TITLES:
        mean = np.median(cosines)
        deviation = NORMAL * np.median(np.abs(cosines - mean))
    found = {"mean": float(mean), "deviation": float(deviation), "n": n_titles}
    return json.dumps(found) if found["deviation"] > 0 else None


def _sample(db: apsw.Connection, table: str, space_id: int, dimension: int, n: int, of: str) -> np.ndarray:
    """About `n` unit vectors of a table, spread over it: the same ones for the same table."""
    length = packed.bytes_of(dimension)
    ((count,),) = db.execute(f"select count(*) from {table} where space_id = ? and {of}", (space_id,))
    every = max(1, count // n)
    spread = f"and id % {every} = 0" if table == "embedding" else ""
    rows = db.execute(
        f"select vector from {table} where space_id = ? and length(vector) = ? and {of} {spread} limit ?",
        (space_id, length, n),
    )
    found = packed.unpack(np.frombuffer(b"".join(vector for (vector,) in rows), dtype=packed.kind(dimension)))
    unit: np.ndarray = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    return unit
