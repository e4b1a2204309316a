"""
The cache file of one FAISS store, and the table of what lies where in it.

    header   magic, sizes, and what the rows are                       _HEADER
    table    JSON: the key and metadata of each slot, and the layout's own notes
    body     what the layout writes: raw rows, or a serialised FAISS index
    digest   xxh3_128 of all before

Numbers are in the machine's own byte order: a file from a foreign machine has no magic, and is rebuilt.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import xxhash

from vragd.backends.base import Filter, Metadata, Metric, passes
from vragd.system.failpoints import reach
from vragd.system.files import write_atomic

_MAGIC = 0x5652_4147_4641_4902  # "VRAGFAI" and the version of this format
_HEADER = struct.Struct("=Q8s16sQQQQQ")  # magic, layout, metric, dimension, slots, keys, bytes of table, of body
_DIGEST_BYTES = 16
_BLOCK = 4 * 1024 * 1024
_NOTHING: Metadata = MappingProxyType({})


class Unreadable(Exception):
    """The file is not one that was written whole by this version."""


class OtherVersion(Unreadable):
    """The file is one of another version of this program, or of a machine with another order of bytes."""


class Table:
    """
    Which key and metadata each slot holds. A slot is a row's place; it never moves.

    Equal metadata is held once. Not locked: its owner's lock guards it.
    """

    def __init__(self) -> None:
        self.slots: dict[str, int] = {}
        self.free: list[int] = []
        self._keys: list[str | None] = []
        self._metadata_of = np.empty(0, dtype=np.int32)  # -1 for a free slot
        self._metadata: list[Metadata | None] = []
        self._uses: list[int] = []
        self._ids: dict[str, int] = {}
        self._free_ids: list[int] = []

    @property
    def size(self) -> int:
        """Slots, free ones included."""
        return len(self._keys)

    def plan(self, keys: Sequence[str], *, in_place: bool) -> np.ndarray:
        """A slot for each of the distinct `keys`: its own, else a free one, else a new one. Changes nothing."""
        slots = np.empty(len(keys), dtype=np.int64)
        reused, new = 0, self.size
        for i, key in enumerate(keys):
            have = self.slots.get(key) if in_place else None
            if have is not None:
                slots[i] = have
            elif in_place and reused < len(self.free):
                reused += 1
                slots[i] = self.free[-reused]
            else:
                slots[i] = new
                new += 1
        return slots

    def assign(self, keys: Sequence[str], slots: np.ndarray, metadata: Sequence[Metadata]) -> None:
        """Carry out a `plan`. A key that moves leaves its old slot free."""
        places: list[int] = slots.tolist()
        reused = sum(slot < self.size and self._keys[slot] is None for slot in places)
        del self.free[len(self.free) - reused :]  # `plan` takes from the end
        self._grow(max(places, default=-1) + 1)
        for key, slot, data in zip(keys, places, metadata, strict=True):
            old = self.slots.get(key)
            if old is not None and old != slot:
                self._release(old)
            self._keys[slot] = key
            self.slots[key] = slot
            self._set_metadata(slot, data)

    def remove(self, keys: Iterable[str]) -> None:
        """Forget these keys, which are all there."""
        for key in keys:
            self._release(self.slots.pop(key))

    def key(self, slot: int) -> str:
        """What lies there; the slot is not free."""
        key = self._keys[slot]
        assert key is not None
        return key

    def metadata(self, slot: int) -> Metadata:
        return self._metadata[self._metadata_of[slot]] or _NOTHING

    def same_metadata(self, slot: int, metadata: Metadata) -> bool:
        return bool(self._ids.get(_canonical(metadata)) == self._metadata_of[slot])

    def allowed(self, filter: Filter | None) -> np.ndarray:  # noqa: A002
        """For each slot whether it holds a key that passes: bool, shape (size,). One look per distinct metadata."""
        ids = self._metadata_of[: self.size]
        live: np.ndarray = ids >= 0
        if not filter or not self._metadata:
            return live
        good = np.array([data is not None and passes(data, filter) for data in self._metadata], dtype=bool)
        chosen: np.ndarray = live & good[ids]
        return chosen

    def dump(self, extra: Mapping[str, Any]) -> bytes:
        """Everything, as JSON."""
        kept = [dict(data) if data is not None else None for data in self._metadata]
        content = {
            "keys": self._keys,
            "ids": self._metadata_of[: self.size].tolist(),
            "metadata": kept,
            **extra,
        }
        return json.dumps(content, separators=(",", ":")).encode()

    @classmethod
    def load(cls, content: Mapping[str, Any]) -> Table:
        """The table that was dumped as `content`."""
        table = cls()
        table._keys, ids = content["keys"], np.array(content["ids"], dtype=np.int32)
        table._metadata_of = ids
        table.slots = {key: slot for slot, key in enumerate(table._keys) if key is not None}
        table.free = np.flatnonzero(ids < 0).tolist()
        table._metadata = [None if d is None else MappingProxyType(_from_json(d)) for d in content["metadata"]]
        table._uses = np.bincount(ids[ids >= 0], minlength=len(table._metadata)).tolist()
        for i, data in enumerate(table._metadata):
            if data is None or not table._uses[i]:
                table._metadata[i] = None
                table._free_ids.append(i)
            else:
                table._ids[_canonical(data)] = i
        return table

    def _grow(self, size: int) -> None:
        self._keys.extend([None] * max(0, size - len(self._keys)))
        if size > len(self._metadata_of):
            wider = np.full(max(64, size, 2 * len(self._metadata_of)), -1, dtype=np.int32)
            wider[: len(self._metadata_of)] = self._metadata_of
            self._metadata_of = wider

    def _release(self, slot: int) -> None:
        self._drop_metadata(slot)
        self._keys[slot] = None
        self.free.append(slot)

    def _set_metadata(self, slot: int, metadata: Metadata) -> None:
        name = _canonical(metadata)
        i = self._ids.get(name)
        if i is None:
            if self._free_ids:
                i = self._free_ids.pop()
            else:
                i = len(self._metadata)
                self._metadata.append(None)
                self._uses.append(0)
            self._ids[name] = i
            self._metadata[i] = MappingProxyType(dict(metadata))
        self._uses[i] += 1
        self._drop_metadata(slot)
        self._metadata_of[slot] = i

    def _drop_metadata(self, slot: int) -> None:
        i = int(self._metadata_of[slot])
        if i < 0:
            return
        self._metadata_of[slot] = -1
        self._uses[i] -= 1
        if not self._uses[i]:
            del self._ids[_canonical(self._metadata[i] or _NOTHING)]
            self._metadata[i] = None
            self._free_ids.append(i)


def _canonical(metadata: Metadata) -> str:
    """One text for equal metadata. JSON tells 1 from 1.0 and True, which a dictionary's key would not."""
    return json.dumps(dict(metadata), sort_keys=True, separators=(",", ":"))


def _from_json(data: dict[str, Any]) -> Metadata:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}


@dataclass(frozen=True, slots=True)
class Header:
    """What the body is."""

    layout: str
    metric: Metric
    dimension: int
    slots: int
    keys: int


@dataclass(frozen=True, slots=True)
class Body:
    """Where a layout's bytes lie in an open, verified file. The descriptor is its holder's to close."""

    fd: int
    start: int
    length: int

    def pick(self, offsets: Iterable[int], size: int) -> bytes:
        """The `size` bytes at each of the `offsets`, joined."""
        parts = [os.pread(self.fd, size, self.start + offset) for offset in offsets]
        if any(len(part) != size for part in parts):  # of what lies in a file, a read gives less at its end only
            raise OSError("the cache file ends early")
        return b"".join(parts)

    def read(self, into: np.ndarray, offset: int = 0) -> None:
        """Fill the contiguous array `into` from `offset` of the body on."""
        rest = memoryview(into.data).cast("B")
        while rest:
            n = os.preadv(self.fd, [rest], self.start + offset)
            if not n:
                raise OSError(f"the cache file ends {len(rest)} bytes early")
            rest, offset = rest[n:], offset + n


def save(path: Path, header: Header, table: bytes, length: int, body: Iterable[np.ndarray]) -> Body:
    """
    Replace `path`, and open the new file; the caller closes `Body.fd`. Raises as `write_atomic`.

    `body` yields contiguous arrays of `length` bytes in all.
    """
    head = _HEADER.pack(
        _MAGIC,
        header.layout.encode(),
        header.metric.encode(),
        header.dimension,
        header.slots,
        header.keys,
        len(table),
        length,
    )

    def parts() -> Iterator[bytes | memoryview]:
        digest = xxhash.xxh3_128()
        for part in (head, table):
            digest.update(part)
            yield part
        for array in body:
            if not array.size:  # memory of no length cannot be cast
                continue
            view = memoryview(array.data).cast("B")
            digest.update(view)
            yield view
        yield digest.digest()
        reach("checkpoint.written")

    write_atomic(path, parts())
    reach("checkpoint.renamed")
    return Body(os.open(path, os.O_RDONLY | os.O_CLOEXEC), len(head) + len(table), length)


def load(path: Path) -> tuple[Header, dict[str, Any], Body]:
    """
    Header, table and body of a file whose every byte was checked; the caller closes `Body.fd`.

    Reads the file once. Raises FileNotFoundError, Unreadable for any doubt, OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        header, table_bytes, body_bytes = _verified(fd)
        body = Body(fd, _HEADER.size + table_bytes, body_bytes)
        table = np.empty(table_bytes, dtype=np.uint8)
        Body(fd, _HEADER.size, table_bytes).read(table)
        return header, json.loads(table.tobytes()), body
    except (ValueError, struct.error) as error:
        os.close(fd)
        raise Unreadable(str(error)) from error
    except BaseException:
        os.close(fd)
        raise


def _verified(fd: int) -> tuple[Header, int, int]:
    """The header, and the sizes of table and body, once the digest of the whole file was found right."""
    head = os.pread(fd, _HEADER.size, 0)
    magic, layout, metric, dimension, slots, keys, table_bytes, body_bytes = _HEADER.unpack(head)
    if magic != _MAGIC:
        known = magic >> 8 == _MAGIC >> 8
        raise OtherVersion("of another version") if known else Unreadable("not a cache file")
    end = _HEADER.size + table_bytes + body_bytes
    if os.fstat(fd).st_size != end + _DIGEST_BYTES:
        raise Unreadable("the file is shorter or longer than it says")
    digest, at, block = xxhash.xxh3_128(), 0, bytearray(_BLOCK)
    while at < end:
        n = os.preadv(fd, [memoryview(block)[: min(_BLOCK, end - at)]], at)
        if not n:
            raise Unreadable("the file became shorter while it was read")
        digest.update(memoryview(block)[:n])
        at += n
    if os.pread(fd, _DIGEST_BYTES, end) != digest.digest():
        raise Unreadable("the checksum is wrong")
    names = layout.rstrip(b"\0").decode(), metric.rstrip(b"\0").decode()
    return Header(names[0], names[1], dimension, slots, keys), table_bytes, body_bytes
