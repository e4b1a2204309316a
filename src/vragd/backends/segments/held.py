"""A collection as one manifest says it is: what is alive of its segments, and the manifest that follows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xxhash

from vragd.backends.base import Among, CollectionInfo
from vragd.backends.segments.segment import OtherVersion, Row, Segment
from vragd.terms.filter import Filter, Metadata, holds

FORMAT = 1
BLOCK = 4_096  # rows that are scored at once


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    What a collection is and which segments it has, oldest first. `created` is seconds since 1970; `swept` is another
    one after each sweep, `mended` after each time that something of it was lost.
    """

    info: CollectionInfo
    created: float
    segments: tuple[str, ...] = ()
    swept: str = ""
    mended: str = ""

    def written(self) -> bytes:
        info = self.info
        rarely = {"swept": self.swept, "mended": self.mended}
        it = {
            "format": FORMAT, "name": info.name, "dimension": info.dimension, "metric": info.metric,
            "space": info.space, "model": info.model, "identity": info.identity, "created": self.created,
            "segments": self.segments, **{key: value for key, value in rarely.items() if value},
        }  # fmt: skip
        return json.dumps(it | {"digest": _digest(it)}, indent=1).encode()


def _digest(it: Mapping[str, Any]) -> str:
    """Of all that a manifest says, however it is laid out."""
    return xxhash.xxh3_64_hexdigest(json.dumps(it, sort_keys=True).encode())


class Foreign(ValueError):
    """Somebody else wrote it."""


def manifest_of(content: bytes) -> Manifest:
    """What was `written`. Raises Foreign, OtherVersion; ValueError, KeyError or TypeError for what is damaged."""
    it: dict[str, Any] = json.loads(content)
    if not isinstance(it, dict) or not {"format", "identity", "segments"} & it.keys():
        raise Foreign
    if it["format"] != FORMAT:
        raise OtherVersion(f"format {it['format']}, of another version of vragd")
    if it.pop("digest", None) not in (None, _digest(it)):  # none in those of before
        raise ValueError("the checksum of its manifest is wrong")
    info = CollectionInfo(
        it["name"], int(it["dimension"]), it["metric"], None, it["space"], it["model"], it["identity"]
    )
    return Manifest(info, float(it["created"]), tuple(it["segments"]), it.get("swept", ""), it.get("mended", ""))


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One state; nothing in it changes. `at` tells for each key its segment and row, `alive` which rows are meant."""

    manifest: Manifest
    tag: str
    segments: Sequence[Segment]
    at: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    alive: Sequence[np.ndarray] = ()

    @classmethod
    def of(cls, manifest: Manifest, tag: str, segments: Sequence[Segment]) -> Held:
        """What a later segment says replaces what an earlier one said."""
        at: dict[str, tuple[int, int]] = {}
        for s, segment in enumerate(segments):
            for key in segment.gone:
                at.pop(key, None)
            at.update({key: (s, i) for i, key in enumerate(segment.keys)})
        alive = [np.zeros(len(segment.keys), dtype=bool) for segment in segments]
        for s, i in at.values():
            alive[s][i] = True
        return cls(manifest, tag, segments, at, alive)

    def followed(self, manifest: Manifest, tag: str, segments: Sequence[Segment]) -> Held:
        """As `of`, with what is known of the segments that both begin with: costs what is behind them."""
        n = 0
        while n < min(len(segments), len(self.segments)) and segments[n].name == self.segments[n].name:
            n += 1
        told = {key for segment in segments[n:] for key in (*segment.keys, *segment.gone)}
        for segment, alive in zip(self.segments[n:], self.alive[n:], strict=True):
            alive_keys = (segment.keys[i] for i in np.flatnonzero(alive).tolist())
            if not (told.issuperset(alive_keys) and told >= segment.gone):
                return Held.of(manifest, tag, segments)  # what an earlier segment says of a key may count again
        at, masks = dict(self.at), dict[int, np.ndarray]()
        for key in told:
            if (place := at.pop(key, None)) and place[0] < n:
                masks.setdefault(place[0], self.alive[place[0]].copy())[place[1]] = False
        for s, segment in enumerate(segments[n:], n):
            for key in segment.gone:
                at.pop(key, None)
            at.update({key: (s, i) for i, key in enumerate(segment.keys)})
        behind = [
            np.fromiter((at.get(key) == (s, i) for i, key in enumerate(segment.keys)), dtype=bool)
            for s, segment in enumerate(segments[n:], n)
        ]
        return Held(manifest, tag, segments, at, [masks.get(s, self.alive[s]) for s in range(n)] + behind)

    def row(self, key: str) -> Row | None:
        place = self.at.get(key)
        return None if place is None else self.segments[place[0]].row(place[1])

    def rows(self, where: Filter | None, among: Among | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places, int64, and rows of those that pass, in blocks. A place is segment * 2**32 + row."""
        for s, segment in enumerate(self.segments):
            passes = self.alive[s]
            if where is not None:
                good = np.fromiter((holds(where, data) for data in segment.properties), dtype=bool)
                passes = passes & good[segment.which]
            if among is not None:
                passes = passes & among.has(segment.ids)
            chosen = np.flatnonzero(passes)
            for start in range(0, len(chosen), BLOCK):
                some = chosen[start : start + BLOCK]
                first, last = int(some[0]), int(some[-1])
                together = last - first + 1 == len(some)  # then nothing is copied
                rows = segment.rows[first : last + 1] if together else segment.rows[some]
                yield some + (s << 32), np.asarray(rows, dtype=np.float32)

    def found(self, place: int) -> tuple[Segment, int]:
        return self.segments[place >> 32], place & 0xFFFF_FFFF

    def merged(self, rows: Sequence[Row], gone: frozenset[str]) -> tuple[int, list[Row], frozenset[str]]:
        """
        How many segments stay, and what goes into the one behind them: the change, and later segments that are not
        twice as large, or mostly dead. So there are O(log n) segments, and what is put one by one is written again as
        often.
        """
        new = {row.key: row for row in rows}
        stay = len(self.segments)
        while stay:
            segment, alive = self.segments[stay - 1], self.alive[stay - 1]
            n_alive = int(np.count_nonzero(alive))
            if n_alive > max(2 * (len(new) + len(gone)), len(segment.keys) // 2):
                break
            for i in np.flatnonzero(alive).tolist():
                if segment.keys[i] not in new and segment.keys[i] not in gone:
                    new[segment.keys[i]] = segment.row(i)
            gone |= segment.gone
            stay -= 1
        return stay, list(new.values()), gone - new.keys() if stay else frozenset()


def same(had: Row | None, row: Row) -> bool:
    """Whether a row says what it said before."""
    return had is not None and (
        all(_typed(a) == _typed(b) for a, b in ((had.properties, row.properties), (had.payload, row.payload)))
        and had.version == row.version
        and np.array_equal(had.values, row.values)
    )


def _typed(data: Metadata) -> str:
    """One text for equal metadata: to Python 1, 1.0 and True are equal."""
    return repr(sorted(data.items()))
