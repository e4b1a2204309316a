"""
What other programs keep, as they write it: LlamaIndex (llama-index-core 0.14.25, its FAISS store 0.7.0 with faiss-cpu
1.15.1), vector-rag-tool 0.1 and Chroma 1.5.9. Held against directories those libraries wrote themselves, by hand.
"""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw
import numpy as np

TEXTS = [f"Passage {i} of the herons, {'at the pond, ' * i}which fly." for i in range(5)]


def rows_of(n: int, dimension: int = 8) -> np.ndarray:
    rows = np.random.default_rng(n).normal(size=(n, dimension)).astype(np.float32)
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def flat_index(rows: np.ndarray, kind: bytes = b"IxF2") -> bytes:
    """A flat index as `faiss.write_index` writes it."""
    n, dimension = rows.shape
    head = struct.pack("<4siqqqBi", kind, dimension, n, 1 << 20, 1 << 20, 1, 0 if kind == b"IxFI" else 1)
    return head + struct.pack("<Q", rows.size) + rows.astype("<f4").tobytes()


def node(i: int, text: str, **more: Any) -> dict[str, Any]:
    told = {
        "id_": f"node-{i}", "embedding": None,
        "metadata": {"file_path": f"/notes/Heron {i}.md", "rating": i, "tags": ["a", "b"]},
        "excluded_embed_metadata_keys": ["rating"], "excluded_llm_metadata_keys": [],
        "relationships": {"1": {"node_id": "doc-1", "node_type": "4", "metadata": {}, "hash": "", "class_name": "R"}},
        "metadata_template": "{key}: {value}", "metadata_separator": "\n", "text": text, "mimetype": "text/plain",
        "start_char_idx": 0, "end_char_idx": len(text), "text_template": "{metadata_str}\n\n{content}",
        "class_name": "TextNode",
    }  # fmt: skip
    return {"__data__": told | more, "__type__": "1"}


def llamaindex(
    folder: Path, vectors: Mapping[str, Any] | bytes, nodes: Mapping[str, Any], names: Sequence[str] = (),
) -> Path:  # fmt: skip
    """What `storage_context.persist` leaves; `vectors` by node, or a flat index whose rows are of `names`."""
    folder.mkdir(parents=True)
    named = {str(i): name for i, name in enumerate(names)} or {name: name for name in nodes}
    index = {"index_id": "index", "summary": None, "nodes_dict": named, "doc_id_dict": {}, "embeddings_dict": {}}
    files = {
        "docstore.json": {"docstore/metadata": {"node-0": {"doc_hash": "x"}}, "docstore/data": nodes,
                          "docstore/ref_doc_info": {}},
        "index_store.json": {
            "index_store/data": {"index": {"__type__": "vector_store", "__data__": json.dumps(index)}}
        },
        "graph_store.json": {"graph_dict": {}},
        "image__vector_store.json": {"embedding_dict": {}, "text_id_to_ref_doc_id": {}, "metadata_dict": {}},
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    store = folder / "default__vector_store.json"
    if isinstance(vectors, bytes):
        store.write_bytes(vectors)
    else:
        of = dict.fromkeys(vectors, "doc-1")
        content = {"embedding_dict": vectors, "text_id_to_ref_doc_id": of, "metadata_dict": {}}
        store.write_text(json.dumps(content))
    return folder


def simple_llamaindex(folder: Path) -> Path:
    nodes = {f"node-{i}": node(i, text) for i, text in enumerate(TEXTS)}
    rows = rows_of(len(TEXTS))
    return llamaindex(folder, {name: row.tolist() for name, row in zip(nodes, rows, strict=True)}, nodes)


def ragtool(
    folder: Path, name: str = "notes", *, rows: np.ndarray | None = None, ids: Sequence[int] | None = None, **said: Any
) -> Path:  # fmt: skip
    """A store as `FAISSBackend.put_vectors` leaves it; `ids` are the rows of the chunks, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = rows_of(len(TEXTS)) if rows is None else rows
    vectors = {
        f"/notes/Heron.md#{i}": {
            "index_id": number,
            "metadata": {
                "source_file": "/notes/Heron.md", "line_start": 3 * i + 1, "line_end": 3 * i + 3, "chunk_index": i,
                "total_chunks": len(TEXTS), "tags": ["bird"], "word_count": 7, "char_count": 40,
                "content_preview": TEXTS[i],
            },
        }
        for i, number in enumerate(range(len(TEXTS)) if ids is None else ids)
    }  # fmt: skip
    meta = {
        "dimension": rows.shape[1],
        "next_id": len(rows),
        "vectors": vectors,
        "file_hashes": {"/notes/Heron.md": "x"},
    }
    (folder / f"{name}.meta.json").write_text(json.dumps(meta | said))
    (folder / f"{name}.faiss").write_bytes(flat_index(rows, b"IxFI"))
    return folder


CHROMA = """
create table collections (id text primary key, name text not null, dimension integer, database_id text not null,
    config_json_str text, schema_str text);
create table collection_metadata (collection_id text, key text not null, str_value text, int_value integer,
    float_value real, bool_value integer);
create table segments (id text primary key, type text not null, scope text not null, collection text not null);
create table embeddings (id integer primary key, segment_id text not null, embedding_id text not null,
    seq_id blob not null, created_at timestamp not null default current_timestamp);
create table embedding_metadata (id integer, key text not null, string_value text, int_value integer,
    float_value real, bool_value integer);
create table max_seq_id (segment_id text primary key, seq_id integer);
create table embeddings_queue (seq_id integer primary key, created_at timestamp not null default current_timestamp,
    operation integer not null, topic text not null, id text not null, vector blob, encoding text, metadata text);
"""
ADD, UPDATE, UPSERT, DELETE = range(4)


class PersistentData:
    """What Chroma before 1.0 pickles, as an object."""

    def __init__(self, **said: Any) -> None:
        self.__dict__.update(said)


class Chroma:
    """A directory as Chroma 1.5.9 writes it, with one collection of its table of them, and what happened to it."""

    def __init__(self, folder: Path, name: str = "notes", dimension: int = 4, schema: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name, self.n = folder, name, 0
        self.db = apsw.Connection(str(folder / "chroma.sqlite3"))
        if not list(self.db.execute("select 1 from sqlite_master")):
            self.db.execute(CHROMA)
        self.said("collections", f"{name}-id", name, dimension, "0", "{}", schema)
        self.said("segments", f"{name}-texts", "urn:chroma:segment/metadata/sqlite", "METADATA", f"{name}-id")
        self.said("segments", f"{name}-rows", "urn:chroma:segment/vector/hnsw-local-persisted", "VECTOR", f"{name}-id")

    def said(self, table: str, *values: Any) -> None:
        self.db.execute(f"insert into {table} values ({','.join('?' * len(values))})", values)

    def queued(self, operation: int, name: str, row: Any = None) -> None:
        self.n += 1
        vector = None if row is None else np.asarray(row, dtype="<f4").tobytes()
        topic = f"persistent://default/default/{self.name}-id"
        self.db.execute(
            "insert into embeddings_queue(operation, topic, id, vector, encoding) values (?, ?, ?, ?, ?)",
            (operation, topic, name, vector, None if row is None else "FLOAT32"),
        )

    def text(self, name: str, text: str | None, **metadata: Any) -> None:
        self.db.execute(
            "insert into embeddings(segment_id, embedding_id, seq_id) values (?, ?, 1)", (f"{self.name}-texts", name)
        )
        at = self.db.last_insert_rowid()
        for key, value in {"chroma:document": text, **metadata}.items():
            kinds = (str, int, float, bool)
            row = [value if type(value) is kind else None for kind in kinds]
            self.said("embedding_metadata", at, key, *row)

    def rows(self, rows: Mapping[str, Any], *, old: bool = False) -> None:
        """The folder of those that are no longer in the queue."""
        folder = self.folder / f"{self.name}-rows"
        folder.mkdir()
        dimension = len(next(iter(rows.values())))
        size = 132 + 4 * dimension + 8
        head = struct.pack("<iQQQQQQiIQQQdQ", 1, 0, 2048, len(rows), size, size - 8, 132, 0, 0, 16, 32, 16, 0.36, 100)
        (folder / "header.bin").write_bytes(head)
        labels = {name: i + 1 for i, name in enumerate(rows)}
        elements = [
            bytes(132) + np.asarray(rows[name], dtype="<f4").tobytes() + struct.pack("<Q", labels[name])
            for name in reversed(rows)
        ]
        (folder / "data_level0.bin").write_bytes(b"".join(elements))
        said = {"dimensionality": None, "total_elements_added": len(rows), "max_seq_id": None, "id_to_label": labels,
                "label_to_id": {label: name for name, label in labels.items()}, "id_to_seq_id": {}}  # fmt: skip
        pickled = pickle.dumps(PersistentData(**said) if old else said, protocol=5 if old else 3)
        (folder / "index_metadata.pickle").write_bytes(pickled)
        self.said("max_seq_id", f"{self.name}-rows", self.n)

    def close(self) -> Path:
        self.db.close()
        return self.folder
