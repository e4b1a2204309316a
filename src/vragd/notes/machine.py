"""
Text that no person wrote or reads: base64, compressed drawings, data URIs, minified code. It is not indexed.

Every test here takes time linear in what it looks at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vragd.notes.model import LeftOut

LEAST = 120
"""Characters without a blank from which on they may be machine text: a SHA-512 in base64 has 88."""
ROW, ROWS = 60, 3  # lines of base64 as PEM files, mails and drawings wrap it, and how many make it sure
MINIFIED = 500
SHOWN = "…"

_ENCODED = re.compile(rf"[A-Za-z0-9+/_-]{{{LEAST},}}+={{0,2}}")
_DATA_URI = re.compile(r"data:[\w.+-]{1,64}/[\w.+-]{1,64}(?:;[\w=.+-]{1,64}){0,4},[^\s\"'()<>\]]{64,}+")
_ROW = re.compile(rf"[A-Za-z0-9+/_-]{{{ROW},{LEAST - 1}}}+={{0,2}}")
_LAST_ROW = re.compile(r"[A-Za-z0-9+/_-]{2,}+={0,2}")
_PUNCTUATION = str.maketrans("", "", "{}();=[]<>")
_COMPRESSED = re.compile(r"^\s*(?:`{3,}|~{3,})\s*compressed-json\s*$")


@dataclass(slots=True)
class Count:
    """Lines and bytes left out so far."""

    lines: int = 0
    size: int = 0

    def add(self, text: str) -> None:
        self.lines += 1
        self.size += len(text.encode("utf-8", "surrogatepass"))

    def told(self, reason: str) -> tuple[LeftOut, ...]:
        return (LeftOut(reason, self.lines, self.size),) if self.lines else ()  # type: ignore[arg-type]


def strip_machine_text(lines: list[str]) -> tuple[list[str], set[int], Count]:
    """
    `lines` with `…` where machine text stands within a line, the indices of lines that hold nothing else, a count.

    A fence of `compressed-json` is machine text whatever is in it.
    """
    count, gone = Count(), set[int]()
    kept, done = lines, 0
    suspects = [
        i for i, line in enumerate(lines)
        if len(line) >= ROW and (" " not in line if len(line) < LEAST else _is_suspect(line))
    ]  # fmt: skip
    if suspects:
        kept = list(lines)
    for i in suspects:
        line = lines[i]
        if i < done:
            continue
        if " " not in line and (n := _rows(lines, i)) >= ROWS:
            for j in range(i, i + n):
                gone.add(j)
                count.add(lines[j])
            done = i + n
        elif len(line) >= LEAST:
            _within(kept, gone, count, i)
    if "compressed-json" in "\n".join(lines):
        _drawings(lines, gone, count)
    return kept, gone, count


def _is_suspect(line: str) -> bool:
    n = len(line)
    return _has_run(line) or "data:" in line or (n >= MINIFIED and line.count(" ") * 20 < n)


def _has_run(line: str) -> bool:
    """Whether there are LEAST characters without a blank: looked at are the last blanks of some stretches only."""
    at = 0
    while at + LEAST <= len(line):
        blank = line.rfind(" ", at, at + LEAST)
        if blank < 0:
            return True
        at = blank + 1
    return False


def _within(kept: list[str], gone: set[int], count: Count, i: int) -> None:
    line = kept[i]
    if len(line) >= MINIFIED and is_minified(line):
        gone.add(i)
        count.add(line)
        return
    left: list[str] = []

    def shorten(match: re.Match[str]) -> str:
        if match[0].startswith("data:") or looks_encoded(match[0]):
            left.append(match[0])
            return SHOWN
        return match[0]

    short = _DATA_URI.sub(shorten, line) if "data:" in line else line
    if _has_run(short):
        short = _ENCODED.sub(shorten, short)
    if not left:
        return
    count.add("".join(left))
    if any(map(str.isalnum, short)):
        kept[i] = short
    else:
        gone.add(i)


def _rows(lines: Sequence[str], first: int) -> int:
    """How many lines from `first` on are wrapped base64."""
    n = first
    while n < len(lines) and _ROW.fullmatch(lines[n].strip()) and looks_encoded(lines[n].strip()):
        n += 1
    if n - first >= ROWS and n < len(lines) and _LAST_ROW.fullmatch(lines[n]) and len(lines[n]) < len(lines[n - 1]):
        n += looks_encoded(lines[n]) or lines[n].endswith("=")
    return n - first


def _drawings(lines: Sequence[str], gone: set[int], count: Count) -> None:
    inside = ""
    for i, line in enumerate(lines):
        if not inside and _COMPRESSED.match(line):
            inside = line.strip()[:3]
        elif not inside:
            continue
        elif line.strip().startswith(inside):
            inside = ""
        if line.strip() and i not in gone:
            count.add(line)
        gone.add(i)


def looks_encoded(text: str) -> bool:
    """Whether a run of base64's or base16's letters is random: no words parted by marks, no case with a meaning."""
    n = len(text)
    marks = n - len(text.translate(_MARKS))
    digits = n - len(text.translate(_DIGITS))
    lower = n - len(text.translate(_LOWER))
    upper = n - marks - digits - lower
    if marks * 10 > n or digits * 25 < n:
        return False
    if lower * 8 > n and upper * 8 > n:
        return True
    return digits * 3 > n and digits < 0.9 * n and min(lower, upper) == 0 and _HEX.fullmatch(text) is not None


_MARKS = str.maketrans("", "", "-_/+=")
_DIGITS = str.maketrans("", "", "0123456789")
_LOWER = str.maketrans("", "", "abcdefghijklmnopqrstuvwxyz")
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")


def is_minified(line: str) -> bool:
    """Whether a long line is code without blanks to read it by."""
    if not line.isascii():
        return False
    n = len(line)
    return line.count(" ") * 20 < n and (n - len(line.translate(_PUNCTUATION))) * 16 > n
