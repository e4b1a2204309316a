"""A store of vector-rag-tool 0.1: `NAME.meta.json`, and its rows in `NAME.faiss`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from vragd.backends.base import Entry
from vragd.errors import StoreMismatch, UsageError
from vragd.store.exported import Record, Records, Shape
from vragd.stores.moves.lines import key_of, number_of, plain_metadata, text_of, versioned
from vragd.stores.moves.pieces import pieces, value_of
from vragd.stores.moves.rows import Rows

META, ROWS = ".meta.json", ".faiss"
SHOWN = ("content_preview", "source_file", "line_start", "line_end")


def stores_of(folder: Path) -> dict[str, Path]:
    """The stores of a folder, by name, as the file of their metadata."""
    found = {file.name.removesuffix(META): file for file in sorted(folder.glob(f"*{META}"))}
    return {name: file for name, file in found.items() if file.with_name(f"{name}{ROWS}").is_file()}


class RagTool:
    """One store of a folder, or the one whose file is named. Raises UsageError; StoreMismatch for shifted rows."""

    with_text = True

    def __init__(self, path: Path, name: str | None = None) -> None:
        folder = path if path.is_dir() else path.parent
        stores = stores_of(folder)
        wanted = name or (None if path.is_dir() else path.name.removesuffix(META).removesuffix(ROWS))
        if wanted is None and len(stores) == 1:
            (wanted,) = stores
        if not stores or (wanted is not None and wanted not in stores):
            there = f"there are: {', '.join(stores)}" if stores else "a folder with NAME.meta.json and NAME.faiss"
            raise UsageError(f"{path} has no store {f'{wanted} ' if wanted else ''}of vector-rag-tool", hint=there)
        if wanted is None:
            raise UsageError(f"{folder.name} holds several stores: {', '.join(stores)}", hint="--collection NAME")
        self._name, self._meta, self.left_out = wanted, stores[wanted], Counter[str]()
        self.title = f"{wanted} of vector-rag-tool"
        self._rows = Rows(self._meta.with_name(f"{wanted}{ROWS}"))
        try:
            self.count: int | None = self._counted()
        except BaseException:
            self.close()
            raise
        self.shape = Shape(self._rows.dimension, "cosine" if self._rows.metric == "dot" else self._rows.metric)

    def _counted(self) -> int:
        said, n_named = dict[str, Any](), 0
        for piece in pieces(self._meta):
            if piece.key is None:
                said[piece.section] = value_of(piece.raw, self._meta.name)
            elif piece.section == "vectors":
                n_named += 1
        if said.get("dimension") != self._rows.dimension:
            raise StoreMismatch(
                f"{self._meta.name} says {said.get('dimension')!r}-d, rows are {self._rows.dimension}-d"
            )
        if said.get("next_id") != self._rows.count:
            raise StoreMismatch(
                f"{self._name}: {self._rows.count:,} rows, {self._meta.name} knows of {said.get('next_id')!r}: a save"
                " broke off, and nobody can tell which row is whose",
                hint="index again with vector-rag-tool, or add the folder to vragd",
            )
        return n_named

    def records(self) -> Records:
        self.left_out = left_out = Counter[str]()
        n_named = 0
        for piece in pieces(self._meta):
            if piece.section != "vectors" or piece.key is None:
                continue
            n_named += 1
            told = value_of(piece.raw, self._meta.name)
            number = told.get("index_id") if isinstance(told, dict) else None
            if not isinstance(number, int) or not 0 <= number < self._rows.count:
                left_out["without a vector"] += 1
                continue
            yield self._record(piece.key, number, told.get("metadata"))
        if stale := self._rows.count - n_named:
            left_out["that are stale: nothing names their rows"] += max(0, stale)

    def _record(self, name: str, number: int, given: object) -> Record:
        told: Mapping[str, Any] = given if isinstance(given, dict) else {}
        text, path = text_of(told.get("content_preview")), text_of(told.get("source_file"))
        payload: dict[str, str | int | tuple[str, ...]] = {
            "content": text, "path": path, "title": PurePath(path).stem, "source_name": self._name, "heading": (),
            "line_from": number_of(told.get("line_start")), "line_to": number_of(told.get("line_end")),
        }  # fmt: skip
        metadata = plain_metadata({key: value for key, value in told.items() if key not in SHOWN})
        known = {**metadata, "key": text_of(name)}
        entry = Entry(key_of("vectorragtool", name), self._rows.row(number), known, payload)
        return Record(versioned(entry), metadata, f"title: {PurePath(path).stem} | text: {text}")

    def close(self) -> None:
        self._rows.close()
