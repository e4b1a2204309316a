"""A heading as it is read: a link by its text, no marks of emphasis or code. Answers have it as it is written."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_RULES = tuple(
    (re.compile(pattern), shown)
    for pattern, shown in (
        (r"!?\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]", r"\1"),
        (r"!?\[([^\[\]]*)\]\((?:[^()]|\([^()]*\))*\)", r"\1"),
        (r"(?<![\w*_~=])(\*{1,3}|_{1,3}|~~|==)(?=\S)(.+?)(?<=\S)\1(?![\w*_~=])", r"\2"),
    )
)


def as_read(heading: str) -> str:
    """One heading."""
    shown, at = "", 0
    for code in _CODE.finditer(heading):
        shown += _plain(heading[at : code.start()]) + code[2]
        at = code.end()
    return shown + _plain(heading[at:])


def path_of(headings: Sequence[str]) -> str:
    """The headings that a passage is under, the outermost first."""
    return " › ".join(map(as_read, headings))


def _plain(text: str) -> str:
    for pattern, shown in _RULES:
        text = pattern.sub(shown, text)
    return text
