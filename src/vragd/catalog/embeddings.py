"""Vectors by space and hash of their text."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from vragd.catalog import editions, sweep
from vragd.catalog.connection import Connection, batched
from vragd.system import packed

_NOTHING: Mapping[bytes, bytes] = MappingProxyType({})


class Embeddings(Connection):
    """Kept while a chunk has the text, and for some days after."""

    def embedded(
        self, space_id: int, hashes: Collection[bytes], shown: Mapping[bytes, bytes] = _NOTHING
    ) -> set[bytes]:  # fmt: skip
        """
        Those of `hashes` that have an embedding in the space.

        What the same model embedded for a space whose chunker was another is taken over first: the same text has the
        same vector. `shown` has the hashes of the texts with their marks, which is what was embedded once: marks
        change a vector too little to embed a whole vault again.
        """
        found = {found for (found,) in self._in("select text_hash from embedding", space_id, hashes)}
        missing = [text_hash for text_hash in hashes if text_hash not in found]
        if missing and (kin := self._kin(space_id)):
            self._take_over(space_id, kin, {text_hash: shown.get(text_hash, text_hash) for text_hash in missing})
            found |= {taken for (taken,) in self._in("select text_hash from embedding", space_id, missing)}
        return found

    def _kin(self, space_id: int) -> list[int]:
        """The other spaces whose vectors mean the same, but for editions before this one: those are not wanted."""
        meanings: dict[int, object] = {}
        edition = dict[int, int]()
        for found, identity in self._read("select id, identity from space"):
            try:
                meaning = json.loads(identity)
            except ValueError:
                continue
            if isinstance(meaning, dict):
                edition[found] = editions.edition(str(meaning.pop("chunker", "")))
                meanings[found] = meaning
        mine = meanings.pop(space_id, None)
        alike = [found for found, meaning in meanings.items() if meaning and meaning == mine]
        return [found for found in alike if edition[found] >= edition[space_id]]

    def _take_over(self, space_id: int, kin: Sequence[int], hashes: Mapping[bytes, bytes]) -> None:
        marks = ",".join("?" * len(kin))
        with self._transaction():
            self._db.executemany(
                "insert or ignore into embedding(space_id, text_hash, vector)"
                f" select ?, ?, vector from embedding where text_hash in (?, ?) and space_id in ({marks})"
                " order by text_hash != ? limit 1",
                ((space_id, new, new, shown, *kin, new) for new, shown in hashes.items()),
            )

    def embeddings(self, space_id: int, hashes: Collection[bytes]) -> dict[bytes, np.ndarray]:
        """The vectors of those of `hashes` that have one: float32, shape (dimension,)."""
        found = list(self._in("select text_hash, vector from embedding", space_id, hashes))
        if not found:
            return {}
        dimension = (len(found[0][1]) - packed.bytes_of(0)) // 2
        rows = packed.unpack(np.frombuffer(b"".join(row[1] for row in found), dtype=packed.kind(dimension)))
        return {text_hash: row for (text_hash, _), row in zip(found, rows, strict=True)}

    def _in(self, select: str, space_id: int, hashes: Collection[bytes]) -> Iterator[Sequence[Any]]:
        for some in batched(list(hashes)):
            marks = ",".join("?" * len(some))
            # a vector of another length is none: it was made by another model than the space's
            yield from self._read(
                f"{select} where space_id = ? and text_hash in ({marks})"
                " and length(vector) = (select 4 + 2 * dimension from space where id = space_id)",
                space_id,
                *some,
            )

    def save(self, space_id: int, vectors: Iterable[tuple[bytes, np.ndarray]]) -> None:
        """Keep new embeddings, by the hash of their text."""
        with self._transaction():
            self._db.executemany(
                "insert into embedding(space_id, text_hash, vector) values (?, ?, ?)"
                " on conflict do update set vector = excluded.vector where length(vector) != length(excluded.vector)",
                ((space_id, text_hash, packed.pack(vector[None]).tobytes()) for text_hash, vector in vectors),
            )

    def forget_unused(self, found: sweep.Unused, now: float) -> int:
        """
        Forget what `Reader.find_unused` found, if nothing was committed since; returns how many.

        Until then an undo, or a note that comes back, costs no embedding.
        """
        with self._transaction():
            return sweep.embeddings(self._db, found, now)
