"""
Whether related notes are the ones that people link: of the notes a note links to, how many are among its ten nearest.

The texts of links are taken out of a copy of the vault before anything is compared, on both sides, or a note would be
found by the names it links by; where links lead is read from the vault as it is. `share` is the mean, over notes that
link to others, of the share of those that are found, of ten at most. Beside it stand the mean of a note's chunks
alone, and the notes of the same folder.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.graphs import Linked
from vragd.catalog.graph import File
from vragd.search.ask import Question, Target
from vragd.search.similar import Wanted, similar

NEAREST = 10
_LINK = re.compile(r"!?\[\[[^\[\]\n]*\]\]|!?\[[^\[\]\n]*\]\([^()\n]*\)")


def without_links(vault: Path, place: Path) -> Path:
    """A copy of the vault below `place` whose notes have no link, made once."""
    copy = place / "without links" / vault.name
    if not copy.exists():
        shutil.copytree(vault, copy)
        for note in copy.rglob("*.md"):
            note.write_text(_LINK.sub(" ", note.read_text("utf-8", "replace")), "utf-8")
    return copy


def linked(vault: Path, place: Path) -> dict[str, set[str]]:
    """By path, the other notes that each note links to."""
    shutil.rmtree(place / "links", ignore_errors=True)
    (place / "links").mkdir(parents=True)
    store = Linked(vault, place / "links" / "store")
    store.look()
    found: dict[str, set[str]] = {}
    for edge in store.edges():
        if edge.to is not None and edge.to.note and edge.to.path != edge.of.path:
            found.setdefault(edge.of.path, set()).add(edge.to.path)
    store.close()
    return found


def figures(target: Target, links: Mapping[str, set[str]]) -> dict[str, Any]:
    """Of this way and of the two it is held against."""
    (label,) = target.places

    def related(path: str) -> list[str]:
        wanted = Wanted(Question("-", top_k=NEAREST), File(label, path))
        return [hit.note.path for hit in similar(target, wanted).hits]

    paths, by_mean = _means(target)
    links = {of: to & set(paths) for of, to in links.items() if of in paths}
    return {
        "notes": sum(1 for to in links.values() if to),
        "similar": _share(links, related),
        "mean_of_chunks": _share(links, by_mean),
        "same_folder": _share(links, lambda path: _beside(path, paths)),
    }


def _share(links: Mapping[str, set[str]], nearest: Callable[[str], list[str]]) -> float:
    shares = [len(to & set(nearest(of)[:NEAREST])) / min(len(to), NEAREST) for of, to in links.items() if to]
    return round(float(np.mean(shares)), 4) if shares else 0.0


def _beside(path: str, paths: list[str]) -> list[str]:
    folder = path.rpartition("/")[0]
    return [other for other in paths if other != path and other.rpartition("/")[0] == folder]


def _means(target: Target) -> tuple[list[str], Callable[[str], list[str]]]:
    """Every note's path, and what is nearest to one by the mean of its chunks' vectors."""
    assert target.space is not None
    with target.reader.snapshot() as now:
        rows = now.selecting.all()
        paths = {row: path for row, (_, path, *_) in now.lookup.notes(rows.tolist()).items()}
        order = sorted(paths, key=paths.__getitem__)
        at = {row: i for i, row in enumerate(order)}
        means = np.zeros((len(order), target.space.dimension))
        owner = dict(now.lookup.chunks_among(rows))
        for start in range(0, len(owner), 2_000):
            found, vectors = now.lookup.vectors(target.space.id, list(owner)[start : start + 2_000])
            np.add.at(means, [at[owner[chunk]] for chunk in found], vectors)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    names = [paths[row] for row in order]
    place = {path: i for i, path in enumerate(names)}

    def nearest(path: str) -> list[str]:
        cosines = means @ means[place[path]]
        cosines[place[path]] = -2.0
        return [names[i] for i in np.argsort(-cosines, kind="stable")[:NEAREST]]

    return names, nearest
