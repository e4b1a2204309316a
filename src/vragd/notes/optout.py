"""
Whether a note says that it is not to be indexed: `vragd: false` in its front matter, however that is spelled.

Looked for line by line, so that front matter which is no YAML at all, or never ends, cannot hide it. To leave a note
out that did not mean it is the safer mistake: any value but true, yes, on and 1 is a no.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

MAX_LINES = 2_000
_YES = frozenset({"true", "yes", "on", "1"})
_FENCE = "---"
# The key at the beginning of a line or of a list's item, or anywhere within a mapping in braces; quoted or not.
_NAME = r"""(?:"vragd"|'vragd'|vragd)\s*[:=]"""
_KEY = re.compile(rf"^\s*(?:[-?]\s+)?{_NAME}", re.IGNORECASE)
_KEY_IN_BRACES = re.compile(rf"(?:^\s*|[{{,]\s{{0,100}}){_NAME}", re.IGNORECASE)
_COMPLEX_KEY = re.compile(r"""^\s*\?\s*(["']?)vragd\1\s*(?:\#.*)?$""", re.IGNORECASE)
_TAG = re.compile(r"^(?:[!&][^\s,}\]]*\s*)+")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))


def opts_out(lines: Sequence[str]) -> bool:
    """Whether the note of these lines opts out. Never raises; linear in the length of its front matter."""
    found, is_closed = _front_matter(lines)
    least, in_braces = 1 << 30, False  # how far in the mapping's own keys stand
    for i, line in enumerate(found):
        blank = line.strip()
        if not blank or blank[0] == "#":
            continue
        indent = len(line) - len(line.lstrip())
        in_braces = in_braces or (least == 1 << 30 and blank[0] == "{")
        is_top = in_braces or indent <= least or blank[0] == "{"
        least = min(least, indent)
        if is_top and _says_no(_plain(line), found[i + 1 : i + 2], is_closed, braces=in_braces or blank[0] == "{"):
            return True
    return False


def _says_no(line: str, following: Sequence[str], is_closed: bool, *, braces: bool) -> bool:
    if "vragd" not in line.lower():
        return False
    after = _plain(following[0]) if following else ""
    if _COMPLEX_KEY.match(line):
        return not _says_yes(after.strip().removeprefix(":"))
    for value in _values(line) if braces else _first_value(line):
        if not value and after[:1] in (" ", "\t"):
            value = after.strip()  # it stands on a line of its own
        if not is_closed and len(_bare(value).split()) > 1:
            continue  # a sentence, in a note that only begins with a rule
        if not _says_yes(value):
            return True
    return False


def _front_matter(lines: Sequence[str]) -> tuple[Sequence[str], bool]:
    """The lines of the front matter without its fences, and whether it ends."""
    start = 0
    while start < min(len(lines), 20) and not _plain(lines[start]).strip():
        start += 1
    if start >= len(lines) or _plain(lines[start]).strip() != _FENCE:
        return (), True
    some = lines[start + 1 : start + MAX_LINES]
    for i, line in enumerate(some):
        if line.rstrip() in (_FENCE, "..."):
            return some[:i], True
    return some, False


def _values(line: str) -> Iterator[str]:
    for match in _KEY_IN_BRACES.finditer(line):
        yield line[match.end() : match.end() + 200].strip()


def _first_value(line: str) -> Iterator[str]:
    if match := _KEY.match(line):
        yield line[match.end() : match.end() + 200].strip()


def _bare(value: str) -> str:
    """The value without comment, tag, anchor, quotes, and what ends it within braces."""
    value = _TAG.sub("", value.strip())
    if value[:1] in ("'", '"'):
        end = value.find(value[0], 1)
        return value[1 : end if end > 0 else len(value)].strip()
    return f" {value}".partition(" #")[0].partition(",")[0].partition("}")[0].strip()


def _says_yes(value: str) -> bool:
    return _bare(value).lower() in _YES


def _plain(line: str) -> str:
    """The line without characters nobody sees, wide ones as their common form."""
    return line if line.isascii() else unicodedata.normalize("NFKC", line).translate(_INVISIBLE)
