"""A catalog as assistants are shown it: a reader that sees nothing which is closed. See `closed`."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from vragd.catalog.closed import any_closed, hide_closed
from vragd.catalog.model import BY_NOTE, BY_RULE, Counts, from_blob, to_blob
from vragd.catalog.open_words import Kept, OpenWords, teach
from vragd.catalog.reader import OPTED_OUT, Reader, Snapshot
from vragd.system.sqlite import open_read_only

N_CONNECTIONS = 4
MANY = 1_000  # all notes are gone through sooner than so many are looked for


class AssistantsReader(Reader):
    """
    Reads what `whole` reads, but for what is closed. Its connections are opened when they are first needed.

    As long as nothing is closed a snapshot is that of `whole`, at no cost but for looking.
    """

    def __init__(self, whole: Reader, path: Path) -> None:
        super().__init__(path, 0, whole.words)
        self._whole, self._path = whole, path
        self._opening = threading.Lock()
        self._kept = Kept()
        self._ever_closed = False  # counts that `whole` remembers may be of what was closed until a moment ago

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        if not self._ever_closed:
            with self._whole.snapshot() as now:
                if not any_closed(now.db):
                    yield now
                    return
            self._ever_closed = True
        with super().snapshot() as now:
            yield Snapshot(now.db, OpenWords(self.words, now.generation(), self._kept))

    def close(self) -> None:
        with self._opening:
            super().close()

    def counts(self) -> Counts:
        """As of `Reader`, but for notes that opt out: those may say besides that they are closed."""
        with self.snapshot() as now:
            sql = f"select state, count(*) from note where not {OPTED_OUT} group by state"
            states = dict(now.db.execute(sql))
            chunks, texts = now.db.execute("select count(*), count(distinct text_hash) from chunk").get
        return Counts(sum(states.values()), chunks, texts, states)

    def shown_among(self, places: Collection[tuple[int, str]]) -> set[tuple[int, str]]:
        """Those of these (source id, path) that are notes which assistants are shown."""
        with self.snapshot() as now:
            if len(places) > MANY:
                rows = now.db.execute("select source_id, path from note")
                return {(source, from_blob(path)) for source, path in rows}.intersection(places)
            sql = "select exists (select 1 from note where source_id = ? and path = ?)"
            return {place for place in places if now.db.execute(sql, (place[0], to_blob(place[1]))).get}

    def known_closed(self) -> set[tuple[int, str]]:
        """(source id, path) of the notes that say so, or that the configuration closes."""
        sql = f"select source_id, path from note where closed != 0 and closed & {BY_NOTE | BY_RULE}"
        with self._whole.snapshot() as now:
            return {(source, from_blob(path)) for source, path in now.db.execute(sql)}

    @contextmanager
    def _borrow(self) -> Iterator[apsw.Connection]:
        with self._opening:
            if not self._connections and not self._closed:
                for _ in range(N_CONNECTIONS):
                    self._connections.append(open_read_only(self._path, _prepared))
                    self._free.put(self._connections[-1])
        try:
            with super()._borrow() as db:
                yield db
        finally:
            self._whole.damage = self._whole.damage or self.damage


def _prepared(db: apsw.Connection) -> None:
    teach(db)
    hide_closed(db)
