"""What other programs keep is told by its content, read as they meant it, never written, and refused in words."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.depth import examples
from tests.foreign import TEXTS, flat_index, llamaindex, node, ragtool, rows_of, simple_llamaindex
from vragd.errors import StoreMismatch, UsageError, VragdError
from vragd.stores.moves import foreign, pieces, sound
from vragd.stores.moves.llamaindex import embedded
from vragd.stores.moves.rows import Rows

NODES = {f"node-{i}": node(i, text) for i, text in enumerate(TEXTS)}


def read(kind: str, path: Path, collection: str | None = None) -> tuple[sound.Sound, list[Any]]:
    with closing(foreign.open_as(kind, path, collection)) as found:
        origin = sound.Sound(found)
        return origin, list(origin.records())


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_size, path.read_bytes()) for path in folder.iterdir()}


# -- LlamaIndex --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["json", "IxF2", "IxFI"])
def test_llamaindex_is_read_from_json_and_from_an_index_of_the_same_name(tmp_path: Path, kind: str) -> None:
    rows = rows_of(len(TEXTS))
    if kind == "json":
        folder = simple_llamaindex(tmp_path / "storage")
    else:
        folder = llamaindex(tmp_path / "storage", flat_index(rows, kind.encode()), NODES, list(NODES))
    before = state(folder)
    assert foreign.looks_like(folder) == "llamaindex"
    origin, found = read("llamaindex", folder)
    assert (origin.shape.dimension, origin.shape.metric, origin.count) == (8, "cosine", len(TEXTS))
    assert [record.text for record in found] == TEXTS
    assert np.array_equal(np.stack([record.entry.values for record in found]), rows)
    first = found[0]
    assert first.entry.payload["path"] == "/notes/Heron 0.md"
    assert first.entry.payload["title"] == "Heron 0"
    assert first.entry.metadata["node"] == "node-0"
    assert first.properties == {"file_path": "/notes/Heron 0.md", "rating": 0, "tags": ("a", "b")}
    assert first.embedded == f"file_path: /notes/Heron 0.md\ntags: ['a', 'b']\n\n{TEXTS[0]}"
    assert not origin.left_out
    assert state(folder) == before


def test_vectors_that_have_no_length_of_one_keep_the_measure_of_their_index(tmp_path: Path) -> None:
    for kind, metric in ((b"IxF2", "euclidean"), (b"IxFI", "dot")):
        folder = llamaindex(tmp_path / metric, flat_index(3 * rows_of(5), kind), NODES, list(NODES))
        assert read("llamaindex", folder)[0].shape.metric == metric


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"metadata": {}}, "Text {key}"),
        ({"metadata": None, "extra_info": {"a": 1}}, "Text {key}"),
        (
            {"metadata": {"a": 1, "b": "{content}"}, "text_template": "[{content}] {metadata_str}"},
            "[Text {key}] a: 1\nb: {content}",
        ),
        (
            {"metadata": {"a": 1, "b": 2}, "metadata_seperator": "; ", "metadata_template": "{value}"},
            "1; 2\n\nText {key}",
        ),
        ({"metadata": {"a": "{0.__class__}"}, "excluded_embed_metadata_keys": ["a"]}, "Text {key}"),
    ],
)  # fmt: skip
def test_the_text_that_was_embedded_is_made_of_a_nodes_own_templates(told: dict[str, Any], text: str) -> None:
    assert embedded({"text": "Text {key}", **told}) == text
    assert embedded({"text_resource": {"text": "Text {key}"}, **told}) == text


def test_a_node_of_the_first_years_is_text_in_text(tmp_path: Path) -> None:
    old = {name: {"__data__": json.dumps(one["__data__"]), "__type__": "1"} for name, one in NODES.items()}
    folder = llamaindex(tmp_path / "s", {"node-1": [1.0, 0.5]}, old)
    _, (record,) = read("llamaindex", folder)
    assert record.text == TEXTS[1]


def test_rows_that_cannot_be_imported_are_counted_by_why(tmp_path: Path) -> None:
    nodes = {**NODES, "node-5": node(5, ""), "doc": {"__data__": {"text": "whole"}, "__type__": "4"}}
    vectors: dict[str, Any] = {
        "node-0": [1, 0], "node-1": [1, 0, 0], "node-2": [float("nan"), 1], "node-3": None, "gone": [0, 1],
        "node-5": [0, 1],
    }  # fmt: skip
    origin, found = read("llamaindex", llamaindex(tmp_path / "s", vectors, nodes))
    assert [record.text for record in found] == [TEXTS[0]]
    assert origin.left_out == {
        "with a vector of 3 numbers, where the others have 2": 1, "with a number that is not finite (NaN)": 1,
        "without a vector": 2, "without text": 2,
    }  # fmt: skip


def test_of_several_namespaces_one_is_chosen_by_name(tmp_path: Path) -> None:
    folder = simple_llamaindex(tmp_path / "s")
    (folder / "image__vector_store.json").write_text(json.dumps({"embedding_dict": {"node-0": [1, 0, 0]}}))
    with pytest.raises(UsageError, match="several namespaces: default, image"):
        foreign.open_as("llamaindex", folder)
    assert len(read("llamaindex", folder, "image")[1]) == 1
    assert len(read("llamaindex", folder, "default")[1]) == len(TEXTS)
    with pytest.raises(UsageError, match="no namespace 'none'"):
        foreign.open_as("llamaindex", folder, "none")


def test_rows_of_another_save_are_refused(tmp_path: Path) -> None:
    index = flat_index(rows_of(4))
    with pytest.raises(StoreMismatch, match="names 1 rows that the vectors do not have"):
        foreign.open_as("llamaindex", llamaindex(tmp_path / "a", index, NODES, list(NODES)))
    folder = llamaindex(tmp_path / "b", index, NODES)
    with pytest.raises(StoreMismatch, match="does not name the rows"):
        foreign.open_as("llamaindex", folder)
    (folder / "index_store.json").unlink()
    with pytest.raises(StoreMismatch, match="does not name the rows"):
        foreign.open_as("llamaindex", folder)
    origin, found = read("llamaindex", llamaindex(tmp_path / "c", index, NODES, list(NODES)[:3]))
    assert len(found) == 3
    assert origin.left_out == {"that index_store.json does not name": 1, "without a vector": 2}


# -- vector-rag-tool ---------------------------------------------------------------------------------


def test_a_store_of_vector_rag_tool_is_read(tmp_path: Path) -> None:
    folder = ragtool(tmp_path / "stores")
    before = state(folder)
    origin, found = read("vector-rag-tool", folder)
    assert (origin.shape.metric, origin.count, foreign.looks_like(folder)) == ("cosine", 5, "vector-rag-tool")
    record = found[1]
    assert (record.text, record.entry.payload["line_from"], record.entry.payload["line_to"]) == (TEXTS[1], 4, 6)
    assert record.entry.payload["path"] == "/notes/Heron.md"
    assert record.embedded == f"title: Heron | text: {TEXTS[1]}"
    assert record.entry.metadata["tags"] == ("bird",)
    assert (record.entry.metadata["key"], "key" in record.properties) == ("/notes/Heron.md#1", False)
    assert np.array_equal(record.entry.values, rows_of(5)[1])
    assert state(folder) == before
    assert len(read("vector-rag-tool", folder / "notes.faiss")[1]) == 5
    ragtool(folder, "other")
    with pytest.raises(UsageError, match="several stores: notes, other"):
        foreign.open_as("vector-rag-tool", folder)
    assert len(read("vector-rag-tool", folder, "other")[1]) == 5


def test_shifted_rows_are_refused_and_stale_ones_counted(tmp_path: Path) -> None:
    with pytest.raises(StoreMismatch, match=r"6 rows, .* knows of 5: a save broke off"):
        foreign.open_as("vector-rag-tool", ragtool(tmp_path / "a", rows=rows_of(6), next_id=5))
    with pytest.raises(StoreMismatch, match="says 9-d"):
        foreign.open_as("vector-rag-tool", ragtool(tmp_path / "b", dimension=9))
    origin, found = read("vector-rag-tool", ragtool(tmp_path / "c", rows=rows_of(8), ids=[0, 2, 4, 6, 99]))
    assert len(found) == 4
    assert np.array_equal(found[1].entry.values, rows_of(8)[2])
    assert origin.left_out == {"without a vector": 1, "that are stale: nothing names their rows": 3}


# -- what it is not ----------------------------------------------------------------------------------


def test_a_wrong_place_is_told_what_it_looks_like(tmp_path: Path) -> None:
    li, rag = simple_llamaindex(tmp_path / "li"), ragtool(tmp_path / "rag")
    lines = tmp_path / "e.jsonl"
    lines.write_text('{"text": "a", "vector": [1]}\n')
    (tmp_path / "empty").mkdir()
    for kind, path, words in (
        ("vector-rag-tool", li, "looks like llamaindex"),
        ("llamaindex", rag, "looks like vector-rag-tool"),
        ("jsonl", li, "looks like llamaindex"),
        ("llamaindex", lines, "looks like jsonl"),
        ("llamaindex", tmp_path / "empty", "is no directory of LlamaIndex"),
        ("vector-rag-tool", tmp_path / "empty", "no store"),
        ("jsonl", tmp_path / "empty", "there is no file"),
        ("jsonl", tmp_path / "none", "there is no"),
    ):
        with pytest.raises(UsageError, match=words):
            foreign.open_as(kind, path)
    with pytest.raises(UsageError, match="holds one collection"):
        foreign.open_as("jsonl", lines, "x")


@pytest.mark.parametrize(
    "content",
    [b"", b"IxF2", b"IwFl" + bytes(60), flat_index(rows_of(3))[:-4], flat_index(rows_of(3)).replace(b"IxF2", b"IxHN"),
     flat_index(rows_of(3))[:4] + b"\xff" * 60],
)  # fmt: skip
def test_an_index_that_is_no_flat_one_or_damaged_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(UsageError):
        Rows(tmp_path / "x")


def test_pieces_are_those_of_a_parser_however_they_are_cut(tmp_path: Path) -> None:
    document = {
        "a": {"x": [1, 2.5, [3]], 'k"\\': {"b": "}]\"\\"}, "long": "ü" * 5_000, "n": None}, "b": -1e3, "c": {},
        "d": "s",
        "e": [], "f": {"i": [0.1] * 400_000},
    }  # fmt: skip
    for text in (json.dumps(document), json.dumps(document, indent=2, ensure_ascii=False)):
        (tmp_path / "p.json").write_text(text, "utf-8")
        raw, found = (tmp_path / "p.json").read_bytes(), dict[str, Any]()
        for piece in pieces.pieces(tmp_path / "p.json"):
            value = pieces.value_of(piece.raw, "p.json")
            assert raw[piece.at : piece.at + len(piece.raw)] == piece.raw
            if piece.key is None:
                found[piece.section] = value
            else:
                found.setdefault(piece.section, {})[piece.key] = value
        assert found == {key: value for key, value in document.items() if value != {}}


damaged = st.one_of(st.binary(max_size=200), st.tuples(st.integers(0, 4_000), st.binary(max_size=8)))


@examples(50, 100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damaged, which=st.integers(0, 5))
def test_whatever_is_in_the_files_it_is_read_or_refused_in_words(
    tmp_path: Path, damage: bytes | tuple[int, bytes], which: int
) -> None:  # fmt: skip
    kind, folder = (
        ("llamaindex", tmp_path / f"li{which}") if which < 4 else ("vector-rag-tool", tmp_path / f"rag{which}")
    )
    if not folder.exists():
        if which < 4:
            vectors: Any = flat_index(rows_of(5)) if which % 2 else {name: [1.0, 2.0] for name in NODES}
            llamaindex(folder, vectors, NODES, list(NODES) if which % 2 else ())
        else:
            ragtool(folder)
    files = sorted(folder.iterdir())
    file = files[len(damage) * 7 % len(files)] if isinstance(damage, bytes) else files[damage[0] % len(files)]
    content = file.read_bytes()
    try:
        if isinstance(damage, bytes):
            file.write_bytes(damage)
        else:
            at, put = damage
            file.write_bytes(content[: at % (len(content) + 1)] + put + content[at % (len(content) + 1) + len(put) :])
        for record in read(kind, folder)[1]:
            assert record.entry.key
    except VragdError as error:
        assert error.message
    finally:
        file.write_bytes(content)
