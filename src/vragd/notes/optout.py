"""
What a note says no to in its front matter, however that is spelled: `vragd: false`, it is not to be indexed; `ai:
false` or `mcp: false`, it is not for assistants.

Looked for line by line, so that front matter which is no YAML at all, or never ends, cannot hide it; and by the parser
of `notes.properties`, to which every spelling of a key is the same. Either is enough. To leave a note out that did not
mean it is the safer mistake: any value but true, yes, on and 1 is a no.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

MAX_LINES = 2_000
"""Of front matter that never ends; of what does, all is looked through."""
_YES = frozenset({"true", "yes", "on", "1"})
_FENCE = "---"
_TAGS = r"(?:[!&]\S{0,100}\s{1,100}){0,4}"
_MOST_TAGS = 4
_MERGE = re.compile(r"""^\s*["']?<<["']?\s*:""")
_TAG = re.compile(r"^(?:[!&][^\s,}\]]*\s*)+")
_VALUE = re.compile(r":\s+")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))", re.IGNORECASE)
# What is there and cannot be seen (category Cf, and selectors of a variant), as it comes along with what is pasted.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


class Key:
    """A key of front matter, or several that mean the same, by which a note says no."""

    def __init__(self, *names: str) -> None:
        either = "|".join(names)
        # at the beginning of a line or of a list's item, or anywhere within a mapping in braces; quoted or not, with
        # or without a tag or an anchor of its own
        name = rf"""{_TAGS}(?:"(?:{either})"|'(?:{either})'|(?:{either}))\s*[:=]"""
        self._names = frozenset(names)
        self._perhaps = re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE)
        self._key = re.compile(rf"^\s*(?:[-?]\s+)?{name}", re.IGNORECASE)
        self._in_braces = re.compile(rf"(?:^\s*|[{{,]\s{{0,100}}){name}", re.IGNORECASE)
        self._complex = re.compile(rf"""^\s*\?\s*{_TAGS}(["']?)(?:{either})\1\s*(?:\#.*)?$""", re.IGNORECASE)

    def says_no(self, lines: Sequence[str]) -> bool:
        """Whether the note of these lines says no. Never raises; linear in the length of its front matter."""
        found, is_closed = _front_matter(lines)
        whole = "\n".join(found)
        if whole.isascii() and "\\" not in whole and self._perhaps.search(whole) is None:
            return False
        least, in_braces = 1 << 30, False  # how far in the mapping's own keys stand
        holds, inner, merges = False, 0, False  # whether the last of these may hold what stands further in; how far
        for i, line in enumerate(found):
            blank = line.strip()
            if not blank or blank[0] == "#":
                continue
            indent = len(line) - len(line.lstrip())
            in_braces = in_braces or (least == 1 << 30 and blank[0] == "{")
            merges = merges or _MERGE.match(line) is not None
            is_own = indent <= least
            if not is_own and holds:
                inner = inner or indent
            # below a key that has its value, and between two levels, it belongs to nobody: somebody hit the space bar
            is_top = in_braces or is_own or not holds or indent < inner or blank[0] == "{"
            least = min(least, indent)
            braces = in_braces or blank[0] == "{" or (merges and "{" in blank)
            if is_top and self._is_no(_plain(line), found[i + 1 : i + 2], is_closed, braces=braces):
                return True
            if is_own:
                holds, inner = _may_hold(blank), 0
        return merges and self.says_no_anywhere(found)

    def says_no_anywhere(self, lines: Sequence[str]) -> bool:
        """Whether a mapping of these lines says no, however far in: what is merged into another may stand anywhere."""
        plain = [_plain(line) for line in lines]
        return any(self._is_no(line, lines[i + 1 : i + 2], True, braces="{" in line) for i, line in enumerate(plain))

    def is_named(self, name: str) -> bool:
        """Whether a name of a property, as a parser of YAML gives it, is the key."""
        return _plain(name).strip().lower() in self._names

    def _is_no(self, line: str, following: Sequence[str], is_closed: bool, *, braces: bool) -> bool:
        if self._perhaps.search(line) is None:
            return False
        after = _plain(following[0]) if following else ""
        if self._complex.match(line):
            return not _says_yes(after.strip().removeprefix(":"))
        for value in self._values(line, braces=braces):
            if not value and after[:1] in (" ", "\t"):
                value = after.strip()  # it stands on a line of its own
            if not is_closed and len(_bare(value).split()) > 1:
                continue  # a sentence, in a note that only begins with a rule
            if not _says_yes(value):
                return True
        return False

    def _values(self, line: str, *, braces: bool) -> Iterator[str]:
        if braces:
            matches = self._in_braces.finditer(line)
        else:
            matches = iter([match] if (match := self._key.match(line)) else [])
        for match in matches:
            yield line[match.end() : match.end() + 200].strip()


OPT_OUT = Key("vragd")
"""It is not to be indexed."""
CLOSED = Key("ai", "mcp")
"""It is not for assistants."""
KEYS = (OPT_OUT, CLOSED)


def _may_hold(line: str) -> bool:
    """Whether what stands further in below this line may be its value, or the rest of it."""
    if line[0] in "-?[{":
        return True
    value = _VALUE.search(line)
    text = line[value.end() :] if value else ""
    for _ in range(_MOST_TAGS):
        text = text.partition(" ")[2].lstrip() if text[:1] in ("!", "&") else text
    match text[:1]:
        case "" | "#" | "|" | ">":
            return True
        case '"' | "'" as quote:
            return text.find(quote, 1) < 0
        case "[" | "{" as bracket:
            return text.count(bracket) > text.count("]" if bracket == "[" else "}")
    return False


def says_yes(value: str) -> bool:
    """Whether a scalar, as a parser of YAML gives it, is a yes."""
    return _plain(value).strip().lower() in _YES


def _front_matter(lines: Sequence[str]) -> tuple[Sequence[str], bool]:
    """The lines of the front matter without its fences, and whether it ends."""
    start = 0
    while start < min(len(lines), 20) and not _plain(lines[start]).strip():
        start += 1
    if start >= len(lines) or _plain(lines[start]).strip() != _FENCE:
        return (), True
    for end in range(start + 1, len(lines)):
        if lines[end].rstrip() in (_FENCE, "..."):
            return lines[start + 1 : end], True
    return lines[start + 1 : start + MAX_LINES], False


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
    """The line without characters nobody sees, wide ones as their common form, those written as numbers as they are."""
    if "\\" in line:
        line = _ESCAPE.sub(lambda found: chr(min(int(found[1] or found[2] or found[3], 16), 0x10FFFF)), line)
    return line if line.isascii() else _INVISIBLE.sub("", unicodedata.normalize("NFKC", line))
