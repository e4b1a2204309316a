"""A store in a file, and back: what is written, what is left out, and what a damaged file is told."""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.depth import examples
from tests.moved import NOTES, exported, indexed, lines_of, says
from tests.world import WordEmbedder
from vragd.config.load import Loaded
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.errors import (
    DiskFull,
    NewerFormat,
    NotFound,
    StoreExists,
    StoreMismatch,
    UnknownStore,
    UsageError,
    VragdError,
)
from vragd.store.exported import Origin, Shape
from vragd.stores.elsewhere import Place
from vragd.stores.moves import lines, places, sound, transfer, written
from vragd.stores.moves.imported import checked_name, imported_url

MODEL = WordEmbedder()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Of tests that leave the vault as it is."""
    return indexed(tmp_path_factory.mktemp("notes"))


@contextmanager
def imported(loaded: Loaded, file: Path, name: str = "back") -> Iterator[tuple[Place, transfer.Moved]]:
    origin = sound.Sound(lines.Lines(file))
    with Place.named(imported_url(loaded.data_dir, name), {}) as place:
        transfer.check(place, name, origin.shape, origin.count)
        transfer.make(place, name, origin.shape)
        yield place, transfer.transfer(origin, place.backend, name)


# -- out ---------------------------------------------------------------------------------------------


def test_lines_say_all_of_each_passage_and_whose_vectors_they_are(shared: Loaded, tmp_path: Path) -> None:
    done = exported(shared, tmp_path / "e.jsonl")
    head, *rows = lines_of(tmp_path / "e.jsonl")
    space = MODEL.space("")
    assert (head["dimension"], head["metric"], head["space"]) == (32, "cosine", space.meaning)
    assert head["count"] == len(rows) == done.n_written
    assert {row["path"] for row in rows} == set(NOTES)
    (tagged,) = [row for row in rows if row["path"] == "Tagged.md"]
    assert (tagged["heading"], tagged["lines"]) == (["Bird"], [5, 7])
    assert tagged["properties"] == {"tags": ["bird"], "rating": 4}
    assert "„Größe“" in (tmp_path / "e.jsonl").read_text("utf-8")
    (plain,) = [row for row in rows if row["path"] == "Private/Diary.md"]
    assert float(MODEL.embed_query(plain["text"]) @ np.array(plain["vector"])) == pytest.approx(1, abs=1e-5)
    assert stat.S_IMODE((tmp_path / "e.jsonl").stat().st_mode) == 0o600


def test_text_and_vectors_may_be_left_out(shared: Loaded, tmp_path: Path) -> None:
    exported(shared, tmp_path / "e.jsonl", text=False, vectors="none")
    head, row, *_ = lines_of(tmp_path / "e.jsonl")
    assert (head["text"], head["vectors"]) == (False, "none")
    assert "text" not in row
    assert "vector" not in row


def test_numpy_has_the_rows_of_the_lines_beside_it(shared: Loaded, tmp_path: Path) -> None:
    exported(shared, tmp_path / "e.npy", vectors="beside")
    exported(shared, tmp_path / "other.jsonl")
    rows = np.load(tmp_path / "e.npy", mmap_mode="r", allow_pickle=False)
    head, *passages = lines_of(tmp_path / "e.jsonl")
    assert head["vectors"] == "e.npy"
    assert rows.dtype == np.float32
    vectors = [np.array(one["vector"], dtype=np.float32) for one in lines_of(tmp_path / "other.jsonl")[1:]]
    assert np.array_equal(rows, np.stack(vectors))
    assert len(passages) == len(rows)
    assert stat.S_IMODE((tmp_path / "e.npy").stat().st_mode) == 0o600


def test_a_stream_has_the_same_lines(shared: Loaded, tmp_path: Path) -> None:
    exported(shared, tmp_path / "e.jsonl")
    to = io.BytesIO()
    with places.origin_of(shared, "notes") as origin:
        written.stream(origin, to)
    assert to.getvalue() == (tmp_path / "e.jsonl").read_bytes()


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(shared: Loaded, tmp_path: Path) -> None:
    file = tmp_path / "e.jsonl"
    file.write_text("mine")
    for out, how in ((file, {}), (tmp_path / "e.npy", {"vectors": "beside"}), (tmp_path, {"replace": True})):
        with pytest.raises(UsageError, match="is there already"):
            exported(shared, out, **how)
    assert file.read_text() == "mine"
    exported(shared, tmp_path / "e.npy", vectors="beside", replace=True)
    assert len(lines_of(file)) == len(np.load(tmp_path / "e.npy")) + 1
    with pytest.raises(UsageError, match="no folder"):
        exported(shared, tmp_path / "none/e.jsonl")


class Failing:
    """An origin that ends in the middle."""

    title, count, with_text, shape = "store x", None, True, Shape(2, "cosine")

    def __init__(self, origin: Origin) -> None:
        self._origin, self.left_out = origin, origin.left_out
        self.shape = origin.shape

    def records(self) -> Any:
        for i, record in enumerate(self._origin.records()):
            if i == 2:
                raise DiskFull("no space left")
            yield record

    def close(self) -> None: ...


@pytest.mark.parametrize("vectors", ["lines", "beside"])
def test_what_a_killed_export_left_goes_with_the_next_one_to_that_name(
    shared: Loaded, tmp_path: Path, vectors: Any
) -> None:  # fmt: skip
    out = tmp_path / ("e.npy" if vectors == "beside" else "e.jsonl")
    left = [tmp_path / f".{out.name}.0123abcd.tmp", tmp_path / ".e.jsonl.0123abcd.tmp"]
    others = [tmp_path / ".e.jsonl.tmp", tmp_path / ".e.jsonl.x.0123abcd.tmp", tmp_path / ".e.jsonl.swp"]
    for file in (*left, *others):
        file.write_text("text of a note")

    class Beside(Failing):
        """While it is read, another export to the same place begins: it leaves what is being written."""

        def records(self) -> Any:
            began = {one.name for one in tmp_path.iterdir()}
            exported(shared, out, vectors=vectors, replace=True)
            assert began <= {one.name for one in tmp_path.iterdir()}
            yield from self._origin.records()

    with places.origin_of(shared, "notes") as origin:
        written.export(Beside(origin), out, vectors=vectors, replace=True)
    made = {out, tmp_path / "e.jsonl"}
    assert set(tmp_path.iterdir()) == {*others, *made}


@pytest.mark.parametrize("vectors", ["lines", "beside"])
def test_what_breaks_off_leaves_no_file(shared: Loaded, tmp_path: Path, vectors: Any) -> None:
    out = tmp_path / ("e.npy" if vectors == "beside" else "e.jsonl")
    with places.origin_of(shared, "notes") as origin, pytest.raises(DiskFull):
        written.export(Failing(origin), out, vectors=vectors)
    assert list(tmp_path.iterdir()) == []


def test_what_was_withdrawn_since_is_not_exported(tmp_path: Path) -> None:
    loaded = indexed(tmp_path)
    (tmp_path / "vault/Private/Diary.md").write_text(f"---\nvragd: false\n---\n{NOTES['Private/Diary.md']}")
    (tmp_path / "vault/Heron.md").unlink()
    with places.origin_of(loaded, "notes") as origin:
        paths = {str(record.entry.payload["path"]) for record in origin.records()}
        assert origin.left_out == {"withdrawn since, or gone": 2}
    assert paths == {"Tagged.md", "Long.md"}
    exported(loaded, tmp_path / "e.npy", vectors="beside")
    had = (tmp_path / "e.npy").read_bytes(), (tmp_path / "e.jsonl").read_bytes()
    (tmp_path / "vault").rename(tmp_path / "away")
    for name, vectors in (("e.npy", "beside"), ("e.jsonl", "lines")):
        with pytest.raises(NotFound, match=r"source 'vault' is not there: .* stays as it was"):
            exported(loaded, tmp_path / name, vectors=vectors, replace=True)
    assert ((tmp_path / "e.npy").read_bytes(), (tmp_path / "e.jsonl").read_bytes()) == had
    with places.origin_of(loaded, "notes") as origin:
        assert list(origin.records()) == []
        assert set(origin.left_out) == {"of source 'vault', which is not there"}


def test_an_export_goes_into_no_vault_and_no_source(shared: Loaded, tmp_path: Path) -> None:
    (tmp_path / "vault/.obsidian").mkdir(parents=True)
    (source,) = shared.config.stores["notes"].sources
    link = tmp_path / "link"
    link.symlink_to(source.path)
    for place in (tmp_path / "vault/a/e.jsonl", source.path / "e.jsonl", link / "e.jsonl"):
        with pytest.raises(UsageError, match="is inside"):
            places.outside_notes(place, shared)
    places.outside_notes(tmp_path / "e.jsonl", shared)


def test_what_there_is_not_is_said(shared: Loaded, tmp_path: Path) -> None:
    with pytest.raises(UnknownStore, match="nothing"), places.origin_of(shared, "nothing"):
        pass
    empty = Loaded(shared.config, None, tmp_path / "data", tmp_path / "s")
    with pytest.raises(NotFound, match="nothing of store 'notes' is indexed"), places.origin_of(empty, "notes"):
        pass


# -- and back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jsonl", "npy"])
def test_an_export_comes_back_as_it_was_and_again_puts_nothing(shared: Loaded, tmp_path: Path, suffix: str) -> None:
    home = Loaded(shared.config, None, tmp_path / "data", tmp_path / "s")
    exported(shared, tmp_path / f"e.{suffix}", vectors="beside" if suffix == "npy" else "lines")
    with imported(home, tmp_path / "e.jsonl") as (place, moved):
        assert moved.is_whole
        info = place.backend.collection_info("back")
        assert (moved.n_put, moved.n_there, info.space) == (info.count, 0, MODEL.space("").meaning)
        assert moved.n_compared == moved.n_put
        asked = MODEL.embed_query(NOTES["Private/Diary.md"])
        (first,) = place.backend.query("back", asked, 1, payload=True).items
    assert first.payload["path"] == "Private/Diary.md"
    assert first.payload["line_to"] == 1
    assert first.score == pytest.approx(1, abs=1e-4)
    with imported(home, tmp_path / "e.jsonl") as (_, again):
        assert (again.n_put, again.n_there, again.is_whole) == (0, moved.n_put, True)
    done = exported(home, tmp_path / "again.jsonl", "back")
    assert done.n_written == moved.n_put
    had = {row["key"]: row for row in lines_of(tmp_path / "e.jsonl")[1:]}
    for row in lines_of(tmp_path / "again.jsonl")[1:]:
        before = had[row["key"]]
        assert all(row[name] == before[name] for name in ("path", "title", "heading", "lines", "text", "properties"))


def test_a_store_on_notes_keeps_its_name(shared: Loaded) -> None:
    with pytest.raises(StoreExists, match="is a store on notes already"):
        places.check_free(shared, "notes")
    places.check_free(shared, "back")
    with pytest.raises(UsageError, match="cannot be called"):
        checked_name("No Name")


def records_of(file: Path, *rows: object) -> lines.Lines:
    file.write_text("".join(row if isinstance(row, str) else f"{json.dumps(row)}\n" for row in rows))
    return lines.Lines(file)


def test_lines_of_anybody_are_records_whose_faults_are_counted_by_name(tmp_path: Path) -> None:
    rows: list[object] = [
        {"id": "a", "text": "one", "embedding": [1, 0, 0], "metadata": {"lang": "en", "deep": {"x": 1}}},
        {"id": "a", "text": "again", "embedding": [1, 0, 0]},
        {"text": "no key", "vector": [0, 1, 0], "path": "a.md", "lines": [3, 4]},
        {"id": "b", "text": "short", "vector": [0, 1]},
        {"id": "c", "text": "  ", "vector": [0, 1, 0]},
        {"id": "d", "text": "bare"},
        '{"id": "e", "text": "nan", "vector": [NaN, 1, 0]}\n',
        {"id": "f", "text": "zero", "vector": [0, 0, 0]},
        {"id": "h", "text": "large", "vector": [1e30, 0, 0]},
        {"id": "g", "text": "no numbers", "vector": ["x", None, {}]},
        {"id": "i", "text": "texts", "vector": ["1", "2", "3"]},
        {"id": "j", "text": "flags", "vector": [True, False, True]},
        "\n",
        {"id": 3, "text": "called as the line of another is", "vector": [1, 1, 0]},
    ]
    origin = sound.Sound(records_of(tmp_path / "e.jsonl", *rows))
    found = list(origin.records())
    assert [record.text for record in found] == ["one", "no key", "called as the line of another is"]
    assert found[0].entry.metadata == {"lang": "en"}
    assert found[1].entry.payload["line_to"] == 4
    assert sum(origin.left_out.values()) == 10
    assert set(origin.left_out) == {
        "of a key that was there before", "without text", "without a vector", "with a vector of zeros",
        "with a number too large to compare",
        "with a number that is not finite (NaN)", "with a vector of 2 numbers, where the others have 3",
        "with a vector of 0 numbers, where the others have 3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "line 1 is no object"),
        ("[1]\n", "line 1 is no object"),
        ("{" * 100_000, "line 1 is no object"),
        ('{"vragd": "export", "version": 2}\n', "newer vragd"),
        ('{"vragd": "export", "version": 1, "dimension": "x"}\n', "first line is damaged"),
        ('{"text": "a", "vector": [1]}\n{"text": ', "line 2 is no object"),
    ],
)
def test_a_file_that_is_none_is_told_where(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises((UsageError, NewerFormat), match=words):
        list(records_of(tmp_path / "e.jsonl", content).records())
    with pytest.raises(UsageError, match="there is no file"):
        lines.Lines(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    "fault", ["gone", "garbage", "shorter", "longer", "turned", "swapped", "another dimension", "pickled", "outside"]
)
def test_vectors_beside_the_lines_that_are_not_theirs_are_refused(shared: Loaded, tmp_path: Path, fault: str) -> None:
    exported(shared, tmp_path / "e.npy", vectors="beside")
    rows, file = np.load(tmp_path / "e.npy"), tmp_path / "e.npy"
    match fault:
        case "gone":
            file.unlink()
        case "garbage":
            file.write_bytes(os.urandom(200))
        case "shorter":
            np.save(file, rows[:-1])
        case "longer":
            np.save(file, np.vstack([rows, rows[:1]]))
        case "turned":
            np.save(file, rows[::-1])
        case "swapped":
            head, first, second, *rest = (tmp_path / "e.jsonl").read_text().splitlines(keepends=True)
            (tmp_path / "e.jsonl").write_text("".join([head, second, first, *rest]))
        case "another dimension":
            np.save(file, rows[:, :8])
        case "pickled":
            np.save(file, np.array([{"x": 1}], dtype=object), allow_pickle=True)
        case _:
            text = (tmp_path / "e.jsonl").read_text().replace('"vectors":"e.npy"', '"vectors":"../e.npy"')
            (tmp_path / "e.jsonl").write_text(text)
    with pytest.raises(VragdError) as caught:
        list(lines.Lines(tmp_path / "e.jsonl").records())
    assert isinstance(caught.value, StoreMismatch | UsageError)


@pytest.mark.parametrize("fault", ["cut", "cut in a line", "one is missing", "one is twice", "two in one"])
def test_an_export_that_is_not_whole_is_refused(shared: Loaded, tmp_path: Path, fault: str) -> None:
    file = tmp_path / "e.jsonl"
    exported(shared, file)
    every = file.read_text().splitlines(keepends=True)
    match fault:
        case "cut":
            every = every[:-2]
        case "cut in a line":
            every = [*every[:-2], every[-2][:50]]
        case "one is missing":
            every = every[:2] + every[3:]
        case "one is twice":
            every = every[:2] + every[1:]
        case _:
            every = every * 2
    file.write_text("".join(every))
    with pytest.raises(StoreMismatch, match="lost its end" if "cut" in fault else r"its last line says|behind its end"):
        list(lines.Lines(file).records())


@examples(30, 60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=60), st.builds(
    lambda value: json.dumps(value).encode(),
    st.dictionaries(
        st.sampled_from(["vragd", "version", "dimension", "text", "vector", "key", "lines", "metadata", "heading"]),
        st.recursive(st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5)), lambda inner: st.lists(
            inner, max_size=3), max_leaves=5),
        max_size=6,
    ),
)), max_size=4))  # fmt: skip
def test_whatever_the_lines_hold_it_is_read_or_refused_in_words(tmp_path: Path, raw: list[bytes]) -> None:
    file = tmp_path / "e.jsonl"
    file.write_bytes(b"\n".join(raw))
    try:
        for record in sound.Sound(lines.Lines(file)).records():
            assert record.entry.key
    except VragdError as error:
        assert says(error)


# -- whose vectors they are --------------------------------------------------------------------------


def test_vectors_are_of_the_model_that_makes_them_again(tmp_path: Path) -> None:
    texts = ["The heron stood at the pond.", "Pour hot water slowly over ground coffee."]
    builtin = BuiltinEmbedder(type="builtin")
    with sound.embedded_again(
        records_of(tmp_path / "t.jsonl", *({"id": text, "text": text} for text in texts)), builtin
    ) as again:  # fmt: skip
        rows = [
            {"id": one.text, "text": one.text, "vector": np.asarray(one.entry.values).tolist()}
            for one in again.records()
        ]
        assert (again.shape.dimension, len(rows)) == (384, 2)
    origin, compared = sound.of_known_model(records_of(tmp_path / "e.jsonl", *rows), [builtin])
    assert origin.shape.space == again.shape.space
    assert "cosine 1.000 on 2 texts" in compared
    turned = [row | {"vector": [*row["vector"][1:], row["vector"][0]]} for row in rows]
    with pytest.raises(StoreMismatch, match="of none of the models asked") as caught:
        sound.of_known_model(records_of(tmp_path / "e.jsonl", *turned), [builtin])
    assert "--reembed" in says(caught.value)
    unknown, _ = sound.of_known_model(records_of(tmp_path / "e.jsonl", *turned), [builtin], unchecked=True)
    assert unknown.shape.space == ""
    short = [row | {"vector": [1.0, 2.0]} for row in rows]
    with pytest.raises(StoreMismatch, match="makes 384 numbers, not 2"):
        sound.of_known_model(records_of(tmp_path / "e.jsonl", *short), [builtin])
    with pytest.raises(StoreMismatch, match="holds no vector"):
        sound.of_known_model(records_of(tmp_path / "e.jsonl", {"id": "a", "text": "b"}), [builtin])
