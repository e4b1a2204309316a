"""Names of files in links; and what a store may be called."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, quote_from_bytes

STORE = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
"""What all of a store's name is: the strictest backend's rule (an index of S3 Vectors)."""

_WITH_MARKS = ("md", "markdown", "mdx", "txt", "canvas")
_NO_LINK = re.compile(r"[#^|:\\\[\]]|%%")


def has_marks(path: str) -> bool:
    """Whether the text at `path` is Markdown by its name: what looks like a mark in code is none."""
    suffix = path.rpartition("/")[2].rpartition(".")[2].lower()
    return suffix in _WITH_MARKS or suffix == path.rpartition("/")[2].lower()


def link(root: Path, path: str, *, in_obsidian: bool, heading: Sequence[str] = (), line: int = 1) -> str:
    """
    A link that opens the note: in Obsidian for a vault, at its innermost heading, or the page of a PDF, whose number
    is that of its `line`; the file itself elsewhere.
    """
    if in_obsidian:
        file = path.removesuffix(".md")
        suffix = path.rpartition(".")[2].lower()
        # Obsidian writes a link to a heading without what means something in a link
        place = " ".join(_NO_LINK.sub(" ", heading[-1]).split()) if heading and has_marks(path) else ""
        place = f"page={line}" if suffix == "pdf" else place
        at = quote(f"#{place}", safe="", errors="replace") if place else ""
        # by its whole path: two vaults may have one name
        return f"obsidian://open?path={quote_from_bytes(os.fsencode(root / file), safe='')}{at}"
    return "file://" + quote_from_bytes(os.fsencode(root / path))
