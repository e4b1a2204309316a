"""One of Obsidian's regular expressions: what it hides, and what it might hide while nobody can tell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import regex

from vragd.vault.javascript.translate import Translation, translate, units

TRY_S = 0.05
TRIES = 3
"""A pattern that took longer than `TRY_S` for so many paths is not put to others."""
# Obsidian takes what stands between slashes; flags behind them are what people carry over from elsewhere.
_EXPRESSION = re.compile(r"/(.+)/([dgimsuvy]{0,8})", re.DOTALL)


def is_expression(entry: str) -> bool:
    """Whether an entry of Obsidian's excluded files is a pattern, and not the beginning of a path."""
    return _EXPRESSION.fullmatch(entry) is not None


class Expression:
    """
    An entry `/…/`. From any thread.

    Letter case is regarded and disregarded, and names are taken composed and as the disk has them: what any of these
    hides is hidden, to hide too much being the safer mistake.
    """

    def __init__(self, entry: str) -> None:
        match = _EXPRESSION.fullmatch(entry)
        assert match is not None, "ask `is_expression` first"
        self.entry = entry
        self._source = match[1]
        sources = dict.fromkeys((match[1], unicodedata.normalize("NFC", match[1])))
        flags = match[2].replace("y", "")  # with it less would be hidden
        made = [translate(source, flags) for source in sources]
        self.problem = next((one.problem for one in made if one.problem), "")
        """Why it cannot be evaluated; empty while it can."""
        self._set(made)
        self._n_slow, self._slow = 0, set[str]()

    def _set(self, made: list[Translation]) -> None:
        self._grows = all(one.grows for one in made)
        flags = (regex.IGNORECASE,) if self.problem else (0, regex.IGNORECASE)
        self._compiled = [(regex.compile(one.pattern, flag), one.units) for one in made for flag in flags]

    def hides(self, path: str) -> bool | None:
        """Whether the note at `path` is hidden; None if it may be and nobody can tell."""
        if path in self._slow:
            return None
        if not self._matches(path):
            return None if path in self._slow else False
        return None if self.problem else True

    def hides_below(self, folder: str) -> bool:
        """Whether surely every note below `folder` is hidden, so that it need not be looked into."""
        return self._grows and not self.problem and self._matches(folder + "/")

    def _matches(self, path: str) -> bool:
        for text in _spelled(path):
            for compiled, in_units in self._compiled:
                try:
                    if compiled.search(units(text) if in_units else text, timeout=TRY_S):
                        return True
                except TimeoutError:
                    self._took_long(path)
                    return False
        return False

    def _took_long(self, path: str) -> None:
        self._slow.add(path)
        self._n_slow += 1
        if self._n_slow >= TRIES and not self.problem:
            self.problem = "it takes too long"
            self._set([translate(self._source + "(")])  # which cannot be read: what is left is how it begins


def _spelled(path: str) -> Iterator[str]:
    if path.isascii():
        yield path
        return
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    composed = unicodedata.normalize("NFC", text)
    yield composed
    if composed != text:
        yield text
