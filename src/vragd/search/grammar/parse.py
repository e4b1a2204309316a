"""Tokens -> tree. A blank binds tighter than `OR`; what is no grammar is words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from vragd.errors import Mistyped
from vragd.search.grammar import dates
from vragd.search.grammar.halves import count, filter_of
from vragd.search.grammar.lex import Kind, Token, lex
from vragd.search.grammar.signs import CASES, LINKS, NAMES, NEGATION, OPERATOR, SCOPES
from vragd.search.grammar.tree import (
    And,
    Compared,
    Link,
    Node,
    Not,
    Null,
    Or,
    Pattern,
    Phrase,
    Property,
    Scope,
    Source,
    Store,
    Tag,
    Within,
    Word,
)

MAX_DEPTH = 32
MAX_CONDITIONS = 1_000
_TAKES_BLANKS = SCOPES | NAMES - {"tag"}
_BEGINNING = re.compile(rf"-?(?:(?:{'|'.join(sorted(CASES))}):\s*)*{OPERATOR.pattern}\s*")


def parse(text: str, now: datetime | None = None) -> Node:
    """
    What `text` asks, for linear time and memory. Asked `now`, where dates that leave no moment are to be refused also
    where that depends on when it is.

    Raises Mistyped, with the place, for a mistake, and for more than MAX_CONDITIONS conditions or groups more than
    MAX_DEPTH deep. The words of the question itself are no conditions.
    """
    tree = _Parser(text, now).whole()
    where = filter_of(tree)
    if where is not None and (found := count(where)) > MAX_CONDITIONS:
        raise Mistyped(f"{found} conditions, at most {MAX_CONDITIONS}", text=text, span=(0, len(text)),
                       hint="ask for less at a time")  # fmt: skip
    return tree


def joined(args: Sequence[str]) -> str:
    """
    The words of a command as one question.

    A shell takes quotes away. Of several words, one that is an operator or `-` and text with blanks and no grammar of
    its own had quotes there: `file:"to be"`, `-"to be"`. All else is taken as it comes, a single word as a whole
    question; see `as_phrase`.
    """
    given = [arg for arg in args if arg.strip()]
    return " ".join(map(_quoted, given)) if len(given) > 1 else "".join(given)


def as_phrase(args: Sequence[str]) -> str:
    """Of a single word of a command what it would be with quotes that a shell took away; "" where it had none."""
    given = [arg for arg in args if arg.strip()]
    if len(given) != 1 or (quoted := _quoted(given[0])) == given[0]:
        return ""
    with suppress(Mistyped):  # the question is refused as it was typed
        if parse(quoted) == parse(given[0]):  # a link may have blanks without quotes
            return ""
    return quoted


def _quoted(arg: str) -> str:
    match = _BEGINNING.match(arg) or NEGATION.match(arg)
    value = arg[match.end() :].strip() if match else ""
    if not match or len(value.split()) < 2 or not _is_plain(value):
        return arg
    operator = match[1] if match.re is _BEGINNING else ""
    if operator == "path" and value.split()[0].endswith("/"):  # a folder, and words beside it
        return arg
    takes = _is_date(operator, value) if operator in dates.FIELDS else not operator or operator in _TAKES_BLANKS
    return f'{match[0]}"{value}"' if takes else arg


def _is_date(operator: str, value: str) -> bool:
    try:
        dates.when(operator, value)
    except ValueError:
        return False
    return True


def _is_plain(value: str) -> bool:
    """Whether nothing in it is grammar, a stray quote or backslash neither."""
    if '"' in value or "\\" in value:
        return False
    try:
        return all(token.kind is Kind.WORD for token in lex(value))
    except Mistyped:
        return False


def _all(parts: list[Node]) -> Node:
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, And) else (part,))]
    return flat[0] if len(flat) == 1 else And(tuple(map(_beside, flat)))


def _beside(part: Node) -> Node:
    """What stands beside something else: nothing is empty and has words, so that `null` is a word there."""
    match part:
        case Null():
            return Word("null")
        case Not(Null()):
            return Not(Word("null"))
    return part


def _any(parts: list[Node]) -> Node:
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, Or) else (part,))]
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


class _Parser:
    def __init__(self, text: str, now: datetime | None) -> None:
        self._text, self._tokens, self._at, self._depth, self._now = text, lex(text), 0, 0, now

    def whole(self) -> Node:
        return self._choice()

    def _choice(self) -> Node:
        """Up to what closes it, or to the end."""
        options: list[list[Node]] = [[]]
        left = dates.Left(self._now)
        while not self._is_over(self._at):
            is_between = options[-1] and not self._is_over(self._at + 1)
            if self._tokens[self._at].kind is Kind.OR and is_between:
                self._at += 1
                options.append([])
                left = dates.Left(self._now)
            else:
                begin, part = self._tokens[self._at], self._term()
                if left.none_after(part):
                    raise self._never(begin)
                options[-1].append(part)
        return _any([_all(parts) for parts in options])

    def _never(self, begin: Token) -> Mistyped:
        """Of dates beside each other, the last of which begins here."""
        hint = "after: includes the date it names, before: does not; OR takes either"
        return Mistyped("no date is in this and in what stands before it", text=self._text,
                        span=(begin.start, self._tokens[self._at - 1].end), hint=hint)  # fmt: skip

    def _is_over(self, at: int) -> bool:
        return at >= len(self._tokens) or self._tokens[at].kind is Kind.CLOSE

    def _term(self) -> Node:
        token = self._tokens[self._at]
        self._at += 1
        match token.kind:
            case Kind.WORD | Kind.OR:
                return Word(token.text)
            case Kind.PHRASE:
                return Phrase(token.text)
            case Kind.PATTERN:
                return Pattern(token.text)
            case Kind.NOT:
                return Not(self._term())
            case Kind.HAS:
                return Property(token.name)
            case Kind.NULL:
                return Null()
            case Kind.COMPARED:
                return Property(token.name, Compared(token.sign, token.text))  # type: ignore[arg-type]
            case Kind.VALUE:
                return Property(token.name, self._group(token))
            case Kind.OPEN:
                return self._group(token)
        assert token.kind is Kind.OPERATOR
        return self._operated(token)

    def _group(self, token: Token) -> Node:
        self._deeper(token)
        node = self._choice()
        self._at += 1
        self._depth -= 1
        return node

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Mistyped(f"groups are nested more than {MAX_DEPTH} deep", text=self._text,
                           span=(token.start, token.end), hint="ask in fewer parentheses")  # fmt: skip

    # -- operators ---------------------------------------------------------------------------------

    def _operated(self, token: Token) -> Node:
        name, first = token.text, self._tokens[self._at]
        if name in dates.FIELDS:
            return self._when(token)
        if name in CASES:
            self._deeper(token)
        part = self._term()
        if name in CASES:
            self._depth -= 1
        if name in SCOPES:
            return Within(Scope(name), part)
        span = (first.start, self._tokens[self._at - 1].end)
        return self._named(name, part, span)

    def _when(self, token: Token) -> Node:
        value = self._tokens[self._at]
        self._at += 1
        hint = f"{dates.FORMS}; \\{token.text}: is the word itself"
        if value.kind not in (Kind.WORD, Kind.OR, Kind.PHRASE):
            raise Mistyped(f"{token.text}: takes a date", text=self._text, span=(value.start, value.end), hint=hint)
        try:
            made = dates.when(token.text, value.text)
        except ValueError as error:
            raise Mistyped(str(error), text=self._text, span=(value.start, value.end), hint=hint) from None
        if dates.Left(self._now).none_after(made):
            hint = f"the earlier date first: {token.text}:{made.end}..{made.start}"
            raise Mistyped(f"{made.end} is over before {made.start} begins", text=self._text,
                           span=(value.start, value.end), hint=hint)  # fmt: skip
        return made

    def _named(self, name: str, part: Node, span: tuple[int, int]) -> Node:
        """The names in `part`, each behind the operator."""
        match part:
            case And(parts):
                return And(tuple(self._named(name, one, span) for one in parts))
            case Or(parts):
                return Or(tuple(self._named(name, one, span) for one in parts))
            case Not(one):
                return Not(self._named(name, one, span))
            case Word(text) | Phrase(text):
                if made := _MADE[name](text):
                    return made
                raise Mistyped(f"{name}: has nothing behind it", text=self._text, span=span, hint=f"{name}:name")
        raise Mistyped(f"{name}: takes names", text=self._text, span=span, hint=f'{name}:name or {name}:(a OR "b c")')


def _tag(text: str) -> Tag | None:
    name = text.removeprefix("#")
    return Tag(name) if name else None


def _link(operator: str) -> Callable[[str], Link | None]:
    def made(text: str) -> Link | None:
        if text.startswith("[[") and text.endswith("]]"):
            target, bar, _ = text[2:-2].partition("|")
            text = (target.removesuffix("\\") if bar else target).strip()  # in tables the bar is `\|`
        return Link(LINKS[operator], text) if text else None  # type: ignore[arg-type]

    return made


_MADE: dict[str, Callable[[str], Node | None]] = {
    "tag": _tag,
    "source": lambda text: Source(text) if text else None,
    "store": lambda text: Store(text) if text else None,
    **{name: _link(name) for name in LINKS},
}
