"""Lines of Markdown as they are read: without the marks of formatting, but for those in code, formulas and escapes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

MAX_LINE = 4_000

_LINKS = (
    ("[", r"(?<!\^)!?\[([^\[\]\n]*)\]\((?:[^()\n]|\([^()\n]*\))*\)", r"\1"),
    ("[", r"!?\[\[(?:[^\[\]|\n]*\|)?([^\[\]|\n]*)\]\]", r"\1"),
)
_OVER_LINES = re.compile(r"(?<!\^)!?\[([^\[\]]*\n[^\[\]]*)\]\((?:[^()\n]|\([^()\n]*\))*\)")
"""A link whose text goes on in the next line of its paragraph."""
_Rule = tuple[Callable[[str], re.Match[str] | None] | None, Callable[[str, str], str], str]
# A rule is tried where one of its characters is: most lines have next to none. Those of a line's begin are matched
# there alone: `sub` would try each place of the line.
_RULES = tuple(
    (frozenset(marks), rule.match if pattern.startswith("^") else None, rule.sub, by)
    for marks, pattern, by in (
        ("%<!", r"%%.*?%%|<!--.*?-->|!\[\[[^\]\n]*\]\]", ""),
        (">", r"^\s*(?:>\s*)+", ""),
        ("!", r"^\s*\[![\w-]+\][+-]?\s*", ""),
        ("#", r"^\s*#{1,6}(?:\s+|$)", ""),
        ("-*+.)", r"^\s*(?:[-*+]|\d{1,9}[.)])\s+(?:\[.\]\s+)?", ""),
        ("`~", r"^\s*(?:`{3,}|~{3,}).*$", ""),
        ("-*_|:$", r"^(?:\s*(?:[-*_]\s*){3,}$|[\s|:-]+$|\s*\$\$\s*$)", ""),
        ("^", r"\[\^[^\[\]\s]{1,100}\]:?", ""),
        ("!", r"(!\[[^\[\]\n|\\]*)\\?\|\s*\d{1,5}(?:x\d{1,5})?\s*(?=\]\()", r"\1"),
        *_LINKS,
        ("^", r"\^(?=\[)", ""),
        ("<", r"</?[A-Za-z][^<>\n]{0,200}>", ""),
        ("^", r"\s\^[A-Za-z0-9-]+\s*$", ""),
        ("|", r"\s*\|\s*", " "),
    )
    for rule in (re.compile(pattern),)
)
_MARKS = frozenset("").union(*(needed for needed, *_ in _RULES))
_BEGINS = re.compile(r"\s*(?:>\s*)*(?:#{1,6}\s|(?:[-*+]|\d{1,9}[.)])\s|\|)")
"""A block of its own: no emphasis reaches into it from the line above."""
_FENCE = re.compile(r"(?:\s*(?:>|[-*+]\s|\d{1,9}[.)]\s))*\s*(?:(`{3,}|~{3,})([^`]*)|(\$\$)\s*)$")
_VERBATIM = re.compile(
    r"\\([\\*_~=`^$])|(?<!`)(?:`([^`]+)`(?!`)|(``++)(.+?)(?<!`)\3(?!`))"
    r"|(\$\$.+?\$\$|\$(?=[^\s$])[^$]*(?<=[^\s\\])\$(?!\d))"
)
_HELD = re.compile("\0([0-9]+)\0")
_RUN = re.compile(r"://[^\s<>\])]+|(\*+|_+|(?<!~)~~(?!~)|(?<!=)==(?!=))")
_EMPHASIS = frozenset("*_~=")
_MOST_BELOW = 50
"""Of what is open, looked at for what a mark closes."""


def unmarked(lines: Sequence[str]) -> list[str]:
    """As many lines, of which no more than MAX_LINE characters each."""
    held: list[str] = []
    within = _code(lines)
    clean: list[str] = []
    begins: list[bool] = []
    for line, is_code in zip(lines, within, strict=True):
        line = line[:MAX_LINE].replace("\0", "")
        begins.append(is_code or not line.strip() or _BEGINS.match(line) is not None)
        clean.append(hold(line.lstrip("> \t"), held) if is_code else _by_rules(line, held))
    result: list[str] = []
    for i, one in enumerate(clean):
        if begins[i] or not result:
            result.append(one)
        else:
            result[-1] += "\n" + one
    result = [_OVER_LINES.sub(r"\1", one) if "](" in one and "\n" in one else one for one in result]
    return restored("\n".join(map(without_emphasis, result)), held).split("\n")


def heading_unmarked(text: str) -> str:
    """A heading: what is embedded in it by its name, and nothing is taken for the begin of a block."""
    held: list[str] = []
    text = _hold_verbatim(text.replace("\0", ""), held)
    for _, pattern, by in _LINKS:
        text = re.sub(pattern, by, text)
    return restored(without_emphasis(text), held)


def hold(text: str, held: list[str]) -> str:
    """What stands for `text`, in which there is no NUL, until all marks are gone."""
    held.append(text)
    return f"\0{len(held) - 1}\0"


def restored(text: str, held: Sequence[str]) -> str:
    """The text with what was held again."""
    return _HELD.sub(lambda found: held[int(found[1])], text)


def _by_rules(line: str, held: list[str]) -> str:
    line = _hold_verbatim(line, held)
    for at_begin, sub, by in _rules_of(_MARKS.intersection(line)):
        if at_begin is None:
            line = sub(by, line)
        elif begin := at_begin(line):
            line = line[begin.end() :]
    return line


@lru_cache(1024)
def _rules_of(marks: frozenset[str]) -> tuple[_Rule, ...]:
    return tuple((at_begin, sub, by) for needed, at_begin, sub, by in _RULES if not needed.isdisjoint(marks))


def _hold_verbatim(line: str, held: list[str]) -> str:
    if "`" in line or "$" in line or "\\" in line:
        return _VERBATIM.sub(lambda found: hold(_verbatim(found), held), line)
    return line


def _verbatim(found: re.Match[str]) -> str:
    escaped = found[1]
    if escaped:
        return found[0] if escaped in "\\$" else escaped
    return found[2] or found[4] or found[5]


def _code(lines: Sequence[str]) -> list[bool]:
    """Which lines are in a fence or a formula over lines, where what is there of the passage tells."""
    within, opened = [False] * len(lines), ""
    marks = [
        (i, found[1] or found[3], (found[2] or "").strip()) for i, line in enumerate(lines) if (found := _mark(line))
    ]
    if len(marks) % 2 and not marks[0][2]:
        return within  # the passage begins within, or ends there
    for n, (i, mark, info) in enumerate(marks):
        if not opened:
            opened = mark
        elif mark.startswith(opened) and not info:
            opened = ""
        end = marks[n + 1][0] if n + 1 < len(marks) else len(lines)
        within[i + 1 : end] = [bool(opened)] * (end - i - 1)
        within[i] = bool(opened) and opened != mark
    return within


def _mark(line: str) -> re.Match[str] | None:
    return _FENCE.match(line) if "```" in line or "~~~" in line or "$$" in line else None


# -- emphasis ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Run:
    """Marks of one kind side by side: those from `start` to `end` are not yet taken for any."""

    start: int
    end: int
    opens: bool
    closes: bool
    in_word: bool
    both: bool
    length: int
    """Of all of them: what CommonMark's rule of three is about."""


def without_emphasis(text: str) -> str:
    """
    A paragraph without what CommonMark and Obsidian take for marks of emphasis, nested ones too, of words and in them.

    Beside CommonMark, punctuation decides nothing, as scripts without blanks have it anywhere; between digits, and
    around blanks from within a word, a mark is what is calculated: 2*3*4, x**2 + y**2.
    """
    if _EMPHASIS.isdisjoint(text):
        return text
    gone: list[tuple[int, int]] = []
    opened: dict[str, list[_Run]] = {}
    for found in _RUN.finditer(text):
        if found[1] is None:
            continue
        run, kind = _run(text, found), found[1][0]
        while run.closes and run.start < run.end and (opener := _opener(text, opened.get(kind, []), run)):
            n = 2 if min(opener.end - opener.start, run.end - run.start) > 1 else 1
            gone += [(opener.end - n, opener.end), (run.start, run.start + n)]
            opener.end, run.start = opener.end - n, run.start + n
            for runs in opened.values():
                while runs and (runs[-1].start > opener.start or runs[-1].start == runs[-1].end):
                    runs.pop()
        if run.opens and run.start < run.end:
            opened.setdefault(kind, []).append(run)
    if not gone:
        return text
    gone.sort()
    ends = [(0, 0), *gone, (len(text), len(text))]
    return "".join(text[before[1] : after[0]] for before, after in pairwise(ends))


def _run(text: str, found: re.Match[str]) -> _Run:
    start, end = found.span()
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    opens, closes = not after.isspace(), not before.isspace()
    in_word = before.isalnum() and after.isalnum()
    if before.isdigit() and after.isdigit():
        opens = closes = False
    elif text[start] == "_":
        opens, closes = opens and not before.isalnum(), closes and not after.isalnum()
        if opens and closes:  # punctuation on both sides
            opens, closes = not _is_punctuation(after), not _is_punctuation(before)
    spaced = in_word and ord(before) < 0x2E80
    return _Run(start, end, opens, closes, spaced, opens and closes, end - start)


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char)[0] in "PS"


def _opener(text: str, runs: Sequence[_Run], closer: _Run) -> _Run | None:
    for run in reversed(runs[-_MOST_BELOW:]):
        lengths = run.length, closer.length
        if (run.both or closer.both) and sum(lengths) % 3 == 0 and any(length % 3 for length in lengths):
            continue  # *a**b* is one emphasis
        if run.end == closer.start or not text[run.end : closer.start].strip("*_~="):
            continue
        if run.in_word and any(char.isspace() for char in text[run.end : closer.start]):
            continue
        return run
    return None
