"""A directory of Chroma is read from its files, the queue before the folder; nothing is unpickled."""

from __future__ import annotations

import json
import os
import pickle
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.depth import examples
from tests.foreign import ADD, DELETE, UPDATE, UPSERT, Chroma
from vragd.errors import UsageError, VragdError
from vragd.store.exported import Record
from vragd.stores.moves import foreign, sound
from vragd.stores.moves.hnsw import labels_of

A, B, C, D = np.eye(4, dtype=np.float32)


def full(folder: Path, *, old: bool = False) -> Path:
    """A collection of which a part is in the folder, and later changes in the queue."""
    made = Chroma(folder)
    for name, row in (("a", A), ("b", B), ("c", C), ("d", D)):
        made.queued(ADD, name, row)
    made.rows({"a": A, "b": B, "c": C, "d": D}, old=old)
    made.queued(UPDATE, "b", -B)
    made.queued(UPDATE, "a")  # of metadata alone
    made.queued(DELETE, "c")
    made.queued(ADD, "e", A + B)
    made.queued(DELETE, "d")
    made.queued(UPSERT, "d", C + D)
    made.text("a", "Text of a", source="/notes/a.md", rating=4, weight=0.5, flag=True)
    for name in ("b", "d", "e"):
        made.text(name, f"Text of {name}")
    return made.close()


def read(path: Path, collection: str | None = None) -> tuple[sound.Sound, list[Record]]:
    with closing(foreign.open_as("chroma", path, collection)) as found:
        origin = sound.Sound(found)
        return origin, list(origin.records())


def rows_by_text(records: list[Record]) -> dict[str, list[float]]:
    return {record.text[-1]: np.asarray(record.entry.values).tolist() for record in records}


@pytest.mark.parametrize("old", [False, True], ids=["1.5", "before 1.0"])
def test_what_is_in_the_queue_comes_before_what_is_in_the_folder(tmp_path: Path, old: bool) -> None:
    folder = full(tmp_path / "c", old=old)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}
    assert foreign.looks_like(folder) == foreign.looks_like(folder / "chroma.sqlite3") == "chroma"
    origin, found = read(folder)
    wanted = {"a": A, "b": -B, "d": C + D, "e": A + B}
    assert rows_by_text(found) == {name: row.tolist() for name, row in wanted.items()}
    assert (origin.shape.dimension, origin.shape.metric, origin.count) == (4, "euclidean", 4)
    first = found[0]
    assert first.properties == {"source": "/notes/a.md", "rating": 4, "weight": 0.5, "flag": True}
    assert first.entry.payload["path"] == "/notes/a.md"
    assert first.entry.metadata["id"] == "a"
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}
    assert after == before


def test_what_has_no_vector_or_no_text_is_counted(tmp_path: Path) -> None:
    made = Chroma(tmp_path / "c")
    made.queued(ADD, "a", A)
    for name, text in (("a", "Text of a"), ("bare", "Text"), ("mute", None)):
        made.text(name, text)
    made.queued(ADD, "mute", B)
    origin, found = read(made.close())
    assert rows_by_text(found) == {"a": A.tolist()}
    assert origin.left_out == {"without a vector": 1, "without text": 1}


@pytest.mark.parametrize(
    ("schema", "metadata", "metric"),
    [
        (None, "cosine", "cosine"),
        (None, "ip", "dot"),
        (None, "", "euclidean"),
        ("{", "", "euclidean"),
        ({"keys": {"#embedding": {"float_list": {"vector_index": {"config": {"space": "ip"}}}}}}, "cosine", "dot"),
        ({"hnsw": {"space": "cosine"}}, "", "cosine"),
    ],
)
def test_how_near_is_told_is_what_the_collection_says(tmp_path: Path, schema: Any, metadata: str, metric: str) -> None:
    made = Chroma(tmp_path / "c", schema=schema if isinstance(schema, str | None) else json.dumps(schema))
    if metadata:
        made.said("collection_metadata", "notes-id", "hnsw:space", metadata, None, None, None)
    made.queued(ADD, "a", A)
    made.text("a", "Text")
    assert read(made.close())[0].shape.metric == metric


def test_of_several_collections_one_is_chosen(tmp_path: Path) -> None:
    full(tmp_path / "c")
    other = Chroma(tmp_path / "c", "other")
    other.queued(ADD, "x", D)
    other.text("x", "Text of x")
    with pytest.raises(UsageError, match="several collections: notes, other"):
        read(other.close())
    assert rows_by_text(read(tmp_path / "c", "other")[1]) == {"x": D.tolist()}
    with pytest.raises(UsageError, match="no collection none: notes, other"):
        read(tmp_path / "c", "none")
    with pytest.raises(UsageError, match="is no directory of Chroma"):
        read(tmp_path)


def test_what_was_not_finished_is_finished_in_a_copy(tmp_path: Path) -> None:
    made = Chroma(tmp_path / "c")
    made.db.execute("pragma journal_mode = wal")
    made.queued(ADD, "a", A)
    made.text("a", "Text of a")
    log = made.folder / "chroma.sqlite3-wal"
    before = (log.stat().st_size, (made.folder / "chroma.sqlite3").read_bytes())
    assert before[0]
    assert rows_by_text(read(made.folder)[1]) == {"a": A.tolist()}
    assert (log.stat().st_size, (made.folder / "chroma.sqlite3").read_bytes()) == before
    made.close()


class Evil:
    def __reduce__(self) -> Any:
        return (os.system, ("touch /tmp/never",))


class Noisy:
    ran = False

    def __setstate__(self, state: Any) -> None:
        Noisy.ran = True


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    file, noisy = tmp_path / "x", Noisy()
    noisy.__dict__["id_to_label"] = {"a": 1}
    file.write_bytes(pickle.dumps(noisy))
    assert labels_of(file) == {"a": 1}
    assert not Noisy.ran
    for content in (
        pickle.dumps(Evil()),
        pickle.dumps({"id_to_label": {"a": "1"}}),
        pickle.dumps([1]),
        b"",
        b"\x80",
        b"}u.",
    ):
        file.write_bytes(content)
        with pytest.raises(UsageError):
            labels_of(file)


def test_a_pickle_of_any_protocol_is_followed(tmp_path: Path) -> None:
    more = [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), 1.5, b"x", None, True, "ü", [], (), [[]], set()]
    said = {"id_to_label": {f"id{i}": i * 70_000 for i in range(300)}, "more": more}
    for protocol in range(2, 6):
        (tmp_path / "x").write_bytes(pickle.dumps(said, protocol=protocol))
        assert labels_of(tmp_path / "x") == said["id_to_label"]
    (tmp_path / "x").write_bytes(pickle.dumps({**said, "s": {1}}, protocol=5))
    with pytest.raises(UsageError, match="ADDITEMS is not of plain data"):
        labels_of(tmp_path / "x")


@examples(50, 100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 3), at=st.integers(0, 60_000), put=st.binary(max_size=24), cut=st.booleans())
def test_whatever_is_in_the_files_it_is_read_or_refused_in_words(
    tmp_path: Path, which: int, at: int, put: bytes, cut: bool
) -> None:  # fmt: skip
    folder = tmp_path / "c"
    if not folder.exists():
        full(folder)
    file = sorted(path for path in folder.rglob("*") if path.is_file())[which]
    content = file.read_bytes()
    at %= len(content)
    try:
        file.write_bytes(content[:at] + put + (b"" if cut else content[at + len(put) :]))
        read(folder)
    except VragdError as error:
        assert error.message
    finally:
        file.write_bytes(content)
