"""
What stands within lines: links, tags, comments, code, formulas, footnotes, block ids, fields, marks of emphasis.

One pass over a stretch of text. Whatever is looked for further on is looked for in a table made once, so that it stays
linear however many openings are never closed.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass, field
from urllib.parse import unquote

from vragd.notes.machine import SHOWN

MAX_TAG = 200

# Each begins with one literal character and is named at its end: so the search skips to the next of these characters,
# which it does not if one begins with a repeat, as `++ does.
_TOKEN = re.compile(
    r"""
    \\[!-/:-@\[-`{-~](?P<escape>)
  | `(?<!``)[^`]++`(?!`)(?P<span>)
  | ``*+(?P<code>)
  | %%(?P<comment>)
  | \$\$?(?P<math>)
  | !\[(?:\[(?P<shown>(?:[^\[\]\n]|\](?!\])|\[(?!\[))++)\]\](?P<embed>)|(?P<image>))
  | \[(?:\[(?P<inner>(?:[^\[\]\n]|\](?!\])|\[(?!\[))++)\]\](?P<wiki>)|\^[^\]\s]{1,200}+\]:?(?P<footnote>)|(?P<open>))
  | \](?:\((?P<to>\s*+(?:<[^<>\n]*+>|(?:[^\s()<]|\([^\s()]*+\))[^\s()]*+(?:\([^\s()]*+\)[^\s()]*+)*+)?+
        (?:\s++(?:"[^"]*+"|'[^']*+'))?+\s*+)\))?(?P<close>)
  | <(?:!--|/?[A-Za-z][^<>]*+>)(?P<html>)
  | ://[^\s<>\])]++(?P<url>)
  | ::(?P<field>)
  | \#(?<![^\s|_]\#)[^\s\#]++(?P<tag>)
  | \^\[(?P<note>)
  | \^(?<!\S\^)[A-Za-z0-9-]++(?=\n|\Z)(?P<block>)
  | \*\**+(?P<stars>)
  | _(?:(?<!\w_)_*+(?=\S)|(?<=\S_)_*+(?!\w))(?P<line>)
  | ==(?P<bright>)
  | ~~(?P<struck>)
    """,
    re.X,
)
_NOTHING = frozenset(("escape", "url", "span"))
_EMPHASIS = frozenset(("stars", "line", "bright", "struck"))
_RUNS = re.compile("`++")
_TAG = re.compile(r"[^\u2000-\u200c\u200e-\u206f\u2e00-\u2e7f'!\"\#$%&()*+,.:;<=>?@^`{|}~\[\]\\\s]++")
_TAGGED = re.compile(r"\#([^\s\#]++)")
_MATH_END = re.compile(r"(?<=[^\s\\])\$(?!\d)")
DELIMITERS = re.compile(r"^[ \t>]*+\|?(?:[ \t]*+:?-++:?[ \t]*+\|)++[ \t]*+(?::?-++:?)?[ \t]*+$", re.M)
"""The row of a table below its head."""
_SIZE = re.compile(r"(?:^|\\?\|)\s*+\d{1,5}+(?:x\d{1,5}+)?\s*+$")
"""Of an image, behind its text or in place of it."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]++:(?!\\)")
_TITLE = re.compile(r"""\s++(?:"[^"]*+"|'[^']*+')\s*+$""")
_PICTURE = "\u2190-\u2bff\u3030\u303d\u200d\ufe0f\U0001f000-\U0001faff"
_LINE_KEY = re.compile(
    rf"[\s>]*+(?:(?:[-*+]|\d{{1,9}}[.)])\s++(?!\[.?\]\s))?[^\w\n\[\](){{}}|]*+_*+([\w\s/{_PICTURE}-]+?)[*_~`]*+\s*+$"
)
_BRACKET_KEY = re.compile(r"[\[(]([^\n\[\]():|]+)$")
_IN_BRACKETS = re.compile(r"[\[(][^\n\[\]():|]*+::")
MAX_KEY, MAX_FIELD = 80, 1_000

Edit = tuple[int, int, str]
"""(start, end, what is embedded in its place). Backticks have none: they are left out wherever they stand."""


@dataclass(slots=True)
class Found:
    """What was found, by offset into the text. `edits` do not overlap and are in order."""

    edits: list[Edit] = field(default_factory=list)
    links: list[tuple[int, str, str, str, str, bool]] = field(default_factory=list)
    """(offset, kind, target, subpath, alias, embed)."""
    tags: list[str] = field(default_factory=list)
    fields: list[tuple[int, str, str]] = field(default_factory=list)
    block_ids: list[tuple[int, str]] = field(default_factory=list)
    footnotes: list[tuple[int, str]] = field(default_factory=list)


def split_link(inner: str) -> tuple[str, str, str]:
    """Target, subpath and alias of what stands between `[[` and `]]`."""
    whole, _, alias = inner.replace("\\|", "|").partition("|")
    target, _, subpath = whole.partition("#")
    return target.strip(), subpath.strip(), alias.strip()


def shown(target: str, subpath: str, alias: str) -> str:
    """The words of a link."""
    if alias:
        return alias
    name = target.rpartition("/")[2] if not subpath else target.rpartition("/")[2] + " " + subpath
    return name.replace("#", " ").replace("^", "").strip().removesuffix(".md")


def tag_in(text: str) -> str:
    """The tag at the start of `text`, which is what stands behind a `#`; "" if it is none."""
    match = _TAG.match(text)
    if match is None:
        return ""
    tag = match[0]
    if len(tag) > MAX_TAG:
        return ""
    if not tag.isascii():
        end = next(
            (i for i, c in enumerate(tag) if c not in "-_/\u200d" and unicodedata.category(c)[0] in "PZC"), len(tag)
        )
        tag = tag[:end]
    tag = tag.strip("/")
    return "" if not tag or tag.isdigit() else tag


class Inline:
    """Reads stretches of one text into one `Found`."""

    def __init__(self, text: str) -> None:
        self.text, self.found = text, Found()

    def read(self, start: int, end: int) -> None:
        """A stretch of text."""
        search = _TOKEN.search
        match = search(self.text, start, end)
        if match is None:
            return
        n_before = len(self.found.edits)
        stretch: _Stretch | None = None  # many have nothing that is open
        while match:
            kind = match.lastgroup or ""
            at = match.end()
            if kind in _EMPHASIS:
                self._mark(match, start, end)
            elif kind in _NOTHING:
                pass
            elif kind == "wiki" or kind == "embed":
                self._wiki(match, match["inner"] or match["shown"], kind == "embed")
            elif stretch is None and kind == "close":
                pass
            elif stretch is None:
                stretch = _Stretch(self.text, start, end, n_before)
                continue
            elif kind == "code":
                closing = stretch.closing_run(at, at - match.start())
                at = closing + at - match.start() if closing >= 0 else at
            elif kind == "open" or kind == "image":
                stretch.brackets.append(match.start())
            elif kind == "close":
                at = self._close(stretch, match)
            else:
                at = self._rare(stretch, match, kind)
            match = search(self.text, at, end)
        if stretch is not None and stretch.unordered:
            self.found.edits[stretch.n_before :] = _in_order(self.found.edits[stretch.n_before :])

    def comment(self, start: int, end: int) -> None:
        """A block comment, which is not embedded; its links count."""
        before = len(self.found.edits)
        self.read(start, end)
        del self.found.edits[before:]

    def html(self, start: int, end: int) -> None:
        """HTML: nothing in it means anything, its tags are not embedded."""
        opened = -1
        for match in _HTML.finditer(self.text, start, end):
            if match[0] == "<!--":
                opened = match.start() if opened < 0 else opened
            elif match[0] == "-->":
                if opened >= 0:
                    self.found.edits.append((opened, match.end(), ""))
                opened = -1
            elif opened < 0:
                self.found.edits.append((match.start(), match.end(), ""))

    def _mark(self, match: re.Match[str], start: int, end: int) -> None:
        text = self.text
        first, last = match.span()
        before = text[first - 1] if first > start else " "
        after = text[last] if last < end else " "
        if before.isspace() and after.isspace():
            return
        if last - first == 1 and before.isalnum() and after.isalnum():
            return  # 2*3
        self.found.edits.append((first, last, ""))

    def _wiki(self, match: re.Match[str], inner: str, embed: bool) -> None:
        target, subpath, alias = split_link(inner)
        if not (target or subpath):
            return
        self.found.links.append((match.start(), "wiki", target, subpath, alias, embed))
        text = shown(target, subpath, _SIZE.sub("", alias) if embed else alias)
        self.found.edits.append((match.start(), match.end(), text))

    def _close(self, stretch: _Stretch, match: re.Match[str]) -> int:
        opened = stretch.brackets.pop() if stretch.brackets else None
        to = match["to"]
        if opened is None or to is None:
            return match.end()
        if self.text[opened] == "^":
            return match.start() + 1  # a footnote, and what is in brackets behind it
        mark = 2 if self.text[opened] == "!" else 1
        stretch.unordered = True
        self.found.edits += [(opened, opened + mark, ""), (match.start(), match.end(), "")]
        destination = _TITLE.sub("", to).strip()
        destination = destination[1:-1] if destination[:1] == "<" else destination
        if destination in ("", SHOWN) or _SCHEME.match(destination) or destination.startswith("//"):
            return match.end()
        path, _, subpath = destination.partition("#")
        alias = self.text[opened + mark : match.start()] if match.start() - opened < 1_000 else ""
        self.found.links.append((opened, "markdown", unquote(path), unquote(subpath), alias, mark == 2))
        if mark == 2 and (size := _SIZE.search(alias)):
            self.found.edits.append((match.start() - len(size[0]), match.start(), ""))
        return match.end()

    def _rare(self, stretch: _Stretch, match: re.Match[str], kind: str) -> int:
        found = self.found
        first, last = match.span()
        if kind == "tag":
            return self._tags(stretch, first)
        if kind == "block":
            found.block_ids.append((first, match[0][1:]))
            found.edits.append((first, last, ""))
        elif kind == "comment":
            return self._comment(stretch, first, last)
        elif kind == "math":
            return stretch.math_end(first, last)
        elif kind == "html":
            if match[0] == "<!--":
                closing = stretch.find("-->", last)
                if closing < 0:
                    return last
                last = closing + 3
            if "://" not in match[0] and "@" not in match[0]:  # <https://example.com> is no tag
                found.edits.append((first, last, ""))
        elif kind == "footnote":
            found.footnotes.append((first, match[0].rstrip(":")[2:-1]))
            found.edits.append((first, last, ""))
        elif kind == "note":
            found.edits.append((first, first + 1, ""))
            stretch.brackets.append(first)
        elif kind == "field":
            self._field(first, last, stretch)
        return last

    def _tags(self, stretch: _Stretch, first: int) -> int:
        """
        The tag that begins here, and those right behind it, as in `#one#two`; where the last one ends.

        In front of the first stands a blank, a mark of emphasis `_`, or the edge of a table's cell.
        """
        before = self.text[first - 1] if first > stretch.start else ""
        at, end = first, stretch.end
        if before != "|" or stretch.is_table():
            while match := _TAGGED.match(self.text, at, end):
                tag = tag_in(match[1])
                bare = tag.rstrip("_") if before == "_" else tag
                if not bare or bare.isdigit():
                    break
                self.found.tags.append(bare)
                if tag != match[1].strip("/"):
                    return at + 1 + len(tag)
                at, before = match.end(), ""
        return at if at > first else first + 1

    def _comment(self, stretch: _Stretch, first: int, last: int) -> int:
        closing = stretch.find("%%", last)
        if closing < 0:
            return last
        within = Inline(self.text)
        within.read(last, closing)
        self.found.links += within.found.links  # they count, also those of Markdown, and none in code
        self.found.edits.append((first, closing + 2, ""))
        return closing + 2

    def _field(self, first: int, last: int, stretch: _Stretch) -> None:
        """
        Dataview's: in brackets anywhere, or a line, or an item that is no task, with none in brackets.

        Unlike there a line's needs a blank behind it, or std::vector is one, and its marks may be _ too.
        """
        text = self.text
        begin = max(stretch.start, first - MAX_KEY)
        line = text.rfind("\n", begin, first) + 1
        before = text[line or begin : first]
        key = _BRACKET_KEY.search(before)
        if key is None and (text[last : last + 1].strip() or not (line or begin == stretch.start)):
            return
        rest = text[last : min(stretch.end, last + MAX_FIELD)].partition("\n")[0]
        if key is not None:
            end = _value_ends(rest, key[0][0])
            if end < 0:
                return
            rest = rest[:end]
        elif not _IN_BRACKETS.search(rest):
            key = _LINE_KEY.match(before)
        if key is not None and (name := key[1].strip("*_~` \t").lower()) and any(map(str.isalnum, name)):
            self.found.fields.append((first, name, rest.strip()))


def _value_ends(rest: str, bracket: str) -> int:
    """Where the value of a field ends that `bracket` began; -1 for nowhere."""
    depth = 0
    for match in _BRACKETS.finditer(rest):
        if match[0] == bracket:
            depth += 1
        elif match[0] == ("]" if bracket == "[" else ")"):
            depth -= 1
            if depth < 0:
                return match.start()
    return -1


_BRACKETS = re.compile(r"\\.|[\[\]()]")
_HTML = re.compile(r"<!--|-->|</?[A-Za-z][^<>]*+>")


class _Stretch:
    """What is open in a stretch, and where what closes it stands."""

    __slots__ = (
        "_is_table",
        "_no_formula_before",
        "_none",
        "_runs",
        "brackets",
        "end",
        "n_before",
        "start",
        "text",
        "unordered",
    )

    def __init__(self, text: str, start: int, end: int, n_before: int) -> None:
        self.text, self.start, self.end, self.n_before = text, start, end, n_before
        self.brackets: list[int] = []
        self.unordered = False
        self._is_table: bool | None = None
        self._no_formula_before = start
        self._runs: dict[int, list[int]] | None = None
        self._none: dict[str, int] = {}

    def is_table(self) -> bool:
        """Whether these lines have the row of a table that parts its columns."""
        if self._is_table is None:
            self._is_table = DELIMITERS.search(self.text, self.start, self.end) is not None
        return self._is_table

    def closing_run(self, after: int, length: int) -> int:
        """Where the next run of just so many backticks stands; -1 for nowhere."""
        if self._runs is None and length == 1:
            at = self.text.find("`", after, self.end)
            if at >= 0 and self.text[at + 1 : at + 2] != "`":
                return at
        if self._runs is None:
            self._runs = {}
            for run in _RUNS.finditer(self.text, self.start, self.end):
                self._runs.setdefault(run.end() - run.start(), []).append(run.start())
        runs = self._runs.get(length, [])
        i = bisect_left(runs, after)
        return runs[i] if i < len(runs) else -1

    def find(self, mark: str, after: int) -> int:
        """Where `mark` stands next; -1 for nowhere, which is remembered."""
        if mark in self._none:
            return -1
        at = self.text.find(mark, after, self.end)
        if at < 0:
            self._none[mark] = -1
        return at

    def math_end(self, first: int, last: int) -> int:
        """Where a formula that begins here ends; `last` if it is none."""
        if last - first == 2:
            closing = self.find("$$", last)
            return closing + 2 if closing >= 0 else last
        if last >= self.end or last < self._no_formula_before or self.text[last].isspace():
            return last
        line = self.text.find("\n", last, self.end)
        line = self.end if line < 0 else line
        if match := _MATH_END.search(self.text, last + 1, line):
            return match.end()
        self._no_formula_before = line
        return last


def _in_order(edits: list[Edit]) -> list[Edit]:
    """Sorted, without those that lie within an earlier one."""
    kept: list[Edit] = []
    for edit in sorted(edits):
        if not kept or edit[0] >= kept[-1][1]:
            kept.append(edit)
    return kept
