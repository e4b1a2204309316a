"""
One file of a model, by ranges: what came stays in `FILE.part` until all of it did and is what it was said to be.

The hub's own library begins such a file anew after every break: a large one would never come over a line that breaks.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx

from vragd.embed.onnx.hub import BY_HAND, LONGEST_WAIT_S, Listed, Wait, retry_after_s
from vragd.embed.remote import by_environment
from vragd.errors import EmbedderUnavailable, VragdError
from vragd.system.files import disk_error, fsync_dir
from vragd.terms.hosts import stays_private

TRIES = 6
"""So often it is asked in vain, one after the other, before it is left for another time."""
TIMEOUT = httpx.Timeout(30.0, connect=10.0)

Told = Callable[[int], None]
"""Is told how many bytes of the file are here."""


class _Later(Exception):
    """It may be asked again; `wait_s` says when, 0 for as is usual."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.why, self.wait_s = why, wait_s


def part_of(target: Path) -> Path:
    """Where what came of a file is, until it is whole."""
    return target.with_name(f"{target.name}.part")


def n_here(target: Path) -> int:
    """How many bytes of a file are here already."""
    for file in (target, part_of(target)):
        if file.is_file():
            return file.stat().st_size
    return 0


def fetch(url: str, listed: Listed, target: Path, told: Told, wait: Wait = time.sleep) -> None:
    """
    Have a file at `target`, whose folder there is, from where an earlier call was interrupted. Blocks.

    Raises EmbedderUnavailable where it cannot be had, or is another than was listed, DiskFull and DataDirError.
    """
    if target.is_file():
        return  # it has no other name before it was looked at
    part = part_of(target)
    with _alone(part) as file:
        _fill(url, listed, file, told, wait)
        if not _is(file, listed):
            part.unlink()
            raise EmbedderUnavailable(
                f"{listed.path} is not what the hub says it is: what came was thrown away",
                hint="give the command again",
            )
        os.fsync(file.fileno())
        part.replace(target)
        fsync_dir(target.parent)


@contextmanager
def _alone(part: Path) -> Iterator[BinaryIO]:
    """The file, to be written by nobody else meanwhile."""
    try:
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise VragdError(f"another vragd is fetching {part.name}", hint="wait for it") from None
            yield file
    except OSError as error:
        raise disk_error(error, str(part)) from error


def _fill(url: str, listed: Listed, file: BinaryIO, told: Told, wait: Wait) -> None:
    in_vain, have = 0, file.seek(0, os.SEEK_END)
    if have > listed.n_bytes:
        have = file.truncate(0)
    told(have)
    with by_environment():
        made = httpx.Client(timeout=TIMEOUT, follow_redirects=True)  # to where the hub keeps large files
    with made as client:
        while have < listed.n_bytes:
            try:
                _more(client, url, have, listed, file, told)
                later = _Later("it broke off")
            except _Later as error:
                later = error
            file.flush()
            before, have = have, file.seek(0, os.SEEK_END)
            in_vain = 0 if have > before else in_vain + 1
            if in_vain == TRIES:
                raise EmbedderUnavailable(
                    f"{listed.path} cannot be had now: {later.why}; {have:,} of {listed.n_bytes:,} bytes are here",
                    hint=f"give the command again later: it goes on from there; {BY_HAND}",
                )
            if have < listed.n_bytes:
                wait(min(later.wait_s or 2.0**in_vain - 0.5, LONGEST_WAIT_S))


def _more(client: httpx.Client, url: str, have: int, listed: Listed, file: BinaryIO, told: Told) -> None:
    """What one answer has of it. Raises _Later, and EmbedderUnavailable where asking again is of no use."""
    headers = {"accept-encoding": "identity", **({"range": f"bytes={have}-"} if have else {})}
    try:
        with client.stream("GET", url, headers=headers) as answer:
            if answer.status_code == 416:
                file.truncate(0)
                raise _Later("there is no such part of it")
            have = _begins_at(answer, have, listed)
            file.truncate(have)
            file.seek(have)
            for chunk in answer.iter_raw():
                have += len(chunk)
                if have > listed.n_bytes:
                    file.truncate(0)
                    raise _Later("more came than there is")
                file.write(chunk)
                told(have)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _Later(type(error).__name__) from error


def _begins_at(answer: httpx.Response, have: int, listed: Listed) -> int:
    """Which byte an answer begins with: one that knows no ranges begins at the first."""
    status = answer.status_code
    if status in (200, 206) and not stays_private(str(answer.url)):
        raise EmbedderUnavailable(f"{listed.path} would come unencrypted, from {answer.url.host}", hint=BY_HAND)
    if status == 206:
        said = re.match(r"bytes (\d+)-", answer.headers.get("content-range", ""))
        if said is None or int(said[1]) > have:
            raise _Later("another part came than was asked for")
        return int(said[1])
    if status == 200:
        return 0
    if status == 429 or status >= 500 or status == 408:
        raise _Later(f"status {status}", retry_after_s(answer.headers.get("retry-after", "")))
    raise EmbedderUnavailable(f"{listed.path} cannot be had: status {status}", hint=f"try again later, {BY_HAND}")


def _is(file: BinaryIO, listed: Listed) -> bool:
    """Whether it is what was listed, by its digest."""
    if not listed.digest:
        return True  # a hub of somebody's that says no more than its size
    digest = hashlib.sha256()
    if len(listed.digest) == 40:
        digest = hashlib.sha1(b"blob %d\0" % listed.n_bytes, usedforsecurity=False)
    file.seek(0)
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest() == listed.digest
