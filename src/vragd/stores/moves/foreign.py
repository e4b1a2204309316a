"""What other programs keep, told by its content and opened to be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vragd.errors import UsageError
from vragd.store.exported import Origin
from vragd.stores.moves.chroma import Chroma, is_chroma
from vragd.stores.moves.lines import Lines
from vragd.stores.moves.llamaindex import LlamaIndex, files_of
from vragd.stores.moves.ragtool import RagTool, stores_of


def _is_llamaindex(path: Path) -> bool:
    return path.is_dir() and bool(files_of(path))


def _is_ragtool(path: Path) -> bool:
    return bool(stores_of(path if path.is_dir() else path.parent)) and path.suffix in ("", ".json", ".faiss")


def _is_lines(path: Path) -> bool:
    """Whether the first line is an object by itself."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(1 << 20).strip()
    return first.startswith(b"{") and first.endswith(b"}")


RECOGNISED: dict[str, Callable[[Path], bool]] = {
    "llamaindex": _is_llamaindex,
    "chroma": is_chroma,
    "vector-rag-tool": _is_ragtool,
    "jsonl": _is_lines,
}


def looks_like(path: Path) -> str:
    """The kind that what is at `path` is, by its content; "" for none that is read."""
    return next((kind for kind, recognised in RECOGNISED.items() if recognised(path)), "")


def open_as(kind: str, path: Path, collection: str | None = None) -> Origin:
    """
    What is at `path`, which is said to be of this kind; `collection` is which of several.

    Raises UsageError for something else, saying what it looks like.
    """
    if not path.exists():
        raise UsageError(f"there is no {path}", hint="name the file or the folder that is to be read")
    found = looks_like(path)
    if found and found != kind and not RECOGNISED[kind](path):
        raise UsageError(f"{path} looks like {found}, not {kind}", hint=f"vragd import {found} …")
    if kind == "llamaindex":
        return LlamaIndex(path, collection)
    if kind == "chroma":
        return Chroma(path, collection)
    if kind == "vector-rag-tool":
        return RagTool(path, collection)
    if collection is not None:
        raise UsageError("a file of lines holds one collection", hint="leave --collection out")
    return Lines(path)
