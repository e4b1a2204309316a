"""
Text -> tokens, in linear time. What stands for itself and what is grammar is decided here.

Groups are matched here too: a parenthesis that nothing closes is a part of a word, and what ends a word depends on
what is open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from vragd.errors import Mistyped
from vragd.search.grammar import patterns
from vragd.search.grammar.dates import FIELDS
from vragd.search.grammar.signs import CASES, COMPARISON, LINKS, NEGATION, OPERATOR, PROPERTY, is_name, literal

_BULLET = re.compile(r"[ \t>]*[-*+][ \t]+")
_MARKDOWN_LINK = re.compile(r"\[[^\[\]\n]*\]\([^\s()]*[./#:][^\s()]*\)")


class Kind(Enum):
    WORD = auto()
    OR = auto()
    PHRASE = auto()
    PATTERN = auto()
    NOT = auto()
    OPEN = auto()
    CLOSE = auto()
    OPERATOR = auto()
    HAS = auto()
    NULL = auto()
    """A bare `null` in the value of a property."""
    COMPARED = auto()
    VALUE = auto()
    """`[name:`, up to CLOSE a value."""


@dataclass(slots=True)
class Token:
    """`text`: what it stands for. `name` of a property, `sign` of a comparison; `closed` of a group that is one."""

    kind: Kind
    start: int
    end: int
    text: str = ""
    name: str = ""
    sign: str = ""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class _Opened:
    """What waits for its end: a group, or a property (`square`). `after`: behind an operator, `links`: one of links."""

    token: Token
    square: bool
    after: bool
    links: bool


_BLANKS = re.compile(r"\s*")
_QUOTED = re.compile(r'"((?:\\"|[^"])*+)"')
_BRACKETS = re.compile(r"[\s()\[\]]")
_EMPTY = re.compile(r"\(\s*\)")
_UNENDING = re.compile(r"\\+[)\]]")
_CHOICE = re.compile(r"(?:\s|\A)OR(?:\s|\Z)")
_WAYS = '{0}:word, {0}:"a phrase" or {0}:(a OR b); \\{0}: is the word itself'


def lex(text: str) -> list[Token]:
    """The tokens of `text`; each that opens is closed. Raises Mistyped."""
    return _Lexer(text).tokens()


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._tokens: list[Token] = []
        self._opened: list[_Opened] = []
        self._in_value = False
        self._free = True  # a blank, a group or nothing is before: only there `-` negates
        self._behind = ""  # the operator, or the bracket of a property, that waits for its value
        self._pattern_ends: list[int] | None = None

    def tokens(self) -> list[Token]:
        while self._skip_blanks():
            if not self._closes():
                self._term()
        for opened in self._opened:
            self._must_be_closed(opened)
        return _joined(self._tokens)

    # -- small things ------------------------------------------------------------------------------

    def _skip_blanks(self) -> bool:
        """Whether anything follows."""
        end = _end(_BLANKS, self._text, self._at)
        self._free = self._free or end > self._at
        self._at = end
        return end < len(self._text)

    def _add(self, kind: Kind, end: int, text: str = "", *, name: str = "", sign: str = "") -> Token:
        token = Token(kind, self._at, end, text, name, sign)
        self._tokens.append(token)
        self._at, self._free, self._behind = end, False, ""
        return token

    def _wrong(self, message: str, start: int, end: int, hint: str) -> Mistyped:
        return Mistyped(message, text=self._text, span=(start, end), hint=hint)

    # -- what ends ---------------------------------------------------------------------------------

    def _closes(self) -> bool:
        char = self._text[self._at]
        if char == ")" and self._opened and not self._opened[-1].square:
            self._opened.pop().token.closed = True
            self._add(Kind.CLOSE, self._at + 1)
            return True
        if char == "]" and self._in_value:
            while not (opened := self._opened.pop()).square:
                self._must_be_closed(opened)
            self._in_value = False
            self._add(Kind.CLOSE, self._at + 1)
            return True
        return False

    def _must_be_closed(self, opened: _Opened) -> None:
        start = opened.token.start
        if opened.square:
            raise self._unclosed(start, opened.token.end)
        if opened.after:
            raise self._wrong("this group is not closed", start, start + 1, "add the missing )")

    def _unclosed(self, start: int, end: int) -> Mistyped:
        way = "add the missing ]; a backslash before the bracket makes it a word"
        return self._wrong("the bracket of this property is not closed", start, end, way)

    # -- what begins -------------------------------------------------------------------------------

    def _term(self) -> None:
        text, at = self._text, self._at
        if self._free and NEGATION.match(text, at):
            self._add(Kind.NOT, at + 1)
            return
        char = text[at]
        known = {'"': self._phrase, "/": self._pattern, "(": self._group, "[": self._bracket}.get(char, self._operator)
        if not known():
            self._word()

    def _phrase(self) -> bool:
        if match := _QUOTED.match(self._text, self._at):
            self._add(Kind.PHRASE, match.end(), match[1].replace('\\"', '"'))
            return True
        if self._behind:
            raise self._wrong("this quote is not closed", self._at, self._at + 1,
                              'add the missing "; a quote within a phrase is \\"')  # fmt: skip
        return False

    def _pattern(self) -> bool:
        text, at = self._text, self._at
        if at + 1 >= len(text) or text[at + 1].isspace() or text[at + 1] in "/*)]":
            return False
        if self._pattern_ends is None:
            self._pattern_ends = patterns.ends(text)
        end = self._pattern_ends[at + 1]
        if end < 0:
            return False
        following = text[end + 1 : end + 2]
        if following and not following.isspace() and following != ")" and not (following == "]" and self._in_value):
            return False
        source = text[at + 1 : end]
        if why := patterns.problem(source):
            raise self._wrong(f"this is no pattern: {why}", at, end + 1,
                              "patterns are JavaScript's; with a backslash before it, it is words")  # fmt: skip
        self._add(Kind.PATTERN, end + 1, source)
        return True

    def _group(self) -> bool:
        at, behind = self._at, self._behind
        if match := _EMPTY.match(self._text, at):
            if behind:
                raise self._nothing(behind, at, match.end())
            if match.end() > at + 2:
                self._add(Kind.WORD, at + 1, "(")
                self._at = match.end() - 1
            self._word()
            return True
        links = behind in LINKS or (not behind and bool(self._opened) and self._opened[-1].links)
        opened = _Opened(self._add(Kind.OPEN, at + 1, "("), False, bool(behind), links)
        self._opened.append(opened)
        self._free = True
        return True

    def _operator(self) -> bool:
        text, start = self._text, self._at
        match = OPERATOR.match(text, start)
        if not match or self._in_value or (self._behind and self._behind not in CASES):
            return False
        name = match[1]
        self._add(Kind.OPERATOR, match.end(), name)
        if not self._skip_blanks() or self._ends_here():
            raise self._nothing(name, start, match.end())
        if self._at > match.end():
            again = OPERATOR.match(text, self._at)
            if (again and name not in CASES) or _CHOICE.match(text, self._at - 1):
                raise self._nothing(name, start, match.end())
        self._behind = name
        return True

    def _ends_here(self) -> bool:
        char = self._text[self._at]
        return char == ")" and bool(self._opened) and not self._opened[-1].square

    def _nothing(self, name: str, start: int, end: int) -> Mistyped:
        if name == "[":
            return self._wrong("nothing is asked of this property", start, end, '[name], [name:value] or [name:""]')
        ways = (
            _WAYS.format(name)
            if name not in FIELDS
            else f"{name}:2026-04 or {name}:today; \\{name}: is the word itself"
        )
        return self._wrong(f"{name}: has nothing behind it", start, end, ways)

    # -- words -------------------------------------------------------------------------------------

    def _word(self) -> None:
        end = self._word_end()
        typed = self._text[self._at : end]
        kind = Kind.OR if typed == "OR" else Kind.NULL if typed == "null" and self._in_value else Kind.WORD
        self._add(kind, end, literal(typed))

    def _word_end(self) -> int:
        """Up to a blank, or to what closes more than the word has opened."""
        in_group = bool(self._opened) and not self._opened[-1].square
        begin = _end(_UNENDING, self._text, self._at) if self._text[self._at] == "\\" else self._at
        round_ = square = 0
        if begin == self._at and self._text[begin] == ")":  # the second half of `( )`
            begin += 1
        for match in _BRACKETS.finditer(self._text, begin):
            char = match[0]
            if char == "(":
                round_ += 1
            elif char == "[":
                square += 1
            elif char == ")":
                if in_group and not round_:
                    return match.start()
                round_ = max(0, round_ - 1)
            elif char == "]":
                if self._in_value and not square:
                    return match.start()
                square = max(0, square - 1)
            else:
                return match.start()
        return len(self._text)

    # -- brackets ----------------------------------------------------------------------------------

    def _bracket(self) -> bool:
        if self._link():
            return True
        match = None if self._in_value or self._behind not in ("", *CASES) else PROPERTY.match(self._text, self._at)
        if not match or (match[1] is not None and not is_name(match[1])) or self._is_pasted(match):
            return False
        name = match[1] if match[1] is not None else match[2].replace('\\"', '"')
        if match[3]:
            self._add(Kind.HAS, match.end(), name=name)
            return True
        start, end = self._at, _end(_BLANKS, self._text, match.end())
        if self._text[end] == ":":
            end += 1
            value = _end(_BLANKS, self._text, end)
            if self._text.startswith("]", value):
                raise self._nothing("[", start, value + 1)
            if not COMPARISON.match(self._text, value):
                token = self._add(Kind.VALUE, end, name=name)
                self._opened.append(_Opened(token, square=True, after=True, links=False))
                self._in_value, self._behind = True, "["
                return True
            end = value
        self._compared(name, end)
        return True

    def _is_pasted(self, match: re.Match[str]) -> bool:
        """Whether it is the box of a task, `- [x] call`, or a link of Markdown, `[Source: a book](https://…)`."""
        if match[3]:
            line = self._text[self._text.rfind("\n", 0, self._at) + 1 : self._at]
            return match[0] in ("[x]", "[X]") and _BULLET.fullmatch(line) is not None
        return _MARKDOWN_LINK.match(self._text, self._at) is not None

    def _link(self) -> bool:
        text, at = self._text, self._at
        in_links = self._behind in LINKS or (not self._behind and bool(self._opened) and self._opened[-1].links)
        if not in_links or not text.startswith("[[", at):
            return False
        end = text.find("]]", at + 2)
        if end < 0 or "\n" in text[at:end]:
            raise self._wrong("this link is not closed", at, at + 2, "linksto:[[Note]]")
        self._add(Kind.PHRASE, end + 2, text[at : end + 2])
        return True

    def _compared(self, name: str, at: int) -> None:
        """`at` is where the sign begins."""
        text, start = self._text, self._at
        match = COMPARISON.match(text, at)
        assert match is not None, "PROPERTY has seen it"
        sign = "=" if match[0].startswith("=") else match[0]
        begin = _end(_BLANKS, text, match.end())
        if text.startswith('"', begin):
            quoted = _QUOTED.match(text, begin)
            if not quoted:
                raise self._wrong("this quote is not closed", begin, begin + 1, 'add the missing "')
            value, end = quoted[1].replace('\\"', '"'), _end(_BLANKS, text, quoted.end())
            if end == len(text):
                raise self._unclosed(start, begin)
            if text[end] != "]":
                raise self._wrong("behind the value comes the end of the property", end, end + 1, "add the missing ]")
        else:
            after = max(text.find("]]", begin) + 2, begin) if text.startswith("[[", begin) else begin
            end = text.find("]", after)
            value = text[begin:end].strip()
            self._check_value(value, start, begin, end)
        self._add(Kind.COMPARED, end + 1, value, name=name, sign=sign)

    def _check_value(self, value: str, start: int, begin: int, end: int) -> None:
        if end < 0:
            raise self._unclosed(start, begin)
        if not value:
            raise self._nothing("[", start, end + 1)
        if value[0] in "<>=" or value.startswith("!="):
            raise self._wrong(
                "one sign is enough", begin, begin + 1, 'a value that begins so stands in quotes: [p="<5"]'
            )
        if _CHOICE.search(value):
            raise self._wrong("a comparison has one value", begin, end,
                              "[p<5] OR [p>7]; a value with OR in it stands in quotes")  # fmt: skip


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where what matches at `at` ends; `at` where nothing does."""
    match = pattern.match(text, at)
    return match.end() if match else at


def _joined(tokens: list[Token]) -> list[Token]:
    """Parentheses that nothing closes as words, or as the beginning of the word right behind them."""
    joined = list[Token]()
    start = end = -1  # of a run of such parentheses
    for token in tokens:
        if token.kind is Kind.OPEN and not token.closed and token.start == end:
            end = token.end
            continue
        if end >= 0:
            run = "(" * (end - start)
            if token.start == end and token.kind in (Kind.WORD, Kind.OR, Kind.NULL):
                token = Token(Kind.WORD, start, token.end, run + token.text)
            else:
                joined.append(Token(Kind.WORD, start, end, run))
            start = end = -1
        if token.kind is Kind.OPEN and not token.closed:
            start, end = token.start, token.end
        else:
            joined.append(token)
    if end >= 0:
        joined.append(Token(Kind.WORD, start, end, "(" * (end - start)))
    return joined
