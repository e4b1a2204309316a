"""Whether the place that a link names is there: a heading, a block, a footnote of the note it leads to."""

from __future__ import annotations

import apsw

from vragd.catalog.facts import text_of_note
from vragd.catalog.graph import Edge
from vragd.catalog.link_names import heading_key, is_below, place_keys
from vragd.notes.chunk import OTHER, REGISTRY, split_name
from vragd.notes.structure import Places, places_of


class Missing:
    """Asked at one instant of the catalog, in `db`. A note is read once, when the first link names a place in it."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._known: dict[int, tuple[Places, list[list[str]]] | None] = {}

    def __contains__(self, edge: Edge) -> bool:
        """
        Whether the link leads to a note that has no such place. What was not read has all, and so have files that are
        no Markdown: `#page=3` of a PDF is neither heading nor block.
        """
        subpath = edge.link.subpath.strip()
        if not subpath or edge.to is None or not edge.to.note:
            return False
        known = self._places(edge.to.note, edge.to.path)
        if known is None:
            return False
        places, paths = known
        if subpath.startswith("[^"):
            return subpath[2:].rstrip("]").casefold() not in places.footnotes
        wanted = place_keys(subpath)
        if subpath.startswith("^"):
            return wanted[0][1:] not in places.blocks
        return bool(wanted) and not any(is_below(path, wanted) for path in paths if path[-1] == wanted[-1])

    def _places(self, note: int, path: str) -> tuple[Places, list[list[str]]] | None:
        if note not in self._known:
            is_marked = REGISTRY.get(split_name(path)[1], OTHER)[0] == "markdown"
            text = text_of_note(self._db, note) if is_marked else None
            found = None if text is None else places_of(text)
            self._known[note] = found and (found, _paths(found))
        return self._known[note]


def _paths(places: Places) -> list[list[str]]:
    """Each heading as links compare it, behind those it is below."""
    found = list[list[str]]()
    above = list[tuple[int, str]]()
    for level, title in places.headings:
        above = [*(one for one in above if one[0] < level), (level, heading_key(title))]
        found.append([key for _, key in above])
    return found
