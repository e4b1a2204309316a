"""A collection some of whose files are damaged: the manifest under which what can be read of it goes on."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from vragd.backends.base import CollectionInfo
from vragd.backends.segments.held import Foreign, Manifest, manifest_of
from vragd.backends.segments.segment import Damaged, OtherVersion, Segment, read
from vragd.backends.segments.storage import Missing, Storage


def mended(
    storage: Storage, name: str, content: bytes, meant: CollectionInfo | None, is_ours: Callable[[str], bool]
) -> Manifest | None:  # fmt: skip
    """
    What goes on in the place of the manifest that is `content`: without the segments that cannot be read. None where
    all can be.

    A manifest that cannot be read itself is made anew of what is `meant` and all segments that can be, if a key in
    them `is_ours`. Raises Damaged where that is not known, Foreign and OtherVersion for what is not to be touched, and
    what the storage raises.
    """
    try:
        manifest = manifest_of(content)
    except (Foreign, OtherVersion):
        raise
    except (ValueError, KeyError, TypeError) as error:
        if meant is None:
            raise Damaged("its manifest cannot be read") from error
        return _anew(storage, name, meant, is_ours)
    sound = tuple(one.name for one in _readable(storage, name, manifest.segments, manifest.info.dimension))
    return None if sound == manifest.segments else replace(manifest, segments=sound, mended=secrets.token_hex(8))


def _anew(storage: Storage, name: str, meant: CollectionInfo, is_ours: Callable[[str], bool]) -> Manifest:
    """
    Of all segments that lie there, in the order they were written: by the latest time in them.

    One of deletions alone is the last that there was, as the next change takes it in.
    """
    found = list(_readable(storage, name, storage.segments(name), meant.dimension))
    if found and not any(is_ours(key) for segment in found for key in (*segment.keys, *segment.gone)):
        raise Damaged("its manifest cannot be read, and nothing in it is known to be of this store")
    found.sort(key=lambda segment: max(segment.updated_at, default=math.inf))
    info = replace(meant, name=name, count=None, identity=secrets.token_hex(8))
    return Manifest(info, time.time(), tuple(segment.name for segment in found), mended=secrets.token_hex(8))


def _readable(storage: Storage, name: str, segments: tuple[str, ...] | list[str], dimension: int) -> Iterator[Segment]:
    for one in segments:
        try:
            segment = read(one, storage.segment(name, one))
        except OtherVersion:
            raise
        except (Missing, Damaged, ValueError, KeyError, TypeError):
            continue
        if segment.rows.shape[1] == dimension:
            yield segment
