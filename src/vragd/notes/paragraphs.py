"""What lines of text are beside text: tables, definitions, formulas that begin or end within a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_MARK = re.compile(r"(?<![\\$])\$\$(?!\$)")
_CODE = re.compile(r"(`++)(?!`)[^`]*+\1(?!`)")
_DEFINITION = re.compile(r"[ \t>]*+(?:(?:[-+*]|\d{1,9}[.)])[ \t]++)*+\[[^\]\[]{1,999}+\]:")
_DELIMITERS = re.compile(r"[ \t>|:-]*+$")  # of a table's columns
_CLOSES = re.compile(r"[\s>]*\$\$|.*\$\$$")


def formulas(lines: Sequence[str]) -> dict[int, int]:
    """
    The line that each is closed on, by the line it is left open on.

    The closing `$$` is the first or the last of its line. A blank line ends whatever is open, as in TeX, so that two
    marks that stand far apart, prices say, are none; code over lines does, too.
    """
    found: dict[int, int] = {}
    opened = -1
    for i in [i for i, line in enumerate(lines) if "$$" in line]:  # of most notes none
        line = _CODE.sub("", lines[i]) if "`" in lines[i] else lines[i]
        if len(_MARK.findall(line)) % 2 == 0:
            continue
        if opened >= 0 and all(map(_goes_on, lines[opened + 1 : i])) and _CLOSES.match(line):
            found[opened] = i
            opened = -1
        else:
            opened = i
    return found


def _goes_on(line: str) -> bool:
    line = line.lstrip("> \t")
    return line != "" and not line.startswith(("```", "~~~"))


def is_no_title(lines: Sequence[str]) -> bool:
    """Whether a paragraph is a table, or defines links and says nothing: what underlines it makes it no heading."""
    table = any(
        "|" in line and _DELIMITERS.match(line) and _columns(line) == _columns(header)
        for header, line in pairwise(lines)
    )
    return table or all(map(_DEFINITION.match, lines))


def _columns(row: str) -> int:
    return row.replace("\\|", "").strip(" \t>").strip("|").count("|")
