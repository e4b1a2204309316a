"""How a chunk of a note is known to a backend: its key, what it can be filtered by, what it carries."""

from __future__ import annotations

import json
import re

import numpy as np
import xxhash

from vragd.backends.base import Entry
from vragd.catalog.model import ChunkRow
from vragd.system.filenames import shown

_OF_A_CHUNK = re.compile(r"[^-]{12}-[^-]+")


def chunk_key(source_uid: str, path: str, text_hash: bytes, occurrence: int) -> str:
    """
    The key of a chunk: ASCII, 45 characters, the same on every attempt and for this place only.

    Two notes may hold the same text, and one note twice: the path and the count of earlier equal texts
    are part of it.
    """
    place = b"\0".join((path.encode("utf-8", "surrogateescape"), text_hash, str(occurrence).encode()))
    return f"{source_uid}-{xxhash.xxh3_128_hexdigest(place)}"


def hash_of(text: str) -> bytes:
    """16 bytes that stand for a text: what is embedded, to find its vector; what is shown, to tell that it changed."""
    return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))


def meta_hash(
    source_name: str, path: str, title: str, heading: tuple[str, ...], lines: tuple[int, int], text_hash: bytes
) -> bytes:
    """
    8 bytes that differ when what a backend is told of a chunk beside its vector differs: metadata and payload.

    The source's identity is left out: it is in the key.
    """
    told = json.dumps((source_name, shown(path), title, heading, lines, text_hash.hex()))
    return xxhash.xxh3_64_digest(told.encode())


def source_of(key: str) -> str:
    """The identity of the source a key belongs to: others may feed the same remote store."""
    return key.partition("-")[0]


def has_source(key: str) -> bool:
    """Whether a key is of a form that has one: a program of one's own gives its vectors any."""
    return _OF_A_CHUNK.fullmatch(key) is not None


def metadata_of(source_uid: str, path: str) -> dict[str, str | tuple[str, ...]]:
    """What a backend can filter a chunk by: its source, and every folder it is in."""
    parts = shown(path).split("/")[:-1]
    return {"source": source_uid, "folder": tuple("/".join(parts[: i + 1]) for i in range(len(parts)))}


def to_entry(
    source_uid: str, source_name: str, path: str, title: str, chunk: ChunkRow, values: np.ndarray | None,
    changed_at: int = 0,
) -> Entry:  # fmt: skip
    """
    A chunk as a backend gets it. Whether its text is kept elsewhere is for the backend's settings to say.

    `changed_at`: when its note was changed last, in seconds since 1970; 0 for who does not know. It is no part of the
    version: a note that is saved would have to be put again whole. So it is that of when the chunk was put.
    """
    payload: dict[str, str | int | tuple[str, ...]] = {
        "content": chunk.text,
        "source_name": source_name,
        "path": shown(path),
        "title": title,
        "heading": chunk.heading,
        "line_from": chunk.lines[0],
        "line_to": chunk.lines[1],
    }
    if changed_at:
        payload["changed_at"] = changed_at
    version = meta_hash(source_name, path, title, chunk.heading, chunk.lines, hash_of(chunk.text)).hex()
    return Entry(chunk.key, values, metadata_of(source_uid, path), payload, version)
