"""
Which paths of a source are notes: built-in rules, the source's patterns, Obsidian's own *Excluded files*.

Asked before anything is queued, so a storm in `.git` costs nothing. Names are compared as text: a folder that was typed
composed and lies on the disk decomposed is the same folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from vragd.vault.expression import Expression, is_expression
from vragd.vault.fold import same_name_key
from vragd.vault.names import ENDS, SUSPECT, SUSPECT_BEGINNINGS, no_note

__all__ = ["SUSPECT", "SUSPECT_BEGINNINGS", "Rules", "Scope"]

_SUFFIX_PATTERN = re.compile(r"^(?:\*\*/)?\*(\.[A-Za-z0-9_-]+)$")


class Scope(NamedTuple):
    """
    The entries of one vault. `below` is its folder in the source, '' for the whole of it; `above` is the way from the
    vault to the source, which may be a folder of a vault, with a slash behind it.
    """

    below: str
    above: str
    entries: tuple[str, ...]
    known: bool = True
    """Whether the entries could be read. Until then whatever is below may be what they hide."""


class Rules:
    """
    The verdict on a path. A changed rule is a new object. From any thread.

    Paths are relative to the source, with `/`, as listed by the system. `ignore_case` where its file system does.
    """

    def __init__(
        self, include: Sequence[str], exclude: Sequence[str], obsidian: Iterable[str | Scope] = (), *,
        ignore_case: bool = False,
    ) -> None:  # fmt: skip
        self.ignore_case = ignore_case
        self._suffixes: frozenset[str] = frozenset()
        self._include: GitIgnoreSpec | _InOrder | None
        if any(pattern.startswith("!") for pattern in include):
            self._include = _InOrder(include, ignore_case)
        else:
            self._suffixes, rest = _split_suffixes(include)
            self._include = self._spec(rest)
        self._exclude = self._spec(exclude)
        given = tuple(obsidian)
        plain = tuple(entry for entry in given if isinstance(entry, str))
        scopes = [entry for entry in given if isinstance(entry, Scope)] + ([Scope("", "", plain)] if plain else [])
        self.obsidian = tuple(scopes)
        self._scopes = [_Scope(scope) for scope in scopes]
        self.may_be_vague = any(scope.may_be_vague for scope in self._scopes)
        """Whether `withheld` may be true of anything: a pattern may turn out to take too long at any path."""
        self.sure: tuple[str, ...] = ()
        """Ends of a name by which alone it is a note's, unless `SUSPECT` or `SUSPECT_BEGINNINGS` are in it."""
        if self._exclude is None and not self._scopes:
            self.sure = tuple(self._suffixes.difference(ENDS))

    def _spec(self, patterns: Sequence[str]) -> GitIgnoreSpec | None:
        return GitIgnoreSpec.from_lines([self._key(pattern) for pattern in patterns]) if patterns else None

    def _key(self, name: str) -> str:
        return same_name_key(name, ignore_case=self.ignore_case)

    def excluded_dir(self, path: str) -> str | None:
        """Why nothing below the directory `path` is looked at, or None."""
        if path.rpartition("/")[2].startswith("."):
            return "dot_folder"
        if self._exclude is not None and self._exclude.match_file(self._key(path) + "/"):
            return "excluded_by_config"
        if any(scope.hides_below(path) for scope in self._scopes):
            return "excluded_by_obsidian"
        return None

    def excluded_file(self, path: str) -> str | None:
        """Why the file `path` is not a note, or None. `not_included` is by far the commonest reason."""
        name = path.rpartition("/")[2]
        dot = name.rfind(".")
        if not (dot >= 0 and name[dot:].lower() in self._suffixes) and not (
            self._include is not None and self._include.match_file(self._key(path))
        ):
            return "not_included"
        return self.hidden_file(path)

    def hidden_file(self, path: str) -> str | None:
        """Why the file `path` is not to be known at all, be it a note or what notes show; None if it may be."""
        if reason := no_note(path.rpartition("/")[2]):
            return reason
        if self._exclude is not None and self._exclude.match_file(self._key(path)):
            return "excluded_by_config"
        for scope in self._scopes:
            if scope.hides(path):
                return "excluded_by_obsidian"
        return None

    def excluded(self, path: str) -> str | None:
        """Why the file `path` is not a note, its folders considered, or None."""
        folder = path.rpartition("/")[0]
        return (self.excluded_folder(folder) if folder else None) or self.excluded_file(path)

    def hidden(self, path: str) -> str | None:
        """As `hidden_file`, its folders considered."""
        folder = path.rpartition("/")[0]
        return (self.excluded_folder(folder) if folder else None) or self.hidden_file(path)

    def excluded_folder(self, path: str) -> str | None:
        """Why nothing below the folder `path` is looked at, the folders above it considered, or None."""
        end = path.find("/")
        while end >= 0:
            if reason := self.excluded_dir(path[:end]):
                return reason
            end = path.find("/", end + 1)
        return self.excluded_dir(path)

    def withheld(self, path: str) -> bool:
        """
        Whether nobody can tell if Obsidian hides the file `path`: it is neither read nor answered with, nor forgotten.
        """
        if not self.may_be_vague:
            return False
        verdicts = [scope.hides(path) for scope in self._scopes]
        return None in verdicts and True not in verdicts

    @property
    def problems(self) -> list[str]:
        """Obsidian's entries that cannot be evaluated, each with the reason."""
        found = [problem for scope in self._scopes for problem in scope.problems]
        return list(dict.fromkeys(found))


class _Scope:
    """The entries of one vault, ready to be asked."""

    def __init__(self, scope: Scope) -> None:
        self._below = scope.below + "/" if scope.below else ""
        self._above = scope.above
        self._known = scope.known
        # Letter case is ignored here: to hide too much is the safer mistake.
        self._beginnings = tuple(
            same_name_key(one, ignore_case=True) for one in scope.entries if one and not is_expression(one)
        )
        self._expressions = [Expression(one) for one in scope.entries if is_expression(one)]
        if self._above:  # a source that is itself excluded was chosen for all that
            itself = self._above.rstrip("/")
            self._beginnings = tuple(one for one in self._beginnings if not _key(self._above).startswith(one))
            self._expressions = [one for one in self._expressions if one.problem or not one.hides_below(itself)]

    @property
    def may_be_vague(self) -> bool:
        """Whether there may be a path of which nobody can tell; an expression may yet turn out to take too long."""
        return not self._known or bool(self._expressions)

    @property
    def problems(self) -> list[str]:
        return [f"{one.entry}: {one.problem}" for one in self._expressions if one.problem]

    def _inside(self, path: str) -> str | None:
        if not path.startswith(self._below):
            return None
        return self._above + path[len(self._below) :]

    def hides(self, path: str) -> bool | None:
        inside = self._inside(path) if self._below or self._above else path
        if inside is None:
            return False
        if not self._known:
            return None
        if self._beginnings and _key(inside).startswith(self._beginnings):
            return True
        vague: bool | None = False
        for expression in self._expressions:
            verdict = expression.hides(inside)
            if verdict:
                return True
            vague = vague if verdict is False else None
        return vague

    def hides_below(self, folder: str) -> bool:
        inside = self._inside(folder)
        if inside is None or not self._known:
            return False
        if self._beginnings and (_key(inside) + "/").startswith(self._beginnings):
            return True
        return any(expression.hides_below(inside) for expression in self._expressions)


def _key(path: str) -> str:
    return same_name_key(path, ignore_case=True)


class _InOrder:
    """
    Include patterns of which some take back (`!secret.md`): the last that matches decides, and what is taken back with
    a folder is taken back in it.
    """

    def __init__(self, patterns: Sequence[str], ignore_case: bool) -> None:
        self._patterns = []
        for pattern in patterns:
            plain = same_name_key(pattern.removeprefix("!"), ignore_case=ignore_case)
            spec = GitIgnoreSpec.from_lines([_in_any_case(plain)])
            self._patterns.append((spec, not pattern.startswith("!")))

    def match_file(self, path: str) -> bool:
        return next((takes for spec, takes in reversed(self._patterns) if spec.match_file(path)), False)


def _split_suffixes(include: Sequence[str]) -> tuple[frozenset[str], list[str]]:
    """Patterns like `*.md` as a set of suffixes, matched in any case and without pathspec; and the others."""
    suffixes, rest = set(), []
    for pattern in include:
        if match := _SUFFIX_PATTERN.match(pattern):
            suffixes.add(match[1].lower())
        else:
            rest.append(pattern)
    return frozenset(suffixes), rest


def _in_any_case(pattern: str) -> str:
    if not (match := _SUFFIX_PATTERN.match(pattern)):
        return pattern
    return "*" + "".join(f"[{char.lower()}{char.upper()}]" if char.isalpha() else char for char in match[1])
