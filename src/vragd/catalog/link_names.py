"""
Names as links mean them, and where a link leads, as Obsidian decides it, over every file of a vault.

In this order: a path from the vault's root; the shortest path that ends in the target in the folder of the linking note
or below it, and then anywhere. Of equally short ones Obsidian takes any: here it is the first in the order of the
alphabet. Case is ignored, and how a letter with marks is composed. Only Markdown may be named without its ending, and a
target with a dot in it is first taken for a name as it stands: `P.png` is no `P.png.md` where there are both. An alias
is asked for when no file has the name, and said to be one: in Obsidian such a link is unresolved.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

How = Literal["self", "path", "alias", "none"]

MOST_PARTS = 6
"""Between marks; of a place with more it is not tried which of them may be one heading, but for all of them."""


_KEPT = frozenset({"Mn", "Mc", "Me", "So"})  # of a heading, beside letters and digits: marks and pictograms


def fold(name: str) -> str:
    """A name or path as names are compared."""
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
    return folded.encode("utf-8", "backslashreplace").decode()  # a name of the system's may hold what is no text


def name_key(path: str) -> str:
    """What a link to the file, or with this target, is looked up by: its last part, folded, without `.md`."""
    return fold(path.rpartition("/")[2]).removesuffix(".md")


def asked_by(target: str) -> tuple[str, ...]:
    """The name keys of files that a link with this target may lead to. `A.md` may be `A.md`, and `A.md.md`."""
    last = fold(_slashed(target).rpartition("/")[2])
    return (last.removesuffix(".md"), last) if last.endswith(".md") else (last,)


def asked_for(key: str) -> tuple[str, ...]:
    """The name keys of links that may lead to a file with this one, as `link.name` holds them."""
    return (key, key.removesuffix(".md")) if key.endswith(".md") else (key,)


def link_key(target: str) -> str:
    """What a link is kept under: one of `asked_for` of whatever file it leads to; '' for the note itself."""
    return name_key(_slashed(target))


def alias_key(alias: str) -> str:
    """An alias, or a target that may be one, as they are compared."""
    return fold(alias.strip())


def heading_key(title: str) -> str:
    """A heading as links compare it: special characters are dropped, blanks count as one."""
    bare = "".join(c if c.isalnum() or unicodedata.category(c) in _KEPT else " " for c in title)
    return fold(" ".join(bare.split()))


def place_keys(subpath: str) -> tuple[str, ...]:
    """The headings a subpath names, from the outermost in, as they are compared; `^id` for a block."""
    if subpath.startswith("^"):
        return ("^" + fold(subpath[1:].strip()),)
    return tuple(key for part in subpath.split("#") if (key := heading_key(part)))


def place_readings(subpath: str) -> Iterator[tuple[str, ...]]:
    """`place_keys`, and behind it what else a person may mean: headings that have a `#` of their own."""
    parts = place_keys(subpath)
    yield parts
    for n_headings in range(len(parts) - 1 if len(parts) <= MOST_PARTS else 1, 0, -1):
        for cuts in combinations(range(1, len(parts)), n_headings - 1):
            ends = (*cuts, len(parts))
            yield tuple(" ".join(parts[first:end]) for first, end in zip((0, *cuts), ends, strict=True))


def is_same_place(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two places may be the same heading or block: the shorter names it by its innermost headings."""
    n = min(len(one), len(other))
    return n > 0 and tuple(one[-n:]) == tuple(other[-n:])


def is_below(heading: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether what stands under the headings `heading` (keys) is within `wanted`: its parts are there in this order."""
    rest = iter(heading)
    return bool(wanted) and all(part in rest for part in wanted)


class Vaults(NamedTuple):
    """
    The vaults of a source: folders inside that are vaults of their own, and the way from the root of the vault the
    source is in to the source, '' or with a slash behind it.
    """

    inside: tuple[str, ...] = ()
    above: str = ""

    def of(self, path: str) -> str:
        """The folder of the vault that the file is in, '' for that of the source itself."""
        around = [folder for folder in self.inside if path.startswith(folder + "/")]
        return max(around, key=len, default="")

    def within(self, path: str, vault: str) -> str:
        """The path from the root of its vault."""
        return path[len(vault) + 1 :] if vault else self.above + path


class Candidate(NamedTuple):
    """A file by its folded path from the vault's root; `file` is whatever the caller knows it by."""

    key: str
    path: str
    file: int


class Named:
    """The files of one vault that have one of the names a link is asked by."""

    def __init__(self, files: Iterable[Candidate]) -> None:
        self._at: dict[str, Candidate] = {}
        self._ends: dict[str, list[Candidate]] = {}
        self._sorted: dict[str, list[Candidate]] = {}
        self._below: dict[tuple[str, str], Candidate | None] = {}
        known = sorted(files, key=_shortest)
        self._only = known[0] if len(known) == 1 else None
        for one in known:  # of two that are one name in another case the first counts
            self._at.setdefault(one.key, one)
            self._ends.setdefault(_last_two(f"/{one.key}"), []).append(one)
            self._ends.setdefault(one.key.rpartition("/")[2], []).append(one)

    def find(self, target: str, source: str) -> Candidate | None:
        """The file that a link with this target leads to from the note at `source`, a path from the vault's root."""
        target = fold(_slashed(target))
        if self._only is not None and "/" not in target:  # most are of this kind
            return self._only if self._only.key.rpartition("/")[2] in (target, f"{target}.md") else None
        folder = fold(source).rpartition("/")[0]
        names = (target, f"{target}.md") if "." in target.rpartition("/")[2] else (f"{target}.md", target)
        if target.startswith(("./", "../")):
            joined = (_joined(folder, name) for name in names)
            return next((found for path in joined if path is not None and (found := self._at.get(path))), None)
        if target.endswith("/") or not target.strip("/"):
            return None
        return next((found for name in names if (found := self._called(name.lstrip("/"), folder))), None)

    def _called(self, name: str, folder: str) -> Candidate | None:
        """The file with just this name, as it is meant in this folder."""
        if found := self._at.get(name):
            return found
        if "/" not in name and (found := self._at.get(f"{folder}/{name}")):
            return found  # none below the folder has a shorter path
        tail = f"/{name}"
        end = _last_two(tail) if "/" in name else name
        among = self._ends.get(end, [])
        if not among:
            return None
        if folder and len(among) > 1 and (found := self._below_folder(end, tail, folder, among)):
            return found
        return next((one for one in among if one.key.endswith(tail)), None)

    def _below_folder(self, end: str, tail: str, folder: str, among: Sequence[Candidate]) -> Candidate | None:
        """The shortest of these with this tail below a folder, looked for once: many files are called index."""
        if (tail, folder) not in self._below:
            if end not in self._sorted:
                self._sorted[end] = sorted(among)
            known = self._sorted[end]
            first = bisect_left(known, (f"{folder}/",))
            last = bisect_left(known, (f"{folder}0",))  # the character behind a slash
            found = (one for one in known[first:last] if one.key.endswith(tail))
            self._below[tail, folder] = min(found, key=_shortest, default=None)
        return self._below[tail, folder]


def _shortest(one: Candidate) -> tuple[int, str, str]:
    return len(one.path), one.key, one.path


def _last_two(path: str) -> str:
    """The last two parts of a path, which begins with a slash; many files are called index, and few in one folder."""
    return path[path.rfind("/", 0, path.rfind("/")) + 1 :]


def _slashed(target: str) -> str:
    return target.replace("\\", "/")


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
