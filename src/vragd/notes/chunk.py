"""Bytes of a file to a note: which reader takes it. How chunks are cut says `notes.cut`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cache

from vragd.notes.documents import LIBRARIES, Extracted
from vragd.notes.languages import SUFFIXES, missing_grammar
from vragd.notes.model import Note
from vragd.notes.optout import Key
from vragd.notes.outline import Stretch
from vragd.notes.size import MAX_CHARS as MAX_CHARS
from vragd.notes.size import MIN_CHARS as MIN_CHARS

# Modules by suffix, with the version of what each makes: change it with anything that moves a boundary of a chunk, or
# changes what is embedded of it. The catalog keeps it of each note, and those of another version are read again.
REGISTRY: Mapping[str, tuple[str, str]] = {
    ".md": ("markdown", "markdown-6"),
    ".markdown": ("markdown", "markdown-6"),
    ".txt": ("markdown", "markdown-6"),
    ".canvas": ("canvas", "canvas-4"),
    **dict.fromkeys(SUFFIXES, ("code", "code-3")),
    **dict.fromkeys(LIBRARIES, ("document", "documents-2")),
}
# What nobody knows is Markdown. The version changes with Markdown's, and when a suffix is added above.
OTHER = ("markdown", "other-6")
VERSION = "canvas-1 markdown-2"
"""Part of the space, of when all readers had one version there. It stays: another would be another space."""


def split_name(path: str) -> tuple[str, str]:
    """The file name at the end of `path` without its suffix, and that, a dot first, in lower case."""
    stem, _, suffix = path.rpartition("/")[2].rpartition(".")
    return stem or path, f".{suffix.lower()}"


def may_be_closed(suffix: str) -> bool:
    """Whether files of `suffix` can say of themselves that they are not for assistants."""
    return REGISTRY.get(suffix, OTHER)[0] in ("markdown", "code")


def noes(data: bytes, suffix: str) -> tuple[Key, ...]:
    """
    What the file in `data`, one that `may_be_closed`, opts out of: of being indexed, or of assistants.

    Little but its beginning is read. Raises NotIndexable for what is no text.
    """
    module, _ = REGISTRY.get(suffix, OTHER)
    answer: tuple[Key, ...] = importlib.import_module(f"vragd.notes.readers.{module}").noes(data)
    return answer


def version_of(suffix: str) -> str:
    """The version of what reads files of `suffix` as things are installed: of code, which grammar is missing."""
    module, version = REGISTRY.get(suffix, OTHER)
    missing = missing_grammar(suffix) if module == "code" else None
    return f"{version} without {missing}" if missing else version


@cache
def versions() -> tuple[str, ...]:
    """Of all readers, as things are installed: a note whose reader is none of these is to be read again."""
    return tuple(sorted({OTHER[1], *map(version_of, REGISTRY)}))


def read_note(
    data: bytes,
    stem: str,
    suffix: str = ".md",
    *,
    found: Sequence[Stretch] | Extracted | None = None,
) -> Note:
    """
    The note in `data`; `stem` is its file name without `suffix`, which is in lower case. What nobody knows is Markdown.

    Linear in the size of `data` but for a logarithm. `found` is what a process of its own made of a document, without
    which there is no note, or of code, which is cut between paragraphs else. Raises NotIndexable for what is no note,
    or opts out with `vragd: false` in its properties.
    """
    module, _ = REGISTRY.get(suffix, OTHER)
    reader = importlib.import_module(f"vragd.notes.readers.{module}")
    given = (suffix, found) if module in ("code", "document") else ()
    note: Note = reader.read(data, stem, *given)
    return note
