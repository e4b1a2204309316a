"""
Where a link leads, as Obsidian decides it, over every file of a vault.

In this order: a path from the vault's root; a match in the folder of the linking note; the shortest path that ends in
the target. Of equally short ones Obsidian takes any: here it is the first in the order of the alphabet. Case is
ignored, and how a letter with marks is composed. Only Markdown may be named without its ending. An alias is asked for
when no file has the name, and said to be one: in Obsidian such a link is unresolved.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vragd.notes.model import Link

How = Literal["self", "path", "alias", "none"]


def fold(name: str) -> str:
    """A name or path as names are compared."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def name_key(path: str) -> str:
    """What a link to the file, or with this target, is looked up by: its last part, without `.md`."""
    return fold(path.rpartition("/")[2]).removesuffix(".md")


def looked_up(target: str) -> tuple[str, str, bool]:
    """
    How a target is looked up: its folded path without a first `/`, its `name_key`, and whether it is relative.

    What is to resolve links by a join keeps these; the note itself is ("", "", False).
    """
    key = fold(target).replace("\\", "/")
    relative = key.startswith(("./", "../"))
    return (key if relative else key.lstrip("/") or key), name_key(key), relative


@dataclass(frozen=True, slots=True)
class Resolved:
    """`path` of the file, None for `none`. `alias` names its note in other words."""

    how: How
    path: str | None


class Files:
    """The files of one vault, from its root (the folder with `.obsidian`), with `/`."""

    def __init__(self, paths: Iterable[str], aliases: Iterable[tuple[str, str]] = ()) -> None:
        """`aliases` are (alias, path of its note)."""
        self._by_name: dict[str, list[tuple[str, str]]] = {}
        self._exact: dict[str, str] = {}
        for path in sorted(paths):
            folded = fold(path)
            self._exact.setdefault(folded, path)
            self._by_name.setdefault(name_key(path), []).append((folded, path))
        self._aliases: dict[str, str] = {}
        for alias, path in aliases:
            key = fold(alias.strip())
            held = self._aliases.get(key)
            if held is None or (len(path), path) < (len(held), held):
                self._aliases[key] = path

    def resolve(self, link: Link, source: str) -> Resolved:
        """Where `link`, in the note at `source`, leads."""
        if not link.target:
            return Resolved("self", source)
        key, _, relative = looked_up(link.target)
        path = self._find(key, relative, source)
        if path is not None:
            return Resolved("path", path)
        alias = self._aliases.get(fold(link.target.strip()))
        return Resolved("none", None) if alias is None else Resolved("alias", alias)

    def _find(self, target: str, relative: bool, source: str) -> str | None:
        folder = fold(source).rpartition("/")[0]
        if relative:
            joined = _joined(folder, target)
            return None if joined is None else self._at(joined)
        if target.endswith("/"):
            return None
        if (path := self._at(target)) is not None:
            return path
        found = [
            (len(folded), folded, path)
            for folded, path in self._by_name.get(name_key(target), ())
            if _ends(folded, target)
        ]
        here = f"{folder}/" if folder else ""
        near = [each for each in found if each[1] in (here + target, f"{here}{target}.md")]
        return min(near or found, default=(0, "", None))[2]

    def _at(self, folded: str) -> str | None:
        return self._exact.get(f"{folded}.md") or self._exact.get(folded)


def _ends(path: str, target: str) -> bool:
    return path in (target, f"{target}.md") or path.endswith((f"/{target}", f"/{target}.md"))


def _joined(folder: str, target: str) -> str | None:
    """A relative target as a path from the root; None if it leaves the vault."""
    parts = folder.split("/") if folder else []
    for part in target.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def same_heading(written: str, title: str) -> bool:
    """Whether a link's heading means the heading `title`: marks are dropped and blanks count as one."""
    return heading_key(written) == heading_key(title)


def heading_key(title: str) -> str:
    """A heading as links compare it."""
    bare = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in title)
    return fold(" ".join(bare.split()))
