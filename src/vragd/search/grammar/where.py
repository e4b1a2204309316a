"""
Filters as they are typed -> tree: an expression of Bases, or the grammar of questions.

An expression is what reads as one from its beginning to its end and has an operator, a call or a field like `file.name`
in it. What does not, and was surely meant to be one, is a mistake. All else is the grammar of questions.
"""

from __future__ import annotations

import re
from datetime import datetime

from vragd.errors import Mistyped
from vragd.search.grammar.expression import expression
from vragd.search.grammar.lex import Kind, Token, lex
from vragd.search.grammar.operands import FIELDS
from vragd.search.grammar.parse import parse
from vragd.search.grammar.tree import Node

_BETWEEN = frozenset({"==", "!=", "<", "<=", ">", ">=", "&&", "||", "=", "===", "!=="})
_FIELDS = "|".join((*FIELDS, "backlinks", "properties", "file"))
"""The last of which are not here, and refused."""
_NOT_HERE = "lower|title|trim|replace|split|slice|reverse|matches|toString|isTruthy|isType|format|round"
"""Functions of values that Bases have; refused by name."""
_SURELY = re.compile(
    rf"(?:.*[!(,])?(?:file\.(?:\w+\(|(?:{_FIELDS})(?!\w))|(?:formula|this)\.\w|note\[|(?:today|now)\(\)|if\()"
    r"|(?:.*[!(,])?[^\W\d][\w.]*\[-?\d+\](?:[!.)<>=&|].*)?\Z"  # an item of a list
    r"|(?:.*[!(,])?\[(?:\"[^\"]*\"|'[^']*'),.*\Z"  # a list, as far as it has no blank
    rf"|.*\.(?:contains|containsAny|containsAll|startsWith|endsWith|isEmpty|{_NOT_HERE})\("
    r"|.*[\w\"')\]](?:==|!=|&&|\|\|)[\w\"'(!-]",
    re.DOTALL,
)


def filters(text: str, now: datetime | None = None) -> Node:
    """What `text` filters by; `now` as for `parse`. Raises Mistyped, with the place, for a mistake in either."""
    try:
        node, is_signed = expression(text)
    except Mistyped:
        if is_meant_as_expression(text):
            raise
    else:
        if is_signed:
            return node
    return parse(text, now)


def is_meant_as_expression(text: str) -> bool:
    """
    Whether a word of the question, in no quotes, brackets or group of an operator, is an operator of expressions with
    something on both sides, a call of one of their functions, or one of their fields.
    """
    try:
        found = lex(text)
    except Mistyped:
        return False
    words = _own_words(found)
    typed = [(token, text[token.start : token.end]) for token in words]
    return any(
        (word in _BETWEEN and token.start > found[0].start and token.end < found[-1].end) or _SURELY.match(word)
        for token, word in typed
    )


def _own_words(tokens: list[Token]) -> list[Token]:
    """The words of the question itself, and of its groups."""
    words = list[Token]()
    depth, inside = 0, -1  # the depth at which a group of an operator or a value began
    after_operator = False
    for token in tokens:
        if token.kind in (Kind.OPEN, Kind.VALUE):
            if inside < 0 and (after_operator or token.kind is Kind.VALUE):
                inside = depth
            depth += 1
        elif token.kind is Kind.CLOSE:
            depth -= 1
            if depth == inside:
                inside = -1
        elif token.kind is Kind.WORD and inside < 0 and not after_operator:
            words.append(token)
        after_operator = token.kind is Kind.OPERATOR or (after_operator and token.kind is Kind.NOT)
    return words
