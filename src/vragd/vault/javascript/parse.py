r"""
The text of a JavaScript pattern as a tree, by the grammar of ECMAScript with its Annex B.

Without the flag `u` nearly anything is a pattern: `\u{3}` is three times `u`, `{` may stand for itself. With it
the same is an error.
"""

from __future__ import annotations

import re

from vragd.vault.javascript.tree import (
    Char,
    Choice,
    Dot,
    Edge,
    Group,
    Look,
    Node,
    Property,
    Reference,
    Repeat,
    Sequence,
    Set,
)

_SYNTAX = frozenset("^$\\.*+?()[]{}|/")
_CONTROLS = {"f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_BRACES = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")
_GROUP_NAME = re.compile(r"<([\w$\u200c\u200d]+)>")
_HEX = "0123456789abcdefABCDEF"
_MODIFIERS = re.compile(r"\?([ims]*)(?:-([ims]*))?:")
_LEAST_UNUSED_IN_V = ("--", "&&", "!!", "##", "$$", "%%", "**", "++", ",,", "..", "::", ";;", "<<", "==", ">>", "??",
                      "@@", "^^", "``", "~~")  # fmt: skip
MAX_DEPTH = 200


class NotJavaScript(ValueError):
    """The text is no pattern of JavaScript's, or one of a kind that is not read here."""


class Parser:
    """Reads one pattern. `text` is in UTF-16 units unless `unicode`."""

    def __init__(self, text: str, *, unicode: bool, sets: bool = False) -> None:
        self._text, self._unicode, self._sets = text, unicode, sets
        self._at = self._depth = 0
        self._n_groups, self.names = _groups(text)
        self._opened = 0

    def parse(self) -> Node:
        """The whole pattern. Raises NotJavaScript."""
        node = self._choice()
        if self._at < len(self._text):
            raise NotJavaScript("unmatched )")
        return node

    # -- characters --------------------------------------------------------------------------------

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        if self._at >= len(self._text):
            raise NotJavaScript("the pattern ends in the middle")
        self._at += 1
        return self._text[self._at - 1]

    def _eat(self, wanted: str) -> bool:
        if self._text.startswith(wanted, self._at):
            self._at += len(wanted)
            return True
        return False

    def _hex(self, count: int) -> int | None:
        digits = self._text[self._at : self._at + count]
        if len(digits) < count or any(digit not in _HEX for digit in digits):
            return None
        self._at += count
        return int(digits, 16)

    # -- what a pattern is made of -------------------------------------------------------------------

    def _choice(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotJavaScript("nested too deeply")
        options = [self._sequence()]
        while self._eat("|"):
            options.append(self._sequence())
        self._depth -= 1
        return options[0] if len(options) == 1 else Choice(options)

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._term())
        return Sequence(parts)

    def _term(self) -> Node:
        start = self._at
        char = self._take()
        if char in "^$":
            return Edge(char)
        if char == "\\" and self._peek() in ("b", "B"):
            return Edge(self._take())
        node = self._atom(char)
        if isinstance(node, Look) and (self._unicode or not node.ahead):
            if self._at < len(self._text) and self._quantifier() is not None:
                raise NotJavaScript("nothing to repeat")
            return node
        found = self._quantifier()
        if found is None:
            return node
        least, most = found
        if most is not None and most < least:
            raise NotJavaScript(f"numbers out of order at {start}")
        return Repeat(node, least, most, self._eat("?"))

    def _quantifier(self) -> tuple[int, int | None] | None:
        for mark, found in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._eat(mark):
                return found
        if match := _BRACES.match(self._text, self._at):
            self._at = match.end()
            least = int(match[1])
            return least, least if match[2] is None else int(match[3]) if match[3] else None
        return None

    def _atom(self, char: str) -> Node:
        if char == ".":
            return Dot()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == "\\":
            return self._escape()
        if char in "*+?" or (self._unicode and char in "{}]"):
            raise NotJavaScript("nothing to repeat" if char in "*+?" else f"a lone {char}")
        if char == "{" and _BRACES.match(self._text, self._at - 1):
            raise NotJavaScript("nothing to repeat")
        return Char(ord(char))

    def _group(self) -> Node:
        node: Node
        index, on, off = None, "", ""
        for mark, ahead, negated in (
            ("?=", True, False),
            ("?!", True, True),
            ("?<=", False, False),
            ("?<!", False, True),
        ):
            if self._eat(mark):
                node = Look(ahead, negated, self._choice())
                break
        else:
            if match := _MODIFIERS.match(self._text, self._at):
                self._at = match.end()
                on, off = match[1], match[2] or ""
                if len(set(on + off)) < len(on + off) or (match[2] == "" and not on):
                    raise NotJavaScript("flags that contradict each other")
            elif self._eat("?"):
                if not (match := _GROUP_NAME.match(self._text, self._at)):
                    raise NotJavaScript("a group of an unknown kind")
                self._at = match.end()
                self._opened += 1
                index = self._opened
            else:
                self._opened += 1
                index = self._opened
            node = Group(index, self._choice(), on, off)
        if not self._eat(")"):
            raise NotJavaScript("a group is not closed")
        return node

    # -- escapes -----------------------------------------------------------------------------------

    def _escape(self) -> Node:
        char = self._take()
        if char in "dDsSwW":
            return Set([], [char])
        if char in "pP" and self._unicode:
            return self._property(negated=char == "P")
        if char == "k" and (self._unicode or self.names):
            match = _GROUP_NAME.match(self._text, self._at)
            if not match or match[1] not in self.names:
                raise NotJavaScript("a reference to no group")
            self._at = match.end()
            return Reference(self.names[match[1]])
        if char in "123456789":
            digits = re.compile(r"[0-9]*").match(self._text, self._at)
            assert digits is not None
            number = int(char + digits[0][:6])
            if number <= self._n_groups:
                self._at = digits.end()
                return Reference([number])
            if self._unicode:
                raise NotJavaScript("a reference to no group")
        return Char(self._code(char, in_class=False))

    def _code(self, char: str, *, in_class: bool) -> int:
        """The character that an escape stands for, whose first character was taken."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "0" and self._peek() not in tuple("0123456789"):
            return 0
        if char == "c":
            return self._control(in_class=in_class)
        if char == "x":
            return self._or_itself(char, self._hex(2))
        if char == "u":
            return self._or_itself(char, self._unit())
        if self._unicode:
            if char in _SYNTAX or (char == "-" and in_class):
                return ord(char)
            raise NotJavaScript(f"an escape that means nothing: \\{char}")
        if char in "01234567":
            value = int(char, 8)
            while self._peek() and self._peek() in "01234567" and value * 8 + int(self._peek(), 8) <= 0o377:
                value = value * 8 + int(self._take(), 8)
            return value
        return ord(char)

    def _control(self, *, in_class: bool) -> int:
        following = self._peek()
        if following.isascii() and (
            following.isalpha() or (in_class and not self._unicode and (following.isdigit() or following == "_"))
        ):
            return ord(self._take()) % 32
        if self._unicode:
            raise NotJavaScript("an escape that means nothing: \\c")
        self._at -= 1  # the backslash stands for itself, and what follows too
        return ord("\\")

    def _or_itself(self, char: str, code: int | None) -> int:
        if code is not None:
            return code
        if self._unicode:
            raise NotJavaScript(f"an escape that is not whole: \\{char}")
        return ord(char)

    def _unit(self) -> int | None:
        if self._unicode and self._peek() == "{":
            end = self._text.find("}", self._at)
            digits = self._text[self._at + 1 : end] if end > 0 else ""
            if not digits or any(digit not in _HEX for digit in digits) or int(digits, 16) > 0x10FFFF:
                return None
            self._at = end + 1
            return int(digits, 16)
        code = self._hex(4)
        if self._unicode and code is not None and 0xD800 <= code < 0xDC00 and self._text.startswith("\\u", self._at):
            start = self._at
            self._at += 2
            low = self._hex(4)
            if low is not None and 0xDC00 <= low < 0xE000:
                return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            self._at = start
        return code

    def _property(self, *, negated: bool) -> Node:
        end = self._text.find("}", self._at)
        if self._peek() != "{" or end < 0:
            raise NotJavaScript("a property without a name")
        name, _, value = self._text[self._at + 1 : end].partition("=")
        self._at = end + 1
        return Property(name, value, negated)

    # -- classes -----------------------------------------------------------------------------------

    def _class(self) -> Node:
        found = Set([], [], negated=self._eat("^"))
        while not self._eat("]"):
            if self._sets and (
                self._peek() in tuple("[()|{}/-") or self._text[self._at : self._at + 2] in _LEAST_UNUSED_IN_V
            ):
                raise NotJavaScript("a set made of sets (flag v)")
            low = self._member()
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("", "]"):
                self._at += 1
                high = self._member()
                if isinstance(low, int) and isinstance(high, int):
                    if high < low:
                        raise NotJavaScript("a range out of order")
                    found.ranges.append((low, high))
                    continue
                if self._unicode:
                    raise NotJavaScript("a range of classes")
                for one in (low, ord("-"), high):
                    _add(found, one)
                continue
            _add(found, low)
        return found

    def _member(self) -> int | str | Property:
        char = self._take()
        if char != "\\":
            return ord(char)
        char = self._take()
        if char in "dDsSwW":
            return char
        if char in "pP" and self._unicode:
            found = self._property(negated=char == "P")
            assert isinstance(found, Property)
            return found
        if char == "b":
            return 8
        if self._sets and char == "q":
            raise NotJavaScript("a set of strings (flag v)")
        return self._code(char, in_class=True)


def _add(found: Set, member: int | str | Property) -> None:
    if isinstance(member, int):
        found.ranges.append((member, member))
    else:
        found.kinds.append(member)


def _groups(text: str) -> tuple[int, dict[str, list[int]]]:
    """How many groups capture, and the numbers of those that have a name; needed before the first is read."""
    count, names, at, in_class = 0, dict[str, list[int]](), 0, False
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char == "(":
            name = _GROUP_NAME.match(text, at + 2) if text.startswith("(?", at) else None
            if name:
                names.setdefault(name[1], []).append(count + 1)
            count += bool(name) or not text.startswith("(?", at)
        at += 1
    return count, names
