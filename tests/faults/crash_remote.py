"""What lives of a store put their vectors into that is not on their disk, read and set back past the store."""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from tests.fakes.lucene import FakeNode
from tests.fakes.s3 import FakeS3
from tests.fakes.s3vectors import FakeS3Vectors
from tests.faults.crash_halts import copied
from tests.faults.crash_life import BUCKET
from tests.servers.postgres.server import DATABASE, USER, RealPostgres
from vragd.backends.base import Stored, VectorBackend
from vragd.backends.file.settings import FileBackend
from vragd.backends.registry import create_backend
from vragd.backends.s3.settings import S3Backend
from vragd.errors import UnknownCollection


class Remote(Protocol):
    """A place that outlives every process."""

    @property
    def url(self) -> str:
        """What a life is told of it."""

    @property
    def violations(self) -> list[str]:
        """Calls that no correct client makes."""

    def clear(self) -> None: ...

    def keep(self) -> object:
        """What is there now, for `restore`."""

    def restore(self, kept: Any) -> None: ...

    can_halt: bool
    """Whether `aside` can be had."""

    def aside(self) -> AbstractContextManager[None]:
        """What is there may be changed meanwhile, under a process that stands still, and is back after."""

    def keys(self, collection: str) -> set[str]:
        """What a query finds; nothing where there is no such collection."""

    def payloads(self, collection: str) -> dict[str, Mapping[str, Any]]:
        """What whoever has no catalog is told, by key."""


class Relived:
    """What cannot be changed under whoever uses it, who holds locks there, or not in less time than a life takes."""

    can_halt = False

    def aside(self) -> AbstractContextManager[None]:
        raise NotImplementedError


class Kept:
    """What can be kept and restored under whoever uses it."""

    can_halt = True

    def keep(self) -> object:
        raise NotImplementedError

    def restore(self, kept: Any) -> None:
        raise NotImplementedError

    @contextmanager
    def aside(self) -> Iterator[None]:
        kept = self.keep()
        try:
            yield
        finally:
            self.restore(kept)


class OnS3(Kept):
    """The emulator of S3 Vectors."""

    def __init__(self, fake: FakeS3Vectors) -> None:
        self._fake = fake
        self.url, self.violations = fake.url, fake.violations

    def clear(self) -> None:
        self._fake.moto.vector_buckets.clear()
        self._fake.moved()

    def keep(self) -> object:
        return copy.deepcopy(self._fake.moto.vector_buckets)

    def restore(self, kept: Any) -> None:
        self._fake.moto.vector_buckets = copy.deepcopy(kept)
        self._fake.moved()

    def keys(self, collection: str) -> set[str]:
        held = (index for bucket in self._fake.moto.vector_buckets.values() for index in bucket.indexes.values())
        names = {(index.vectorBucketName, index.index_name) for index in held}
        return self._fake.keys(BUCKET, collection) if (BUCKET, collection) in names else set()

    def payloads(self, collection: str) -> dict[str, Mapping[str, Any]]:
        held = self._fake.metadata(BUCKET, collection)
        return {key: json.loads(data["payload"]) for key, data in held.items()}


class OnPostgres(Relived):
    """A schema of a real PostgreSQL. What a process that is dead has not committed is gone before anybody looks."""

    violations: list[str] = []  # noqa: RUF012  none is looked for

    def __init__(self, server: RealPostgres) -> None:
        self._connection = server.connected()
        passfile = quote(str(server.passfile))
        self.url = f"pgvector://{USER}@{server.host}/{DATABASE}?passfile={passfile}&schema_name=life&index=hnsw"

    def close(self) -> None:
        self._connection.close()

    def _execute(self, statement: str, *given: object) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(statement, given or None)
        return cursor.fetchall() if cursor.description else []

    def clear(self) -> None:
        self._settle()
        self._execute("DROP SCHEMA IF EXISTS life CASCADE")

    def keep(self) -> object:
        self._settle()
        return self._copy("life", "kept")

    def restore(self, kept: Any) -> None:
        self._settle()
        self._copy("kept", "life")

    def keys(self, collection: str) -> set[str]:
        return {key for (key,) in self._rows(collection, "key")}

    def payloads(self, collection: str) -> dict[str, Mapping[str, Any]]:
        return dict(self._rows(collection, "key, payload"))

    def _rows(self, collection: str, columns: str) -> list[tuple[Any, ...]]:
        self._settle()
        if self._execute("SELECT to_regclass('life.collections')") == [(None,)]:
            return []
        found = self._execute("SELECT table_name FROM life.collections WHERE name = %s", collection)
        return self._execute(f'SELECT {columns} FROM life."{found[0][0]}"') if found else []

    def _settle(self) -> None:
        """The server notices late that a client is gone: an index may still be built for one."""
        ours = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'vragd'"
        self._execute(ours)

    def _copy(self, of: str, to: str) -> None:
        self._execute(f"DROP SCHEMA IF EXISTS {to} CASCADE")
        tables = self._execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", of)
        if not self._execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", of):
            return
        self._execute(f"CREATE SCHEMA {to}")
        for (table,) in tables:
            self._execute(f'CREATE TABLE {to}."{table}" (LIKE {of}."{table}" INCLUDING ALL)')
            self._execute(f'INSERT INTO {to}."{table}" SELECT * FROM {of}."{table}"')


class OnLucene(Kept):
    """The stand-in of a node."""

    def __init__(self, node: FakeNode) -> None:
        self._node = node
        self.url, self.violations = f"opensearch+http://{node.host}", node.violations

    def clear(self) -> None:
        self._node.indices.clear()

    def keep(self) -> object:
        return copy.deepcopy(self._node.indices)

    def restore(self, kept: Any) -> None:
        self._node.indices = copy.deepcopy(kept)

    def keys(self, collection: str) -> set[str]:
        return self._node.keys(f"vragd-{collection}")

    def payloads(self, collection: str) -> dict[str, Mapping[str, Any]]:
        index = self._node.indices.get(f"vragd-{collection}")
        return {doc["key"]: json.loads(doc["payload"]) for doc in index.docs.values()} if index else {}


class OnDisk:
    """Files beside everything else."""

    can_halt = True
    violations: list[str] = []  # noqa: RUF012  none is looked for

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = str(folder / "vectors")

    def clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def keep(self) -> object:
        """As a crash left them."""
        files = [file for file in self._folder.rglob("*") if file.is_file() and not file.name.endswith("-shm")]
        return {file.relative_to(self._folder): file.read_bytes() for file in files}

    def restore(self, kept: Any) -> None:
        self.clear()
        for name, content in kept.items():
            (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / name).write_bytes(content)

    @contextmanager
    def aside(self) -> Iterator[None]:
        with copied(self._folder):
            yield


class OnSqlite(OnDisk):
    """One of SQLite, as another program reads it."""

    def keys(self, collection: str) -> set[str]:
        return {key for (key,) in self._rows(collection, "key")}

    def payloads(self, collection: str) -> dict[str, Mapping[str, Any]]:
        return {key: json.loads(payload) for key, payload in self._rows(collection, "key, payload")}

    def _rows(self, collection: str, columns: str) -> list[tuple[Any, ...]]:
        if not Path(self.url).is_file() or not Path(self.url).stat().st_size:
            return []
        with closing(sqlite3.connect(self.url)) as db:
            if not list(db.execute("select 1 from sqlite_master where name = 'rows'")):
                return []
            return list(db.execute(f"select {columns} from rows where collection = ?", (collection,)))


class OfSegments:
    """Segments, as another process reads them."""

    def keys(self, collection: str) -> set[str]:
        return {key for key, _ in self._held(collection)}

    def payloads(self, collection: str) -> dict[str, Mapping[str, Any]]:
        return {key: dict(stored.payload) for key, stored in self._held(collection)}

    def _held(self, collection: str) -> list[tuple[str, Stored]]:
        backend = self._opened()
        try:
            keys = [key for key, _ in backend.list_keys(collection)]
            return list(backend.get(collection, keys, values=False, metadata=True).items())
        except UnknownCollection:
            return []
        finally:
            backend.close()

    def _opened(self) -> VectorBackend:
        raise NotImplementedError


class OnFolder(OfSegments, OnDisk):
    """In a folder."""

    def _opened(self) -> VectorBackend:
        return create_backend("file", FileBackend(type="file", path=self.url), Path())


class OnBucket(OfSegments, Kept):
    """In a bucket."""

    violations: list[str] = []  # noqa: RUF012  none is looked for

    def __init__(self, fake: FakeS3) -> None:
        self._objects = fake.buckets["my-bucket"]
        self.url = f"s3://my-bucket/life?region=us-east-1&endpoint_url={quote(fake.url, safe='')}"

    def clear(self) -> None:
        self._objects.clear()

    def keep(self) -> object:
        return dict(self._objects)

    def restore(self, kept: Any) -> None:
        self.clear()
        self._objects.update(kept)

    def _opened(self) -> VectorBackend:
        return create_backend("s3", S3Backend.from_url(self.url), Path())
