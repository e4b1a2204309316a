"""
A directory that LlamaIndex persisted: `docstore.json`, and vectors in `NAMESPACE__vector_store.json`, which is JSON or,
under the same name, an index of FAISS's whose rows `index_store.json` names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vragd.backends.base import Entry
from vragd.errors import StoreMismatch, UsageError
from vragd.store.exported import Record, Records, Shape
from vragd.stores.moves.lines import key_of, plain_metadata, row_of, versioned
from vragd.stores.moves.pieces import pieces, value_of
from vragd.stores.moves.rows import Rows, is_index

ENDING = "vector_store.json"
NODE = "1"
"""What `docstore.json` calls the type of a passage; others are the documents that they were cut from."""


def files_of(folder: Path) -> dict[str, Path]:
    """The files of vectors, by namespace; none where the folder is no such directory."""
    found = {
        file.name.removesuffix(ENDING).removesuffix("__") or "default": file
        for file in sorted(folder.glob(f"*{ENDING}"))
        if file.is_file()
    }
    return found if (folder / "docstore.json").is_file() else {}


class LlamaIndex:
    """The passages of one namespace. Raises UsageError for what is none, or for several of which none is chosen."""

    with_text = True

    def __init__(self, folder: Path, namespace: str | None = None) -> None:
        self._folder, self.left_out = folder, Counter[str]()
        self._rows: Rows | None = None
        self._file = _chosen(folder, namespace)
        self.title = f"{folder.name} ({self._file.name})"
        self._docstore: BinaryIO = (folder / "docstore.json").open("rb")
        try:
            self._nodes = _places(folder / "docstore.json")
            if is_index(_beginning(self._file)):
                self._rows = Rows(self._file)
                self._names = _names(folder / "index_store.json", self._rows.count)
                self.count: int | None = len(self._names)
                self.shape = Shape(self._rows.dimension, self._metric(self._rows))
            else:
                self.count, self.shape = _n_vectors(self._file), Shape(0, "cosine")
        except BaseException:
            self.close()
            raise

    def _metric(self, rows: Rows) -> str:
        """Of vectors of length 1, which most are, the product and the distance are the cosine, which is easier read."""
        first = [rows.row(number).astype(np.float64) for number in list(self._names)[:16]]
        is_unit = bool(first) and bool(np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-3))
        return "cosine" if is_unit else rows.metric

    def records(self) -> Records:
        self.left_out = left_out = Counter[str]()
        seen = set[str]()
        for name, row in self._vectors():
            seen.add(name)
            yield self._record(name, row)
        for name in self._nodes.keys() - seen:
            if self._kind(name) == NODE:
                left_out["without a vector"] += 1
        if self._rows is not None and self._rows.count > len(self._names):
            left_out["that index_store.json does not name"] += self._rows.count - len(self._names)

    def _vectors(self) -> Iterator[tuple[str, np.ndarray | None]]:
        if self._rows is not None:
            for number, name in self._names.items():
                yield name, self._rows.row(number)
            return
        for piece in pieces(self._file):
            if piece.section == "embedding_dict" and piece.key is not None:
                yield piece.key, row_of(value_of(piece.raw, self._file.name))

    def _told(self, name: str) -> Mapping[str, Any]:
        place = self._nodes.get(name)
        if place is None:
            return {}
        self._docstore.seek(place[0])
        found = value_of(self._docstore.read(place[1]), "docstore.json")
        return found if isinstance(found, dict) else {}

    def _kind(self, name: str) -> str:
        return str(self._told(name).get("__type__", NODE))

    def _record(self, name: str, row: np.ndarray | None) -> Record:
        node = self._told(name).get("__data__", {})
        if isinstance(node, str):  # of its first years
            node = value_of(node.encode("utf-8", "surrogatepass"), "docstore.json")
        node = node if isinstance(node, dict) else {}
        text, metadata = _text(node), _metadata(node)
        path = next((_plain(metadata[key]) for key in PATHS if metadata.get(key)), "")
        payload: dict[str, str | int | tuple[str, ...]] = {
            "content": _plain(text), "path": path, "title": _plain(metadata.get("title", "")) or Path(path).stem,
            "source_name": self._folder.name, "heading": (), "line_from": 0, "line_to": 0,
        }  # fmt: skip
        entry = Entry(key_of("llamaindex", name), row, {**plain_metadata(metadata), "node": _plain(name)}, payload)
        return Record(versioned(entry), plain_metadata(metadata), embedded(node))

    def close(self) -> None:
        self._docstore.close()
        if self._rows is not None:
            self._rows.close()


PATHS = ("file_path", "source", "path", "url", "file_name", "filename")


def _plain(value: object) -> str:
    return str(value).encode("utf-8", "replace").decode()


def _text(node: Mapping[str, Any]) -> str:
    resource = node.get("text_resource")
    text = node.get("text") if not isinstance(resource, dict) else resource.get("text")
    return text if isinstance(text, str) else ""


def _metadata(node: Mapping[str, Any]) -> Mapping[str, Any]:
    found = node.get("metadata", node.get("extra_info"))
    return found if isinstance(found, dict) else {}


def embedded(node: Mapping[str, Any]) -> str:
    """The text of a node as LlamaIndex embeds it: its metadata, but for what is excluded, and its text."""
    text, excluded = _text(node), node.get("excluded_embed_metadata_keys")
    hidden = excluded if isinstance(excluded, list) else []
    template = _template(node, "metadata_template", "{key}: {value}")
    separator = _template(node, "metadata_seperator", _template(node, "metadata_separator", "\n"))
    lines = [
        template.replace("{key}", str(key)).replace("{value}", str(value))
        for key, value in _metadata(node).items()
        if key not in hidden
    ]
    said = separator.join(lines).strip()
    if not said:
        return text
    whole = _template(node, "text_template", "{metadata_str}\n\n{content}")
    before, _, after = whole.partition("{content}")
    return (before.replace("{metadata_str}", said) + text + after.replace("{metadata_str}", said)).strip()


def _template(node: Mapping[str, Any], key: str, default: str) -> str:
    found = node.get(key)
    return found if isinstance(found, str) else default


def _beginning(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(64)


def _chosen(folder: Path, namespace: str | None) -> Path:
    files = files_of(folder)
    if not files:
        raise UsageError(
            f"{folder} is no directory of LlamaIndex: it has no docstore.json or no *{ENDING}",
            hint="name the folder that a storage context persisted",
        )
    if namespace is not None:
        if namespace not in files:
            raise UsageError(f"{folder.name} has no namespace {namespace!r}", hint=f"there are: {', '.join(files)}")
        return files[namespace]
    filled = {name: file for name, file in files.items() if is_index(_beginning(file)) or _n_vectors(file)}
    if len(filled) > 1:
        raise UsageError(
            f"{folder.name} holds vectors of several namespaces: {', '.join(filled)}",
            hint="--collection NAME, one a time",
        )
    return next(iter((filled or files).values()))


def _n_vectors(file: Path) -> int:
    return sum(piece.section == "embedding_dict" and piece.key is not None for piece in pieces(file))


def _places(docstore: Path) -> dict[str, tuple[int, int]]:
    """Where in the file each node stands, and how long it is."""
    return {
        piece.key: (piece.at, len(piece.raw))
        for piece in pieces(docstore)
        if piece.key is not None and piece.section.endswith("/data")
    }


def _names(index_store: Path, count: int) -> dict[int, str]:
    """The node of each row. Raises StoreMismatch where they cannot be of these rows."""
    found = list[dict[int, str]]()
    if index_store.is_file():
        for piece in pieces(index_store):
            if piece.key is not None and piece.section.endswith("/data"):
                found += _numbered(value_of(piece.raw, index_store.name))
    if len(found) != 1:
        what = "names the rows of several indexes" if found else "does not name the rows of the vectors"
        raise StoreMismatch(f"{index_store.name} {what}", hint="persist the one index again, or --reembed from lines")
    (names,) = found
    if beyond := sum(not 0 <= number < count for number in names):
        raise StoreMismatch(
            f"{index_store.name} names {beyond:,} rows that the vectors do not have ({count:,}): two saves",
            hint="persist the index again",
        )
    return names


def _numbered(index: Any) -> list[dict[int, str]]:
    told = index.get("__data__") if isinstance(index, dict) else None
    if isinstance(told, str):
        told = value_of(told.encode("utf-8", "surrogatepass"), "index_store.json")
    nodes = told.get("nodes_dict") if isinstance(told, dict) else None
    if not isinstance(nodes, dict) or not nodes or not all(key.isdecimal() and key.isascii() for key in nodes):
        return []
    return [{int(key[:18]): str(name) for key, name in nodes.items()}]
