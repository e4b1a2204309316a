"""
Segments as objects of a bucket. Any number of processes read and write: a manifest is replaced only by who knows it.

`PREFIX/COLLECTION/manifest.json` and `PREFIX/COLLECTION/NAME.segment`, as in a folder. A manifest's tag is its ETag.
Not every service deletes an object only if it is a known one: of a deleted collection an empty manifest stays.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import structlog

from vragd.backends.base import Traits
from vragd.backends.s3.client import Absent, Clash, Objects, Unchanged, no_conditions
from vragd.backends.s3.settings import S3Backend as Settings
from vragd.backends.segments.backend import SegmentBackend
from vragd.backends.segments.storage import Missing, Moved
from vragd.errors import AGAIN, BackendUnavailable, VragdError
from vragd.system.failpoints import reach
from vragd.system.log import error_fields
from vragd.terms.metric import METRICS

log = structlog.get_logger()

TRAITS = Traits(
    private=False, networked=True, keeps_payload=True, durable=True, patches=True, value_error=1e-6,
    metrics=METRICS, max_dimension=65_536, max_matches=None, max_among=None,
)  # fmt: skip
MANIFEST, SUFFIX, PROBE = "manifest.json", ".segment", "vragd.conditions"
LOOK_S = 1.0
TRIES = 5
_SEGMENT = re.compile(r"[0-9a-f]{16}\.segment")
_PROBED = b"vragd asks with this whether If-Match and If-None-Match are honoured. It may be deleted.\n"


def create(settings: Settings, data_dir: Path) -> SegmentBackend:
    """A backend over the bucket, which must be there. Contacts nobody; keeps nothing below `data_dir`."""
    return made(settings)


def made(settings: Settings, look_s: float = LOOK_S, clock: Callable[[], float] = time.monotonic) -> SegmentBackend:
    """As `create`. Questions look for what others changed every `look_s` seconds."""
    return SegmentBackend(
        Bucket(settings, clock), TRAITS, "bucket", remote_text=settings.remote_text,
        look_s=look_s, wait_s=settings.query_timeout_s, clock=clock,
    )  # fmt: skip


class Bucket:
    """What was put here is not read again, and a manifest only if its ETag is another."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._objects = settings, Objects(settings, clock)
        self._manifests: dict[str, tuple[bytes, str]] = {}
        self._fresh: tuple[str, bytes] = "", b""
        self._probing, self._probed = threading.Lock(), False

    def collections(self) -> list[str]:
        manifests = ((name, self._key(name, MANIFEST)) for name in self._objects.folders(self._below()))
        return [name for name, key in manifests if dict(self._objects.below(key)).get(key)]

    def manifest(self, collection: str, *, quick: bool = False) -> tuple[bytes, str] | None:
        """Where the service is out of reach and somebody waits, as it was last."""
        had = self._manifests.get(collection)
        try:
            found = self._objects.get(self._key(collection, MANIFEST), had[1] if had else "", quick=quick)
        except Unchanged:
            return had
        except Absent:
            found = b"", ""
        except BackendUnavailable:
            if quick and had:
                return had
            raise
        if not found[0]:
            self._manifests.pop(collection, None)
            return None
        self._manifests[collection] = found
        return found

    def swap(self, collection: str, content: bytes, tag: str | None) -> str:
        self._probe()
        key = self._key(collection, MANIFEST)
        for _ in range(TRIES):
            try:
                condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
                now = content, self._objects.put(key, content, **condition)
            except Clash:
                now = self._now(key)
                if now[0] != content:  # else it is ours: the answer was lost, and it was sent again
                    if now[1] == tag or (tag is None and not now[0]):  # an empty one, or somebody was about to write it
                        tag = now[1] or None
                        continue
                    raise Moved from None
            if content:
                self._manifests[collection] = now
            return now[1]
        raise BackendUnavailable(f"{key} is being written by others all the time", hint=AGAIN)

    def _now(self, key: str) -> tuple[bytes, str]:
        try:
            return self._objects.get(key)
        except Absent:
            return b"", ""

    def put(self, collection: str, name: str, content: bytes) -> None:
        key = self._key(collection, name + SUFFIX)
        self._objects.put(key, content)
        self._fresh = key, content

    def segment(self, collection: str, name: str, *, quick: bool = False) -> np.ndarray:
        key = self._key(collection, name + SUFFIX)
        (fresh, content), self._fresh = self._fresh, ("", b"")  # once: who looks again looks at what is there
        if fresh != key:
            try:
                content, _ = self._objects.get(key, quick=quick)
            except Absent:
                raise Missing(name) from None
        return np.frombuffer(content, dtype=np.uint8)

    def is_whole(self, collection: str, name: str, n_bytes: int) -> bool:
        return True

    def forget(self, collection: str, name: str) -> None:
        key = self._key(collection, name + SUFFIX)
        try:
            self._objects.delete(key)
        except VragdError as error:  # what is left is swept
            log.warning("backend.segment_left", store=collection, **error_fields(error))

    def segments(self, collection: str) -> list[str]:
        start = self._below(collection)
        names = (key[len(start) :] for key, _ in self._objects.below(start))
        return [name.removesuffix(SUFFIX) for name in names if _SEGMENT.fullmatch(name)]

    def remove(self, collection: str, tag: str) -> None:
        self.swap(collection, b"", tag)
        self._manifests.pop(collection, None)
        reach("bucket.emptied")
        for name in self.segments(collection):
            self._objects.delete(self._key(collection, name + SUFFIX))
            reach("bucket.deleted")

    def place(self, collection: str) -> str:
        at = f" at {self._settings.endpoint_url}" if self._settings.endpoint_url else ""
        return "/".join(part for part in (self._settings.where(), collection) if part) + at

    def close(self) -> None:
        self._objects.close()
        self._manifests.clear()
        self._fresh = "", b""

    def _key(self, *parts: str) -> str:
        return self._below(*parts[:-1]) + parts[-1]

    def _below(self, *parts: str) -> str:
        """What keys in a folder begin with."""
        return "".join(f"{part}/" for part in (self._settings.prefix, *parts) if part)

    def _probe(self) -> None:
        """Raise BackendRefused for a service that writes whatever the conditions say. Asks once."""
        with self._probing:
            if self._probed:
                return
            twice = self._put_probe(IfNoneMatch="*") and self._put_probe(IfNoneMatch="*")
            if twice or self._put_probe(IfMatch=f'"{"0" * 32}"'):
                raise no_conditions(self._settings.bucket)
            self._probed = True

    def _put_probe(self, **condition: str) -> bool:
        """Whether it was written."""
        try:
            self._objects.put(self._key(PROBE), _PROBED, **condition)
        except Clash:
            return False
        reach("bucket.probed")
        return True
