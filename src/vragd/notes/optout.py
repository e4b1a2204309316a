"""
What a note says no to in its front matter, however that is spelled: `vragd: false`, it is not to be indexed; `ai:
false` or `mcp: false`, it is not for assistants.

Looked for line by line, so that front matter which is no YAML at all, or never ends, cannot hide it; and by the parser
of `notes.properties`, to which every spelling of a key is the same. Either is enough. To leave a note out that did not
mean it is the safer mistake: any value but true, yes, on and 1 is a no.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vragd.notes.fenced import documents, plain

_YES = frozenset({"true", "yes", "on", "1"})
_TAGS = r"(?:[!&]\S{0,100}\s{1,100}){0,4}"
_MOST_TAGS = 4
_MERGE = re.compile(rf"""^\s*{_TAGS}["']?<<["']?\s*:""")
_TAG = re.compile(r"^(?:[!&][^\s,}\]]*\s*)+")
_VALUE = re.compile(r":\s+")
# A line that may hold a key in a spelling which is not that of its letters.
_ODD = re.compile(r"[^\t\n -\[\]-~]")
_AWAITS = re.compile(r"(?![-?]\s)[^#]*:\s*(?:[!&]\S{0,100}(?:\s{1,100}|$)){0,4}(?:#.*)?$")
_ITEM = re.compile(r"-(?:\s|$)")
_ALIAS = re.compile(r"(?<!\S)\*([^\s:,]{1,100})\s{0,100}:")


class Key:
    """A key of front matter, or several that mean the same, by which a note says no."""

    def __init__(self, *names: str) -> None:
        either = "|".join(names)
        # at the beginning of a line or of a list's item, or anywhere within a mapping in braces; quoted or not, with
        # or without a tag or an anchor of its own
        quoted = "|".join(rf"{quote}\s{{0,100}}(?:{either})\s{{0,100}}{quote}" for quote in "\"'")
        name = rf"{_TAGS}(?:{quoted}|(?:{either}))\s*[:=]"
        self._names = frozenset(names)
        self._perhaps = re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE)
        self._key = re.compile(rf"^\s*(?:[-?]\s+)?{name}", re.IGNORECASE)
        self._in_braces = re.compile(rf"(?:^\s*|[{{,]\s{{0,100}}){name}", re.IGNORECASE)
        self._anchored = re.compile(rf"""&(\S{{1,100}})\s{{1,100}}["']?(?:{either})["']?(?!\w)""", re.IGNORECASE)
        self._complex = re.compile(rf"""^\s*\?\s*{_TAGS}(["']?)(?:{either})\1\s*(?:\#.*)?$""", re.IGNORECASE)

    def says_no(self, lines: Sequence[str]) -> bool:
        """Whether the note of these lines says no. Never raises; linear in the length of its front matter."""
        return any(self.is_said_in(*document) for document in documents(lines))

    def is_said_in(self, found: Sequence[str], is_sure: bool) -> bool:
        """Whether a document says no, as `fenced.documents` gives it: of what may be text no sentence does."""
        whole = "\n".join(found)
        if _ODD.search(whole) is None and self._perhaps.search(whole) is None:
            return False
        if "*" in whole:
            found = self._without_aliases(found, whole)
        least, in_braces = 1 << 30, False  # how far in the mapping's own keys stand
        holds, inner, merges = False, 0, False  # whether the last of these may hold what stands further in; how far
        awaits = False  # whether it has no value yet: a list may stand as far in as it does
        for i, line in enumerate(found):
            blank = line.strip()
            if not blank or blank[0] == "#":
                continue
            indent = len(line) - len(line.lstrip())
            in_braces = in_braces or (least == 1 << 30 and blank[0] == "{")
            merges = merges or _MERGE.match(line) is not None
            is_own = indent <= least
            if awaits and indent == least and _ITEM.match(blank):
                continue
            if not is_own and holds:
                inner = inner or indent
            # below a key that has its value, and between two levels, it belongs to nobody: somebody hit the space bar
            is_top = in_braces or is_own or not holds or indent < inner or blank[0] == "{"
            least = min(least, indent)
            braces = in_braces or blank[0] == "{" or (merges and "{" in blank)
            if is_top and self._is_no(plain(line), found[i + 1 : i + 20], is_sure, braces=braces):
                return True
            if is_own:
                holds, inner, awaits = _may_hold(blank), 0, _AWAITS.match(blank) is not None
        return merges and self.says_no_anywhere(found)

    def _without_aliases(self, lines: Sequence[str], whole: str) -> Sequence[str]:
        """The lines with the key itself where an alias stands for it."""
        named, (name, *_) = set(self._anchored.findall(whole)), self._names

        def spelled(alias: re.Match[str]) -> str:
            return f"{name}:" if alias[1] in named else alias[0]

        return [_ALIAS.sub(spelled, line) for line in lines] if named else lines

    def says_no_anywhere(self, lines: Sequence[str]) -> bool:
        """Whether a mapping of these lines says no, however far in: what is merged into another may stand anywhere."""
        seen = [plain(line) for line in lines]
        return any(self._is_no(line, lines[i + 1 : i + 20], True, braces="{" in line) for i, line in enumerate(seen))

    def is_named(self, name: str) -> bool:
        """Whether a name of a property, as a parser of YAML gives it, is the key."""
        return plain(name).strip().lower() in self._names

    def _is_no(self, line: str, following: Sequence[str], is_sure: bool, *, braces: bool) -> bool:
        if self._perhaps.search(line) is None:
            return False
        if self._complex.match(line):
            return not _says_yes(_first_of(following).strip().removeprefix(":"))
        for value in self._values(line, braces=braces):
            if not value and (after := _first_of(following))[:1] in (" ", "\t"):
                value = after.strip()  # it stands on a line of its own
            if not is_sure and len(_bare(value).split()) > 1:
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


def _first_of(following: Sequence[str]) -> str:
    """The first line of these that says anything."""
    lines = (plain(one) for one in following)
    return next((one for one in lines if one.strip() and one.lstrip()[0] != "#"), "")


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
            return text[1:].replace(quote * 2 if quote == "'" else '\\"', "").find(quote) < 0
        case "[" | "{" as bracket:
            return text.count(bracket) > text.count("]" if bracket == "[" else "}")
    return False


def says_yes(value: str) -> bool:
    """Whether a scalar, as a parser of YAML gives it, is a yes."""
    return plain(value).strip().lower() in _YES


def _bare(value: str) -> str:
    """The value without comment, tag, anchor, quotes, and what ends it within braces."""
    value = _TAG.sub("", value.strip())
    if value[:1] in ("'", '"'):
        end = value.find(value[0], 1)
        return value[1 : end if end > 0 else len(value)].strip()
    return f" {value}".partition(" #")[0].partition(",")[0].partition("}")[0].strip()


def _says_yes(value: str) -> bool:
    return _bare(value).lower() in _YES
