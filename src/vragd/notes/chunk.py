"""Bytes of a file to a note: which reader takes it. How chunks are cut says `notes.cut`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType

from vragd.notes.cut import MAX_CHARS as MAX_CHARS
from vragd.notes.cut import MIN_CHARS as MIN_CHARS
from vragd.notes.model import Note

# Modules by suffix, with the version of what each makes: change it with anything that moves a boundary of a chunk, or
# changes what is embedded of it.
REGISTRY: Mapping[str, tuple[str, str]] = {
    ".md": ("markdown", "markdown-2"),
    ".markdown": ("markdown", "markdown-2"),
    ".txt": ("markdown", "markdown-2"),
    ".canvas": ("canvas", "canvas-1"),
}
VERSION = " ".join(sorted({version for _, version in REGISTRY.values()}))
"""Part of the space."""

_NO_TYPES: Mapping[str, str] = MappingProxyType({})


def read_note(data: bytes, stem: str, suffix: str = ".md", types: Mapping[str, str] = _NO_TYPES) -> Note:
    """
    The note in `data`; `stem` is its file name without `suffix`, which is in lower case. What nobody knows is Markdown.

    `types` are those of properties, by name in lower case, as in Obsidian's `types.json`. Linear in the size of `data`
    but for a logarithm. Raises NotIndexable for what is no note, or opts out with `vragd: false` in its properties.
    """
    module, _ = REGISTRY.get(suffix, REGISTRY[".md"])
    note: Note = importlib.import_module(f"vragd.notes.readers.{module}").read(data, stem, types)
    return note
