"""
What stands before a note's text between two lines of `---`, a YAML document at a time; wider than any one program takes
it, for whoever looks there for what the author does not want.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

MAX_LINES = 2_000
"""Of what never ends, and of what comes after `...`; of what does end, all is looked through."""
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))", re.IGNORECASE)
# What is there and cannot be seen (category Cf, and selectors of a variant), as it comes along with what is pasted.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_AS_TYPED = str.maketrans({**dict.fromkeys("“”„‟«»", '"'), **dict.fromkeys("‘’‚‛", "'")})
_DASHES = str.maketrans({"—": "--", "―": "--", "–": "-", "‐": "-", "‑": "-", "−": "-"})
_FENCE, _TOML, _END = "---", "+++", "..."
_CODE = ("```", "~~~")


def plain(line: str) -> str:
    """The line without what nobody sees, wide characters, curly quotes and those written as numbers as they are."""
    if "\\" in line:
        line = _ESCAPE.sub(lambda found: chr(min(int(found[1] or found[2] or found[3], 16), 0x10FFFF)), line)
    if not line.isascii():
        return _INVISIBLE.sub("", unicodedata.normalize("NFKC", line).translate(_AS_TYPED))
    return line if line.isprintable() else _INVISIBLE.sub("", line)


def documents(lines: Sequence[str]) -> Iterator[tuple[list[str], bool]]:
    """
    Each document, without fences, and whether it surely is one: what comes after `...` up to the next fence may be
    text where it has a line without anything, and what has no fence below may all be text.
    """
    each = _each(lines)
    opening = _opening(each)
    if opening is None:
        return
    fences, document = {_FENCE, opening.split(" ", 1)[0]}, _on_the_fence(opening)
    if opening == _TOML:
        yield _above_tables(each)
        return
    is_first = True
    for line in each:
        if not is_first and (line.startswith(_CODE) or len(document) >= MAX_LINES):
            break
        bare = line.rstrip()
        if bare == _END or bare.startswith(f"{_END} #"):
            yield document, is_first or all(document)
            document, is_first = [], False
        elif bare in fences:
            if not _only_begins(document, is_first=is_first):
                yield document, is_first or all(map(str.strip, document))
                return
            document = []
        else:
            document.append(line)
    yield document[:MAX_LINES], False


def _each(lines: Iterable[str]) -> Iterator[str]:
    """The lines as anybody sees them: programs differ in what ends one."""
    for line in lines:
        yield from line.splitlines() or ("",)


def _opening(each: Iterator[str]) -> str | None:
    """The fence that all begins with, below blanks and directives; None where something else comes first."""
    for line in each:
        bare = plain(line).strip()
        if bare and bare[0] != "%":
            fence = bare.partition(" ")[0].translate(_DASHES)
            rest = bare.partition(" ")[2].strip()
            if fence == _TOML and not rest:
                return _TOML
            if fence == _FENCE and (not rest or rest[0] in "#{!&"):
                return line.strip()
            return None
    return None


def _on_the_fence(opening: str) -> list[str]:
    """What stands behind a fence on its line, which YAML allows."""
    rest = opening.partition(" ")[2].strip()
    return [rest] if rest else []


def _only_begins(document: Sequence[str], *, is_first: bool) -> bool:
    """Whether a fence below these lines is still none that ends a document: of a first one they are directives."""
    said = [line for line in document if line.strip() and line.lstrip()[0] != "#"]
    return bool(said or not is_first) and all(line[0] == "%" for line in said)


def _above_tables(each: Iterator[str]) -> tuple[list[str], bool]:
    """The keys of TOML that are in no table."""
    document: list[str] = []
    for line in islice(each, MAX_LINES):
        if line.rstrip() == _TOML:
            return document, True
        if line.lstrip().startswith("["):
            return document, True
        document.append(line)
    return document, False
