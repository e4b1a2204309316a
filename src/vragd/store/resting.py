"""
A store that nobody runs, for one question: what was indexed, and which of it may be shown by what is on the disk now.

Nothing is written, no lock is held; a daemon may start beside it.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from vragd.catalog.reader import Reader
from vragd.catalog.sources import KnownSource
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.embed.settings import of_record
from vragd.errors import NewerFormat, VragdError
from vragd.sync.difference import compare
from vragd.sync.readers import Documents, Readers
from vragd.sync.withdrawn import is_withdrawn
from vragd.vault.source import Source

CONNECTIONS = 3
READING_S = 5.0  # what takes longer to read is not shown


def was_embedded_by(folder: Path, settings: StoreSettings) -> bool:
    """Whether the embedder of these settings is the one that last embedded for the store in `folder`. Blocks."""
    try:
        with closing(Reader(folder / "catalog.db", 1)) as reader:
            if reader.migrations_ahead():
                return True
            before, now = of_record(reader.embedder()), settings.embedder
            return type(before) is type(now) and now.of_vectors(before.model_dump()) == now.of_vectors(now.model_dump())
    except (VragdError, OSError, ValueError):  # there is none, or it is damaged and gives way to a new one
        return False


class Resting:
    """The store in `folder`, until `close`; of one thread. Raises what opening its catalog does, NewerFormat."""

    def __init__(self, name: str, settings: StoreSettings, folder: Path, limits: LimitSettings) -> None:
        self.name = name
        self.reader = Reader(folder / "catalog.db", CONNECTIONS)
        self.looked: list[Looked] = []
        self.left_out: list[str] = []
        """Labels of sources that are configured no more: nothing of them may be shown."""
        try:
            if ahead := self.reader.migrations_ahead():
                raise NewerFormat(
                    f"the index of {name!r} is of {'a newer' if ahead > 0 else 'an older'} vragd",
                    hint="upgrade vragd" if ahead > 0 else "vragd run brings it up to date",
                )
            by_label = {found.row.label: found for found in self.reader.sources()}
            for one in settings.sources:
                if one.label in by_label:
                    self.looked.append(Looked(one, by_label.pop(one.label), self.reader, limits))
            self.left_out = [*by_label]
        except BaseException:
            self.close()
            raise

    @property
    def n_changed(self) -> int:
        """How many files are other than they were when they were indexed, new ones and missing ones among them."""
        return sum(one.n_changed for one in self.looked)

    def close(self) -> None:
        """Let go of the catalog and of the sources."""
        for one in self.looked:
            one.close()
        self.reader.close()


class Looked:
    """A source, looked at once: its rules, and which of its notes are there."""

    def __init__(self, settings: SourceSettings, had: KnownSource, reader: Reader, limits: LimitSettings) -> None:
        self.source = source = Source(
            settings.path, had.row.id, had.row.uid, label=settings.label, include=settings.include,
            exclude=settings.exclude, watch=False, max_file_bytes=limits.max_file_bytes,
        )  # fmt: skip
        self._readers = Readers(Documents())
        self._changed: set[str] = set()
        self._there: set[str] = set()
        self._withdrawn: dict[str, bool] = {}
        self.n_changed = 0
        self.is_there = False
        """Whether it could be looked at; else none of its notes may be shown."""
        source.recall_rules(had.rules)
        source.recalled_vaults, source.types.said = had.vaults[:2], had.vaults.types
        root = source.find(had.row.identity is not None and had.row.identity[2])
        if root is None:
            return
        source.take(root)
        found = source.scan()
        if not found.stopped:
            known = reader.stamps(had.row.id, "", None, limits.max_file_bytes, self._readers.versions)
            difference = compare(found, known, source.rules)
            self._there, self._changed, self.is_there = set(found.notes), set(difference.dirty), True
            other = [path for path in difference.dirty if path not in known or known[path][:4] != found.notes.get(path)]
            self.n_changed = len(other) + len(difference.missing)

    def withheld(self, path: str) -> bool:
        """Whether the note at a path must not be shown: it is not there, or has been withdrawn since."""
        if path not in self._there or self.source.withheld(path):
            return True
        if path not in self._changed:
            return False
        if path not in self._withdrawn:
            self._readers.begin(READING_S)
            self._withdrawn[path] = is_withdrawn(self.source, self._readers, path)
        return self._withdrawn[path]

    def close(self) -> None:
        """End what reads."""
        self._readers.close()
        self.source.close()
