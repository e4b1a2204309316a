"""Segments in a folder for each collection. One process writes, and says so to others; any number reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from vragd.backends.base import Traits
from vragd.backends.checks import may_be_called, outside_vaults
from vragd.backends.file.settings import OURS, check_room
from vragd.backends.file.settings import FileBackend as Settings
from vragd.backends.segments.backend import SegmentBackend
from vragd.backends.segments.storage import Missing, Moved
from vragd.errors import BackendUnavailable, DataDirError
from vragd.system.files import disk_error, private_dir, write_atomic
from vragd.system.writers import OnlyWriter
from vragd.terms.metric import METRICS

TRAITS = Traits(
    private=False, networked=False, keeps_payload=True, durable=True, patches=True, value_error=1e-6,
    metrics=METRICS, max_dimension=65_536, max_matches=None, max_among=None,
)  # fmt: skip
MANIFEST, SUFFIX = "manifest.json", ".segment"


def create(settings: Settings, data_dir: Path) -> SegmentBackend:
    """A backend over the folder of the settings, which is made with the first collection."""
    storage = Folder(Path(settings.path))
    return SegmentBackend(storage, TRAITS, "folder", remote_text=settings.remote_text)


class Folder:
    """`COLLECTION/manifest.json` and `COLLECTION/NAME.segment`. The tag of a manifest is its inode and times."""

    def __init__(self, path: Path) -> None:
        self._path, self._writer = path, OnlyWriter(path)

    def collections(self) -> list[str]:
        with _reading(self._path):
            try:
                return [folder.name for folder in self._path.iterdir() if (folder / MANIFEST).is_file()]
            except FileNotFoundError:
                return []

    def manifest(self, collection: str, *, quick: bool = False) -> tuple[bytes, str] | None:
        if not may_be_called(collection):
            return None
        with _reading(self._path):
            try:
                fd = os.open(self._path / collection / MANIFEST, os.O_RDONLY | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):
                return None
            with os.fdopen(fd, "rb") as file:
                return file.read(), _tag(os.fstat(fd))

    def swap(self, collection: str, content: bytes, tag: str | None) -> str:
        file = self._path / collection / MANIFEST
        with _writing(self._path):
            if tag is None:
                outside_vaults(file)
                if not self._path.is_dir():
                    private_dir(self._path)
            with self._writer.turn():
                if self._now(file) != tag:
                    raise Moved
                if tag is None:
                    _make_room(file.parent)
                write_atomic(file, [content])
                return self._now(file) or ""

    def put(self, collection: str, name: str, content: bytes) -> None:
        with _writing(self._path):
            self._writer.take()
            write_atomic(self._path / collection / f"{name}{SUFFIX}", [content])

    def segment(self, collection: str, name: str, *, quick: bool = False) -> np.ndarray:
        with _reading(self._path):
            try:
                return np.memmap(self._path / collection / f"{name}{SUFFIX}", dtype=np.uint8, mode="r")
            except FileNotFoundError:
                raise Missing(name) from None
            except ValueError:  # an empty file cannot be mapped
                return np.empty(0, dtype=np.uint8)

    def is_whole(self, collection: str, name: str, n_bytes: int) -> bool:
        try:
            return os.stat(self._path / collection / f"{name}{SUFFIX}").st_size >= n_bytes
        except OSError:  # what is mapped of a file that is gone is there until it is let go
            return True

    def forget(self, collection: str, name: str) -> None:
        with suppress(OSError):  # what is left is swept
            (self._path / collection / f"{name}{SUFFIX}").unlink()

    def segments(self, collection: str) -> list[str]:
        folder = self._path / collection
        with _writing(self._path):
            self._writer.take()
            names = _ours(folder)
            for name in names:
                if not name.endswith(SUFFIX):
                    (folder / name).unlink(missing_ok=True)
            return [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]

    def remove(self, collection: str, tag: str) -> None:
        folder = self._path / collection
        with _writing(self._path), self._writer.turn():
            if self._now(folder / MANIFEST) != tag:
                raise Moved
            try:
                (folder / MANIFEST).unlink()
                for name in _ours(folder):
                    (folder / name).unlink(missing_ok=True)
            except OSError as error:
                raise disk_error(error, str(folder)) from error
            with suppress(OSError):  # somebody else put something there: that is theirs
                folder.rmdir()

    def place(self, collection: str) -> str:
        return str(self._path / collection)

    def close(self) -> None:
        self._writer.release()

    def _now(self, file: Path) -> str | None:
        try:
            return _tag(file.stat())
        except (FileNotFoundError, NotADirectoryError):
            return None


def _ours(folder: Path) -> list[str]:
    """What of it may be deleted."""
    return [name for name in os.listdir(folder) if OURS.fullmatch(name)]


def _make_room(folder: Path) -> None:
    """
    `folder`, empty, private; segments of a collection whose deletion a crash interrupted are deleted.

    The path is anybody's choice, and so is the name of a store: a folder that holds anything else is left as it is.
    Raises BackendRefused for such a one, DataDirError.
    """
    if folder.is_dir() and not folder.is_symlink():
        check_room(folder)
        for name in _ours(folder):
            (folder / name).unlink(missing_ok=True)
    private_dir(folder)


def _tag(info: os.stat_result) -> str:
    return f"{info.st_dev}-{info.st_ino}-{info.st_mtime_ns}-{info.st_ctime_ns}-{info.st_size}"


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise BackendUnavailable(f"cannot read {path}: {why}", hint="look at the folder and its permissions") from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What is said of the data directory, as it is said of a backend."""
    try:
        yield
    except DataDirError as error:
        raise BackendUnavailable(error.message, hint=f"look at {path} and its permissions") from error
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise BackendUnavailable(f"cannot write {path}: {why}", hint=f"look at {path} and its permissions") from error
