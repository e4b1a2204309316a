"""What links to what in one store: a note's links and those to it, what leads nowhere, what nothing leads to."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, unquote, urlsplit

import apsw

from vragd.catalog.graph import Edge, File, Graph
from vragd.catalog.link_names import Vaults, fold, is_same_place, place_keys, place_readings
from vragd.catalog.reader import Reader, Snapshot
from vragd.errors import NotFound
from vragd.search.grammar import tree
from vragd.search.lines import NoteText, is_within
from vragd.search.nearest import nearness
from vragd.search.places import Missing
from vragd.system.filenames import exact, shown
from vragd.system.unseen import seen_path

MOST_NAMES = 50_000
"""Of files, that are compared with one that is nowhere."""
N_NEAR, NEAR = 3, 0.7  # by less, names are alike that have nothing to do with each other: nosuch, CouchDB
_LINES = re.compile(r":(\d{1,9})(?:-(\d{1,9}))?$")


@dataclass(frozen=True, slots=True)
class Root:
    """
    A source as links need it; `paths` are those of its directory, `vaults` folders inside that are vaults of their own,
    `above` is the way from the root of the vault around it. `withheld` as in `question.Place`.
    """

    paths: tuple[str, ...]
    vaults: tuple[str, ...] = ()
    above: str = ""
    withheld: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """A store as a question about links sees it. `sources` (labels) narrows what is answered, not where links lead."""

    name: str
    reader: Reader
    roots: Mapping[str, Root]
    sources: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file of a vault. `title` is '' for one that is no note, `path_b64` its bytes where `path` is not them."""

    store: str
    source: str
    path: str
    title: str
    path_b64: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """
    A link as it stands in the note `of`, and the file `to` it leads to. `how`: `path`, `alias` (which Obsidian would
    not follow), `self` (a place in the same note), `none`. `missing`: the file is there, but not the place in it.
    """

    of: FileRef
    line: int
    heading: tuple[str, ...]
    kind: str
    embed: bool
    target: str
    subpath: str
    alias: str
    how: str
    to: FileRef | None
    missing: bool = False


@dataclass(slots=True)
class Told:
    """
    What a store says. `counts` are of links by how they lead, of notes, of orphans; `names` lead nowhere; `misplaced`
    are links of all to a place that their file has not.
    """

    note: FileRef | None = None
    place: str = ""
    lines: tuple[int, int] | None = None
    out: list[Link] = field(default_factory=list)
    back: list[Link] = field(default_factory=list)
    unresolved: list[Link] = field(default_factory=list)
    misplaced: list[Link] = field(default_factory=list)
    names: Counter[str] = field(default_factory=Counter)
    orphans: list[FileRef] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    n_unread: int = 0
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """
    A file, and the place in it that was asked for: '', headings, or `^` and a block's id; or the first and last of the
    lines, as they were typed. `is_whole`: it was asked for by all of its address, as hits print it.
    """

    file: File
    place: str = ""
    lines: tuple[int, int] | None = None
    is_whole: bool = False

    @property
    def address(self) -> str:
        """Of the file, as hits print it."""
        return _address(self.file)


def find(target: Linked, text: str) -> list[Asked]:
    """
    The files somebody may mean by `text`, none if there is none: a path as hits print it, from the source or with its
    name before it, which goes before; a path on the disk; a name as links have it; an alias or a title; `#` and a place
    behind any of it.
    """
    return _read_as(_find, target, text)


def find_as_seen(target: Linked, text: str) -> list[Asked]:
    """
    As `find`, by a path or its end as somebody sees it, of files whose paths have characters that nobody sees. Every
    file is looked at.
    """
    return _read_as(_seen_as, target, text)


def _read_as(look: Callable[[Linked, Graph, str], list[File]], target: Linked, text: str) -> list[Asked]:
    with target.reader.snapshot() as now:
        graph = graph_of(target, now.db)
        for name, place, lines in _readings(text):
            if found := look(target, graph, name):
                return [Asked(file, place, lines, _address(file) == name) for file in found]
    return []


def near(target: Linked, text: str) -> list[str]:
    """The paths, as hits print them, that are spelled nearest to `text`."""
    with target.reader.snapshot() as now:
        graph = graph_of(target, now.db)
        names: dict[str, str] = {}
        for file in graph.files():
            if len(names) < MOST_NAMES and (not target.sources or file.source in target.sources):
                names.setdefault(_bare(file.path), _address(file))
        *_, (name, *_) = _readings(text.strip())  # without line numbers or a place
        found = difflib.get_close_matches(_bare(name), names, N_NEAR, NEAR)
    return [names[name] for name in found]


def nearest(targets: Sequence[Linked], text: str) -> list[str]:
    """Of several stores, those that are nearest of all, the nearest first."""
    *_, (name, *_) = _readings(text.strip())
    found = dict.fromkeys(path for target in targets for path in near(target, text))
    return sorted(found, key=lambda path: -nearness(_bare(name), _bare(path)))[:N_NEAR]


def of_file(target: Linked, asked: Asked) -> Told:
    """
    The links of a file, those to it, and which of its own lead nowhere; of a place or lines in it, if that was asked.

    Raises as `NoteText` for a place that is not there, unless links name it.
    """
    with target.reader.snapshot() as now:
        graph = graph_of(target, now.db)
        told = Told(place=asked.place, n_unread=graph.n_unread(), generation=now.generation())
        file = graph.at(asked.file.source, asked.file.path) or replace(asked.file, note=0)  # gone in between
        out, back = graph.links_of(file), graph.links_to(file)
        if place_keys(asked.place) or asked.lines:
            out, back, told.lines = _at_place(now, file, asked, out, back)
        (told.note,) = refs_of(target, graph, [file])
        told.counts = _counted([*out, *back])
        told.out = _links(target, graph, [edge for edge in out if edge.how != "none"])
        told.unresolved = _links(target, graph, [edge for edge in out if edge.how == "none"])
        told.back = _links(target, graph, back)
    return told


def _at_place(
    now: Snapshot, file: File, asked: Asked, out: Sequence[Edge], back: Sequence[Edge]
) -> tuple[list[Edge], list[Edge], tuple[int, int] | None]:  # fmt: skip
    """Those links of a file, and those to it, that are of the place or the lines asked for; which lines those are."""
    to_place = [edge for edge in back if _names(edge, asked.place)]
    if not file.note:
        return [], to_place, None
    try:
        text = NoteText(now, file)
        first, last = text.range_of(asked.place, asked.lines)
    except NotFound:
        if not to_place:
            raise
        return [], to_place, None
    if asked.lines is None and not asked.place.startswith("^"):
        return [edge for edge in out if is_within(edge.link.heading, text.keys_of(asked.place))], to_place, None
    of_lines = [edge for edge in out if first <= edge.link.line <= last]
    if asked.lines is None:
        return of_lines, to_place, None
    begins: dict[str, int] = {"": 0}
    for place in {edge.link.subpath.strip() for edge in back} - {""}:
        with suppress(NotFound):
            begins[place] = text.range_of(place, None)[0]
    return of_lines, [e for e in back if first <= begins.get(e.link.subpath.strip(), 0) <= last], (first, last)


def _names(edge: Edge, place: str) -> bool:
    """Whether a link names a place."""
    named = place_keys(edge.link.subpath)
    return any(is_same_place(named, wanted) for wanted in place_readings(place))


def notes_linked(target: Linked, db: apsw.Connection, wanted: tree.Link) -> set[int]:
    """
    The notes, by row, that link to what `wanted` names, or that it links to. A name of no file means the links that
    would lead to it.
    """
    graph = graph_of(target, db)
    for name, place, _ in _readings(wanted.target):
        files = _find(target, graph, name)
        if files and wanted.direction == "from":
            within = [keys for keys in place_readings(place) if keys]
            out = [edge for file in files for edge in graph.links_of(file)]
            out = [e for e in out if not within or any(is_within(e.link.heading, keys) for keys in within)]
            return {edge.to.note for edge in out if edge.to is not None and edge.to != edge.of} - {0}
        if files:
            back = [edge for file in files for edge in graph.links_to(file) if wanted.embed in (None, edge.link.embed)]
            return {e.of.note for e in back if not place_keys(place) or _names(e, place)}
    if wanted.direction == "from":
        return set()
    return {e.of.note for e in graph.links_nowhere(wanted.target) if wanted.embed in (None, e.link.embed)}


def of_all(target: Linked, *, unresolved: bool, orphans: bool) -> Told:
    """What of a store leads nowhere, and the notes that no other links to; both are counted. Reads every link."""
    with target.reader.snapshot() as now:
        graph = graph_of(target, now.db)
        told = Told(n_unread=graph.n_unread(), generation=now.generation())
        nowhere, misplaced, missing = list[Edge](), list[Edge](), Missing(now.db)
        met = set[tuple[str, str]]()
        for edge in graph.everything():
            if edge.to is not None and edge.to != edge.of:
                met.add((edge.to.source, edge.to.path))
            if target.sources and edge.of.source not in target.sources:
                continue
            told.counts["links"] += 1
            told.counts[edge.how] += 1
            if edge.how == "none":
                nowhere.append(edge)
            elif unresolved and edge in missing:
                misplaced.append(edge)
        notes = [file for file in graph.files(tuple(target.sources)) if file.note]
        alone = sorted((file for file in notes if (file.source, file.path) not in met), key=_by_path)
        told.names = Counter(edge.link.target for edge in nowhere)
        told.counts.update(notes=len(notes), orphans=len(alone))
        if unresolved:
            told.unresolved = _links(target, graph, nowhere)
            told.misplaced = _links(target, graph, misplaced, missing)
        if orphans:
            told.orphans = refs_of(target, graph, alone)
    return told


def graph_of(target: Linked, db: apsw.Connection) -> Graph:
    """The graph of links of a store, without what is withheld."""
    vague = {label: root.withheld for label, root in target.roots.items() if root.withheld is not None}

    def withheld(source: str, path: str) -> bool:
        return source in vague and vague[source](path)

    vaults = {label: Vaults(root.vaults, root.above) for label, root in target.roots.items()}
    return Graph(db, vaults, withheld if vague else None)


def _readings(text: str) -> Iterable[tuple[str, str, tuple[int, int] | None]]:
    """What `text` may name, likeliest first: (file, place in it, lines of it). Names may begin and end with blanks."""
    for spelled in dict.fromkeys((text, text.strip())):
        yield from _readings_of(spelled)


def _readings_of(text: str) -> Iterable[tuple[str, str, tuple[int, int] | None]]:
    with suppress(ValueError):  # an address that is none
        if text.startswith("obsidian://"):
            text = (parse_qs(urlsplit(text).query).get("file") or [""])[0]
        elif text.startswith("file://"):
            text = unquote(urlsplit(text).path)
    if text.startswith("[[") and text.endswith("]]"):
        text = text[2:-2].partition("|")[0].strip()
    yield text, "", None
    if lines := _LINES.search(text):
        yield text[: lines.start()], "", (int(lines[1]), int(lines[2] or lines[1]))
    for mark in re.finditer("#", text):  # the first, but that names may have one, too
        for spelled in dict.fromkeys((text[: mark.start()], text[: mark.start()].strip())):
            yield spelled, text[mark.end() :].strip(), None


def _find(target: Linked, graph: Graph, text: str) -> list[File]:
    labels = _labels(target)
    named = list[tuple[str, str]]()  # (source, path in it), where the source is told
    for label in labels:
        starts = (f"{label}/", *(f"{path.rstrip('/')}/" for path in target.roots[label].paths))
        named += [(label, text[len(start) :]) for start in starts if text.startswith(start)]
    # A folder may be called as its vault is: what is printed of a file leads back to that one.
    for exactly in (named, [(label, text.strip("/")) for label in labels]):
        if found := [file for label, path in exactly if path and (file := graph.at(label, path))]:
            return _once(found)
    for label, path in named:
        if path and (found := [file for file in graph.ending_in(path) if file.source == label]):
            return _once(found)
    found = graph.ending_in(text) if text.strip("/") else []
    found = found or (graph.called(text) if text else [])
    if not found and "%" in text:  # a name that is no text is printed otherwise than it is
        paths = set(named)
        found = [f for f in graph.files() if text == shown(f.path) or (f.source, shown(f.path)) in paths]
    return _once(file for file in found if file.source in labels)


def _once(files: Iterable[File]) -> list[File]:
    return sorted({(file.source, file.path): file for file in files}.values(), key=_by_path)


def _by_path(file: File) -> tuple[str, str]:
    return file.source, file.path


def _labels(target: Linked) -> list[str]:
    return [label for label in target.roots if not target.sources or label in target.sources]


def _seen_as(target: Linked, graph: Graph, text: str) -> list[File]:
    asked, labels = _as_seen(text), _labels(target)
    odd = (file for file in graph.files() if file.source in labels and seen_path(file.path) != file.path)
    return _once(file for file in odd if asked and f"/{_as_seen(_address(file))}".endswith(f"/{asked}"))


def _as_seen(path: str) -> str:
    return fold(seen_path(path).strip("/")).removesuffix(".md")


def _address(file: File) -> str:
    return shown(f"{file.source}/{file.path}")


def _bare(path: str) -> str:
    """The name in a path, as people misspell it."""
    return path.rstrip("/").rpartition("/")[2].removesuffix(".md").casefold()


def _counted(edges: Sequence[Edge]) -> Counter[str]:
    counted: Counter[str] = Counter(edge.how for edge in edges)
    counted["links"] = len(edges)
    return counted


def _links(target: Linked, graph: Graph, edges: Sequence[Edge], missing: Missing | None = None) -> list[Link]:
    missing = missing or Missing(graph.db)
    files = [*(edge.of for edge in edges), *(edge.to for edge in edges if edge.to is not None)]
    named = dict(zip(files, refs_of(target, graph, files), strict=True))
    return [
        Link(
            named[edge.of], edge.link.line, edge.link.heading, edge.link.kind, edge.link.embed, edge.link.target,
            edge.link.subpath, edge.link.alias, edge.how, named[edge.to] if edge.to else None, edge in missing,
        )
        for edge in edges
    ]  # fmt: skip


def refs_of(target: Linked, graph: Graph, files: Sequence[File]) -> list[FileRef]:
    """The files as answers have them."""
    titles = graph.titles(files)
    return [
        FileRef(target.name, file.source, shown(file.path), titles.get(file.note, ""), exact(file.path))
        for file in files
    ]
