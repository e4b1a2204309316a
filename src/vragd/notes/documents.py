"""Which files are documents, in whose libraries' hands they are, and how what was found in one is passed on."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

LIBRARIES: Mapping[str, str] = {".pdf": "pypdfium2", ".docx": "docx", ".pptx": "pptx", ".xlsx": "openpyxl"}
EXTRA = "documents"


@cache
def missing_library(suffix: str) -> str | None:
    """The package without which files of this suffix cannot be read, as things are at the first call."""
    library = LIBRARIES[suffix]
    return library if importlib.util.find_spec(library) is None else None


@dataclass(slots=True)
class Section:
    """
    Text below headings. A line comes with its number: that of its page or slide, of its row in the sheet, or of its
    paragraph.
    """

    path: tuple[str, ...]
    lines: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Extracted:
    """What is in a document, in order. `is_cut`: there is more, and it was left."""

    sections: list[Section] = field(default_factory=list)
    is_cut: bool = False

    def packed(self) -> object:
        """For JSON."""
        return [[[one.path, one.lines] for one in self.sections], self.is_cut]

    @classmethod
    def unpacked(cls, packed: Any) -> Extracted:
        """From JSON. Raises ValueError or TypeError for what is none of ours."""
        sections, is_cut = packed
        return cls(
            [
                Section(tuple(str(part) for part in path), [(int(number), str(line)) for number, line in lines])
                for path, lines in sections
            ],
            bool(is_cut),
        )
