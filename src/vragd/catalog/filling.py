"""What a backend is to hold, as far as the catalog says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from vragd.catalog.connection import Connection, batched
from vragd.catalog.model import ChunkRow, from_blob


class Filling(Connection):
    """The live chunks, all or a slice at a time."""

    def live_keys(self, space_id: int) -> set[str]:
        """The keys a backend must hold: those of the embedded chunks of the space's notes."""
        rows = self._read(
            "select c.key from chunk c join note n on n.id = c.note_id where n.space_id = ? and c.embedded", space_id
        )
        return {key for (key,) in rows}

    def embedded_keys(self, space_id: int) -> set[str]:
        """The keys of all chunks that there is an embedding of this space for, whatever space their notes are in."""
        rows = self._read(
            "select c.key from chunk c join embedding e on e.space_id = ? and e.text_hash = c.text_hash"
            " where c.embedded",
            space_id,
        )
        return {key for (key,) in rows}

    def live_keys_after(self, space_id: int, key: str, limit: int) -> list[str]:
        """The next `limit` live keys above `key`, in order: `live_keys` a slice at a time."""
        rows = self._read(
            "select c.key from chunk c join note n on n.id = c.note_id"
            " where c.key > ? and n.space_id = ? and c.embedded order by c.key limit ?",
            key,
            space_id,
            limit,
        )
        return [found for (found,) in rows]

    def rows_for(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes, int, str, str, ChunkRow]]:
        """(key, text hash, source id, path, title, chunk) of live chunks among `keys`."""
        for some in batched(keys):
            marks = ",".join("?" * len(some))
            for key, text_hash, source, path, title, heading, line_from, line_to, text in self._read(
                "select c.key, c.text_hash, n.source_id, n.path, n.title, c.heading, c.line_from, c.line_to, c.text"
                f" from chunk c join note n on n.id = c.note_id where c.key in ({marks})",
                *some,
            ):
                chunk = ChunkRow(key, text_hash, tuple(json.loads(heading)), (line_from, line_to), text)
                yield key, text_hash, source, from_blob(path), title, chunk
