"""
The cache file of one FAISS collection.

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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from vragd.system.alive import progress
from vragd.system.failpoints import reach
from vragd.system.files import write_atomic
from vragd.terms.metric import Metric

_MAGIC = 0x5652_4147_4641_4902  # "VRAGFAI" and the version of this format
_HEADER = struct.Struct("=Q8s16sQQQQQ")  # magic, layout, metric, dimension, slots, keys, bytes of table, of body
_DIGEST_BYTES = 16
_BLOCK = 4 * 1024 * 1024


class Unreadable(Exception):
    """The file is not one that was written whole by this version."""


class OtherVersion(Unreadable):
    """The file is one of another version of this program, or of a machine with another order of bytes."""


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
        progress()
    if os.pread(fd, _DIGEST_BYTES, end) != digest.digest():
        raise Unreadable("the checksum is wrong")
    names = layout.rstrip(b"\0").decode(), metric.rstrip(b"\0").decode()
    return Header(names[0], names[1], dimension, slots, keys), table_bytes, body_bytes
