"""A command line as a shell reads it, as far as it was typed, and names as they are to stand in it."""

from __future__ import annotations

import re
from typing import NamedTuple

_PLAIN = re.compile(r"[\w./@%+,:=-]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OPERATORS = "<>|&;()"
_IN_C = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\033", "f": "\f", "v": "\v"}


class Typed(NamedTuple):
    """
    The words before the one at the cursor, what that one says so far, and what of it the shell leaves as it is
    (`kept`); the quote that is open in it, and whether it is a name of the disk's own, behind `>`, or has what only
    the shell can tell (`unknown`), such as `$x`.
    """

    words: list[str]
    current: str
    kept: str = ""
    quote: str = ""
    redirected: bool = False
    unknown: bool = False


class _Word:
    def __init__(self) -> None:
        self.value, self.kept, self.quote = "", 0, ""
        self.unknown = self.begun = False


class _Line:
    """What is read of a line of bash's."""

    def __init__(self, text: str, breaks: str) -> None:
        self.text, self.breaks, self.at = text, breaks, 0
        self.words, self.word = list[str](), _Word()
        self.redirected = False

    def read(self) -> Typed:
        while self.at < len(self.text):
            self._step()
        word = self.word
        return Typed(self.words[1:], word.value, word.value[: word.kept], word.quote, self.redirected, word.unknown)

    def _step(self) -> None:
        char, word = self.text[self.at], self.word
        self.at += 1
        if char.isspace() or char in _OPERATORS:
            self._end(redirects=char in "<>")
        elif char == "\\":
            self._add(self.text[self.at : self.at + 1])
            self.at += 1
        elif self.text.startswith("$'", self.at - 1):
            self.at += 1
            self._in_c()
        elif char in "'\"":
            self._quoted(char)
        elif char in "$`":
            word.unknown = True
            self._add(char)
        else:
            self._add(char)
            if char in self.breaks:
                word.kept = len(word.value)

    def _add(self, text: str) -> None:
        self.word.value += text
        self.word.begun = True

    def _end(self, *, redirects: bool) -> None:
        if self.word.begun:
            if not self.redirected:
                self.words.append(self.word.value)
            self.redirected = False
        self.redirected = self.redirected or redirects
        self.word = _Word()

    def _quoted(self, quote: str) -> None:
        self.word.begun, start = True, len(self.word.value)
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == quote:
                return
            if quote == '"' and char == "\\" and self.text[self.at : self.at + 1] in ("$", "`", '"', "\\", "\n"):
                char = self.text[self.at]
                self.at += 1
            elif quote == '"' and char in "$`":
                self.word.unknown = True
            self._add(char)
        self.word.quote, self.word.kept = quote, start

    def _in_c(self) -> None:
        """What stands in `$'…'`; what is open there is left alone."""
        self.word.begun = True
        while self.at < len(self.text):
            if self.text[self.at] == "'":
                self.at += 1
                return
            match = re.compile(r"\\x([0-9a-fA-F]{1,2})|\\(.)|(.)", re.DOTALL).match(self.text, self.at)
            assert match is not None
            self.at = match.end()
            self._add(chr(int(match[1], 16)) if match[1] else _IN_C.get(match[2], match[2]) if match[2] else match[3])
        self.word.unknown = True


def in_bash(line: str, breaks: str) -> Typed:
    """The line up to the cursor; `breaks` is COMP_WORDBREAKS, behind which bash begins what it replaces."""
    return _Line(line, "".join(char for char in breaks if char in ":=@")).read()


def for_bash(name: str, typed: Typed) -> str:
    """
    The rest of `name` behind what is kept, as it may stand where the cursor is. Bash closes a quote that is open, but
    not behind what ends in such a one itself.
    """
    rest = name[len(typed.kept) :]
    if typed.quote and rest.endswith((typed.quote, "!" if typed.quote == '"' else typed.quote)):
        last = f"{typed.quote}\\{rest[-1]}" + (typed.quote * 2 if rest[-1] == "!" else "")
        return _within(rest[:-1], typed.quote) + last
    if typed.quote:
        return _within(rest, typed.quote)
    if _CONTROL.search(rest):
        return "$'" + _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", re.sub(r"(['\\])", r"\\\1", rest)) + "'"
    return "".join(char if not char.isascii() or _PLAIN.fullmatch(char) else f"\\{char}" for char in rest)


def _within(text: str, quote: str) -> str:
    """The text between such quotes, which are opened and closed around what may not stand there."""
    if quote == "'":
        return text.replace("'", "'\\''")
    return re.sub(r'([\\"$`])', r"\\\1", text).replace("!", '"\\!"')


def in_fish(token: str) -> str:
    """What a token of fish's says as far as it was typed."""
    found, quote, at = "", "", 0
    while at < len(token):
        char = token[at]
        at += 1
        if char == quote:
            quote = ""
        elif char in "'\"" and not quote:
            quote = char
        elif char == "\\" and at < len(token) and (not quote or token[at] in (quote, "\\", "$")):
            found += token[at] if quote else _IN_C.get(token[at], token[at])
            at += 1
        else:
            found += char
    return found
