"""
Which paths of a source are notes: built-in rules, the source's patterns, Obsidian's own *Excluded files*.

Asked before anything is queued, so a storm in `.git` costs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from pathspec import GitIgnoreSpec

# Names that are never a note whatever is included: editors' and sync tools' temporary files and copies.
_BEGINNINGS = (".", "~$")  # also .#lock, .syncthing.x.tmp, .~lock.x#
_ENDS = ("~", ".tmp", ".swp", ".swx", ".crdownload", ".part")
_PARTS = (".sync-conflict-", "conflicted copy")
SUSPECT_BEGINNINGS, SUSPECT = (".", "~"), "conflict"
_VIMS = "4913"  # vim tries whether it may write here

APP_JSON = ".obsidian/app.json"
_SUFFIX_PATTERN = re.compile(r"^(?:\*\*/)?\*(\.[A-Za-z0-9_-]+)$")


class Rules:
    """
    The verdict on a path. Immutable: a changed rule is a new object.

    Paths are relative to the source, with `/`, as listed by the system.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str], obsidian: Iterable[str] = ()) -> None:
        self._suffixes, rest = _split_suffixes(include)
        self._include = GitIgnoreSpec.from_lines(rest) if rest else None
        self._exclude = GitIgnoreSpec.from_lines(exclude) if exclude else None
        self.obsidian = tuple(obsidian)
        self._obsidian = _obsidian_patterns(self.obsidian)
        self.sure: tuple[str, ...] = ()
        """Ends of a name by which alone it is a note's, unless `SUSPECT` or `SUSPECT_BEGINNINGS` are in it."""
        if self._exclude is None and not self._obsidian:
            self.sure = tuple(self._suffixes.difference(_ENDS))

    def excluded_dir(self, path: str) -> str | None:
        """Why nothing below the directory `path` is looked at, or None."""
        if path.rpartition("/")[2].startswith("."):
            return "dot_folder"
        return self._excluded(path + "/")

    def excluded_file(self, path: str) -> str | None:
        """Why the file `path` is not a note, or None. `not_included` is by far the commonest reason."""
        name = path.rpartition("/")[2]
        dot = name.rfind(".")
        if not (dot >= 0 and name[dot:].lower() in self._suffixes) and not (
            self._include is not None and self._include.match_file(path)
        ):
            return "not_included"
        if _is_temporary(name):
            return "temporary_file"
        return self._excluded(path)

    def excluded(self, path: str) -> str | None:
        """Why the file `path` is not a note, its folders considered, or None."""
        folder = path.rpartition("/")[0]
        return (self.excluded_folder(folder) if folder else None) or self.excluded_file(path)

    def excluded_folder(self, path: str) -> str | None:
        """Why nothing below the folder `path` is looked at, the folders above it considered, or None."""
        parts = path.split("/")
        for i in range(len(parts)):
            if reason := self.excluded_dir("/".join(parts[: i + 1])):
                return reason
        return None

    def _excluded(self, path: str) -> str | None:
        if self._exclude is not None and self._exclude.match_file(path):
            return "excluded_by_config"
        for pattern in self._obsidian:
            if pattern.search(path):
                return "excluded_by_obsidian"
        return None


def _is_temporary(name: str) -> bool:
    if name.startswith(_BEGINNINGS) or name.endswith(_ENDS) or name == _VIMS:
        return True
    return (len(name) > 1 and name[0] == "#" and name[-1] == "#") or any(part in name for part in _PARTS)


def _split_suffixes(include: Sequence[str]) -> tuple[frozenset[str], list[str]]:
    """Patterns like `*.md` as a set of suffixes, matched in any case and without pathspec; and the others."""
    suffixes, rest = set(), []
    for pattern in include:
        if match := _SUFFIX_PATTERN.match(pattern):
            suffixes.add(match[1].lower())
        else:
            rest.append(pattern)
    return frozenset(suffixes), rest


def _obsidian_patterns(filters: Iterable[str]) -> list[re.Pattern[str]]:
    # Obsidian: an entry between slashes is a regular expression anywhere in the path, any other the
    # beginning of a path. Letter case is ignored here: to hide too much is the safer mistake.
    # The expressions stay apart: joined, their groups, references and flags would get in each other's way.
    beginnings, patterns = [], []
    for entry in filters:
        if _is_expression(entry):
            if (pattern := _compiled(entry)) is not None:
                patterns.append(pattern)
        elif entry:
            beginnings.append(re.escape(entry))
    if beginnings:
        patterns.insert(0, re.compile(f"^(?:{'|'.join(beginnings)})", re.IGNORECASE))
    return patterns


def _is_expression(entry: str) -> bool:
    return len(entry) > 2 and entry.startswith("/") and entry.endswith("/")


def _compiled(entry: str) -> re.Pattern[str] | None:
    # None for a JavaScript-only expression; `unreadable_filters` names it
    try:
        return re.compile(entry[1:-1], re.IGNORECASE)
    except (re.error, OverflowError, RecursionError):
        return None


def obsidian_filters(app_json: bytes) -> tuple[str, ...]:
    """
    The *Excluded files* in the text of Obsidian's `app.json`. ValueError if it cannot be read as such.

    Each is the beginning of a path, or a regular expression between slashes.
    """
    try:
        document = json.loads(app_json)
    except RecursionError:
        raise ValueError("app.json is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("app.json does not hold an object")  # noqa: TRY004
    filters = document.get("userIgnoreFilters") or []
    if not isinstance(filters, list):
        raise ValueError("userIgnoreFilters is not a list")  # noqa: TRY004
    return tuple(entry for entry in filters if isinstance(entry, str))


def unreadable_filters(filters: Iterable[str]) -> list[str]:
    """Those regular expressions among `filters` that Python cannot compile, and which therefore hide nothing."""
    return [entry for entry in filters if _is_expression(entry) and _compiled(entry) is None]
