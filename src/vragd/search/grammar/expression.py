"""
An expression as Obsidian's Bases have them -> the tree of filters. What each part of it may be is decided in `judged`.

`!` binds tighter than `+` and `-`, these tighter than comparisons, then `&&`, then `||`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Never

from vragd.errors import Mistyped
from vragd.search.grammar import judged
from vragd.search.grammar.halves import count
from vragd.search.grammar.judged import Part, Wrong
from vragd.search.grammar.operands import FIELDS, SIGNS, Clock, OfFile, OfNote
from vragd.search.grammar.parse import MAX_CONDITIONS, MAX_DEPTH
from vragd.search.grammar.tokens import Token, tokens
from vragd.search.grammar.tree import And, Node, Not, Or

_OTHERS = {"=": "==", "===": "==", "!==": "!=", "&": "&&", "|": "||"}
_WORDS = {"and": "&&", "or": "||", "not": "!"}


def expression(text: str) -> tuple[Node, bool]:
    """
    The filters that `text` says, and whether it has anything of an expression in it: an operator, a call, or a field
    as `file.name` or `note["a b"]`. Takes linear time.

    Raises Mistyped, with the place, for what is none, for more than MAX_CONDITIONS conditions, and for more than
    MAX_DEPTH parentheses and `!` within each other.
    """
    parser = _Parser(text)
    try:
        node = parser.whole()
    except Wrong as error:
        raise Mistyped(error.message, text=text, span=error.span, hint=error.hint) from None
    if (found := count(node)) > MAX_CONDITIONS:
        raise Mistyped(f"{found} conditions, at most {MAX_CONDITIONS}", text=text, span=(0, len(text)),
                       hint="ask for less at a time")  # fmt: skip
    return node, parser.is_signed


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens, self._at, self._depth = tokens(text), 0, 0
        self.is_signed = False

    def whole(self) -> Node:
        part = self._any()
        if self._now.kind != "end":
            self._unexpected("an expression has ended here")
        return judged.condition(part)

    # -- tokens ------------------------------------------------------------------------------------

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._now
        self._at += 1
        return token

    def _is(self, *signs: str) -> bool:
        """Whether the next token is one of these signs."""
        return self._now.kind == "sign" and self._now.text in signs

    def _sign(self, *signs: str) -> Token | None:
        """The next token, if it is one of these signs; it is taken."""
        return self._take() if self._is(*signs) else None

    def _name(self, otherwise: str) -> Token:
        """The next token, which has to be a name; it is taken."""
        return self._take() if self._now.kind == "name" else self._unexpected(otherwise)

    def _operator(self, *signs: str) -> Token | None:
        if token := self._sign(*signs):
            self.is_signed = True
        return token

    def _expect(self, sign: str) -> Token:
        return self._sign(sign) or self._unexpected(f"{sign} is missing")

    def _unexpected(self, otherwise: str) -> Never:
        token = self._now
        span = (token.start, token.end)
        if token.kind == "quote":
            raise Wrong("this quote is not closed", span, f"add the missing {token.text}")
        if token.kind == "sign" and (right := _OTHERS.get(token.text)):
            raise Wrong(f"{token.text} is no operator here", span, f"{right} is")
        if token.kind == "name" and (right := _WORDS.get(token.text.lower())):
            raise Wrong(f"{token.text} is no operator here", span, f"{right} is")
        if token.kind == "sign" and token.text in "*/%":
            raise Wrong(
                "nothing is calculated here, and patterns are not looked for", span,
                'today() - "7d" is all; without an expression, /pattern/ and [property:/pattern/]',
            )  # fmt: skip
        if token.kind == "sign" and token.text == "[":
            raise Wrong("lists cannot be written here", span, 'tags.containsAny("a", "b"), status == "a" || …')
        ways = "between conditions stands && or ||; text stands in quotes"
        raise Wrong(otherwise if token.kind != "end" else f"{otherwise}: more was to come", span, ways)

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Wrong(f"groups are nested more than {MAX_DEPTH} deep", (token.start, token.end),
                        "ask in fewer parentheses")  # fmt: skip

    # -- operators, the loosest first --------------------------------------------------------------

    def _any(self) -> Part:
        return self._chain("||", self._all, Or)

    def _all(self) -> Part:
        return self._chain("&&", self._compared, And)

    def _chain(self, sign: str, inner: Callable[[], Part], made: type[And] | type[Or]) -> Part:
        parts = [inner()]
        while self._operator(sign):
            parts.append(inner())
        if len(parts) == 1:
            return parts[0]
        return Part(made(tuple(map(judged.condition, parts))), parts[0].start, parts[-1].end)

    def _compared(self) -> Part:
        left = self._sum()
        if not (sign := self._operator(*SIGNS)):
            return left
        right = self._sum()
        if self._is(*SIGNS):
            raise Wrong("one comparison at a time", (self._now.start, self._now.end), "a < b && b < c")
        return judged.compared(left, sign.text, right)

    def _sum(self) -> Part:
        left = self._unary()
        while sign := self._sign("+", "-"):
            left = judged.moved(left, sign, self._unary())
        return left

    def _unary(self) -> Part:
        if sign := self._operator("!"):
            self._deeper(sign)
            part = self._unary()
            self._depth -= 1
            return Part(Not(judged.condition(part)), sign.start, part.end)
        if self._is("-") and self._tokens[self._at + 1].kind == "number":
            sign, token = self._take(), self._take()
            self._number_ends(token)
            return judged.number(token, sign)
        return self._behind(self._first())

    # -- values ------------------------------------------------------------------------------------

    def _first(self) -> Part:
        token = self._now
        if token.kind == "text":
            return judged.text(self._take())
        if token.kind == "number":
            self._take()
            self._number_ends(token)
            return judged.number(token)
        if token.kind == "name" and token.text.lower() not in _WORDS:
            return self._named(self._take())
        if self._sign("("):
            self._deeper(token)
            part = self._any()
            end = self._expect(")")
            self._depth -= 1
            return Part(part.thing, token.start, end.end)
        return self._unexpected("a value or a condition is missing")

    def _number_ends(self, token: Token) -> None:
        after = self._now
        if after.kind == "name" and after.start == token.end:
            raise Wrong("a stretch of time stands in quotes", (token.start, after.end),
                        f'today() - "{token.text}{after.text}"')  # fmt: skip

    def _named(self, token: Token) -> Part:
        match token.text:
            case "true" | "false" | "null":
                return judged.constant(token)
            case "file":
                return self._of_file(token)
            case "note":
                return self._of_note(token)
            case "formula" | "this" if self._is(".", "["):
                raise Wrong(f"there is no `{token.text}` here", (token.start, token.end),
                            "formulas, and the note that a base stands in, are a base's own")  # fmt: skip
        if not self._is("("):
            return Part(OfNote(token.text), token.start, token.end)
        args, end = self._arguments()
        if token.text in ("today", "now"):
            judged.arguments(token, args, 0, 0, end)
            return Part(Clock("today" if token.text == "today" else "now"), token.start, end.end)
        return judged.called(token, args, end)

    def _arguments(self) -> tuple[list[Part], Token]:
        """What stands in parentheses, and what closes them."""
        self.is_signed = True
        self._deeper(self._expect("("))
        found = list[Part]()
        while not (end := self._sign(")")):
            if found:
                self._expect(")" if self._now.kind == "end" else ",")
            found.append(self._any())
        self._depth -= 1
        return found, end

    def _of_file(self, token: Token) -> Part:
        """`file.` and a field or a function of files."""
        if not self._sign("."):
            return Part(OfNote("file"), token.start, token.end)
        self.is_signed = True
        name = self._name("a field or a function is missing")
        if self._is("("):
            args, end = self._arguments()
            return judged.of_file(token, name, args, end)
        if name.text not in FIELDS:
            raise Wrong(f"there is no file.{name.text} here", (token.start, name.end),
                        f"fields are {', '.join(FIELDS)}")  # fmt: skip
        return Part(OfFile(name.text), token.start, name.end)

    def _of_note(self, token: Token) -> Part:
        """`note.x` and `note["a b"]`: a property."""
        if self._sign("."):
            name = self._name("the name of a property is missing")
            if self._is("("):
                return judged.called(name, *self._arguments())
            return Part(OfNote(name.text), token.start, name.end)
        if self._sign("["):
            self.is_signed = True
            if self._now.kind != "text" or not self._now.text:
                self._unexpected('the name of a property is missing, in quotes: note["due date"]')
            name, end = self._take(), self._expect("]")
            return Part(OfNote(name.text), token.start, end.end)
        return Part(OfNote("note"), token.start, token.end)

    def _behind(self, part: Part) -> Part:
        """Calls of functions that stand behind a value."""
        while sign := self._sign(".", "["):
            if sign.text == "[":
                raise Wrong("items of a list are not picked", (sign.start, sign.end),
                            "contains, containsAny and containsAll look at all of them")  # fmt: skip
            name = self._name("a function is missing")
            if not self._is("("):
                raise Wrong(f".{name.text} is not looked at here", (name.start - 1, name.end), judged.METHODS)
            args, end = self._arguments()
            part = judged.method(part, name, args, end)
        return part
