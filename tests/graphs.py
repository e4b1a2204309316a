"""A store on a vault of links, and another answer to where they lead, made without the catalog."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.world import WordEmbedder
from vragd.backends.memory.backend import MemoryBackend
from vragd.catalog.graph import Edge, File, Graph, Withheld
from vragd.catalog.link_names import Vaults
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.store.opening import open_store
from vragd.sync.prepared import Visit

Row = tuple[str, int, str, str, str]
"""Path, line and target of a link, how it leads and where."""


class Linked:
    """A store on `vault`: notes and attachments are looked at when `look` is called."""

    def __init__(self, vault: Path, folder: Path, exclude: Sequence[str] = ()) -> None:
        self.vault, self.folder, self.embedder, self.exclude = vault, folder, WordEmbedder(), tuple(exclude)
        self.open()

    def open(self) -> None:
        source = SourceSettings(path=self.vault, include=("*.md", "*.canvas"), exclude=self.exclude)
        self.store = open_store(
            "sss", StoreSettings(sources=(source,)), self.folder, LimitSettings(min_free_mib=0),
            lambda: self.embedder, make_backend=lambda *_: MemoryBackend(),
        )  # fmt: skip
        (self.source,) = self.store.sources.values()
        self.source.clock = lambda: time.time_ns() + 3_600_000_000_000  # so that no stamp is too fresh to be trusted
        assert self.store.connect(self.source)
        self.store.prepare()

    def close(self) -> None:
        self.store.close()

    def look(self) -> list[str]:
        """Scan, and bring everything in line; the paths that were dirty."""
        dirty, found = self.store.scan_source(self.source)
        self.store.note_attached(self.source, self.store.attached(self.source, found))
        visits = [Visit(self.source, path, patient=False) for path in dirty]
        while visits:
            visits = self.store.apply(visits).deferred
        return sorted(dirty)

    def vaults(self) -> dict[str, Vaults]:
        return {self.source.label: Vaults(*self.source.vaults)}

    def edges(self, withheld: Withheld | None = None) -> list[Edge]:
        with self.store.reader.snapshot() as now:
            return list(Graph(now.db, self.vaults(), withheld).everything())

    def rows(self, withheld: Withheld | None = None) -> list[Row]:
        return sorted(map(row_of, self.edges(withheld)))

    def files(self) -> list[File]:
        with self.store.reader.snapshot() as now:
            return sorted(Graph(now.db, self.vaults()).files(), key=lambda file: file.path)

    def back(self, path: str) -> list[Row]:
        with self.store.reader.snapshot() as now:
            graph = Graph(now.db, self.vaults())
            file = graph.at(self.source.label, path)
            return [] if file is None else sorted(map(row_of, graph.links_to(file)))


def row_of(edge: Edge) -> Row:
    return edge.of.path, edge.link.line, edge.link.target, edge.how, edge.to.path if edge.to else ""


# -- the rules once more, as plainly as can be -------------------------------------------------------


def same(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def leads(target: str, source: str, paths: Iterable[str], aliases: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """How and where a link of the note at `source` leads; `aliases` are (alias, path)."""
    if not target:
        return "self", source
    paths, folder, wanted = (
        sorted(paths, key=lambda path: (len(path), same(path), path)),
        source.rpartition("/")[0],
        target,
    )

    def first(whole: str) -> str | None:
        for ending in (".md", ""):
            for path in paths:
                if same(path) == same(whole + ending):
                    return path
        return None

    if wanted.startswith(("./", "../")):
        parts = folder.split("/") if folder else []
        for part in wanted.split("/"):
            if part == "..":
                if not parts:
                    return "none", ""
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        found = first("/".join(parts))
    elif wanted.endswith("/"):
        found = None
    else:
        wanted = wanted.lstrip("/")
        near = f"{folder}/{wanted}" if folder else wanted
        ends = (f"/{same(wanted)}", f"/{same(wanted)}.md")
        found = first(wanted) or first(near) or next((path for path in paths if same(path).endswith(ends)), None)
    if found is not None:
        return "path", found
    known = sorted((len(path), path) for alias, path in aliases if same(alias.strip()) == same(target.strip()))
    return ("alias", known[0][1]) if known else ("none", "")
