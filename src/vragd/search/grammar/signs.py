r"""
What is grammar where a word begins, and how a word that looks like it is written: with a backslash before it.

`\OR`, `\-x`, `\file:x`, `\"x` are words. A backslash before anything else is a character like others.
"""

from __future__ import annotations

import re

from vragd.search.grammar.dates import FIELDS
from vragd.search.grammar.tree import Scope

CASES = frozenset({Scope.MATCH_CASE.value, Scope.IGNORE_CASE.value})
LINKS = {"linksto": "to", "linkedfrom": "from"}
NAMES = frozenset({"tag", "source", "store", *LINKS})
SCOPES = frozenset(scope.value for scope in Scope)
OPERATORS = SCOPES | NAMES | frozenset(FIELDS)

_NAME = r'[^\s\[\]"():=<>!,;|]+'
_OPERATOR = "|".join(sorted(OPERATORS, key=len, reverse=True))
OPERATOR = re.compile(rf"({_OPERATOR}):")
_NEGATION = r"-(?=[^-\s>)\]`,;:!?*|])"
NEGATION = re.compile(_NEGATION)
PROPERTY = re.compile(rf'\[(?:({_NAME}+)|"((?:\\"|[^"])++)")(?:(\])(?=[\s)]|\Z)|(?=\s*(?:[<>=]|!=)|:(?!:|//)))')
"""A name, and what it has behind it: `]`, or a sign that is yet to be read."""
COMPARISON = re.compile(r"<=|>=|!=|<|>|=+")
_BARE_NAME = re.compile(_NAME)
_ESCAPED = re.compile(rf'\\+(?:["()\[\]/<>=!-].*|OR|null|(?:{_OPERATOR}):.*)', re.DOTALL)
_MISREAD = re.compile(rf'["()\]]|/.|{_NEGATION}|\["|OR\Z|(?:{_OPERATOR}):', re.DOTALL)
_PERHAPS_PROPERTY = re.compile(rf"\[({_NAME})(?:\Z|\](?:\Z|\))|[:<>=!])")
_PATH = re.compile(r"/[^\s/\\\[]+/[^\s)\]]")  # no pattern ends at a slash with a character behind it


def literal(typed: str) -> str:
    """The word that `typed` is: without the backslash that keeps it from being grammar."""
    return typed[1:] if _ESCAPED.fullmatch(typed) else typed


def written(word: str) -> str:
    """What has to be typed for `word`, wherever it stands."""
    misread = _ESCAPED.fullmatch(word) or (_MISREAD.match(word) and not _PATH.match(word))
    if not misread and (found := _PERHAPS_PROPERTY.match(word)):
        misread = is_name(found[1])
    return "\\" + word if misread else word


def is_name(text: str) -> bool:
    """Whether `text` may be a property's name without quotes: `1` and ` ` are none, and `12` in `[12:30]` is not."""
    return _BARE_NAME.fullmatch(text) is not None and _begins(text) and any(map(_is_letter, text))


def _begins(text: str) -> bool:
    return text[0] == "_" or text[0].isalnum() or not text[0].isascii()


def _is_letter(char: str) -> bool:
    return char.isalpha() or not char.isascii()
