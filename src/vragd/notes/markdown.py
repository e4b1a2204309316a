"""Bytes to lines, and where the properties of a note end."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from vragd.notes.model import NotIndexable

MAX_FRONT_MATTER_LINES = 2_000
_NUL_SHARE = 0.01
_HIGH = re.compile(rb"[\x80-\xff]+")
_UNUSED = frozenset(b"\x81\x8d\x8f\x90\x9d")  # of Windows-1252


def decode(data: bytes) -> tuple[str, bool]:
    """
    The text of `data`, and whether bytes had to be replaced. Line ends become a single newline.

    UTF-8 with or without a mark, UTF-16 with one. What is neither and looks like Windows-1252 is read as that, and
    told as a loss all the same: it is a guess. Raises NotIndexable for what is no text at all.
    """
    lossy = False
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
        lossy = "�" in text
    else:
        if data.count(0) > len(data) * _NUL_SHARE:
            raise NotIndexable("binary")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text, lossy = _guessed(data), True
    return text.replace("\r\n", "\n").replace("\r", "\n"), lossy


def _guessed(data: bytes) -> str:
    """
    As Windows-1252 where bytes above ASCII stand alone, as letters with marks do there; else UTF-8 with replacements.

    A damaged note in UTF-8 has pairs and triples of such bytes.
    """
    runs = _HIGH.findall(data)
    if sum(len(run) == 1 for run in runs) >= 0.8 * len(runs) and not any(map(_UNUSED.__contains__, data)):
        return data.decode("cp1252", "replace")
    return data.decode("utf-8-sig", "replace")


def front_matter(lines: Sequence[str]) -> int:
    """How many lines the front matter takes, its two `---` included; 0 if there is none, or it never ends."""
    if not lines or lines[0].rstrip() != "---":
        return 0
    for i in range(1, min(len(lines), MAX_FRONT_MATTER_LINES)):
        if lines[i].rstrip() in ("---", "..."):
            return i + 1
    return 0
