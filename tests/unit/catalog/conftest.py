"""A catalog with a source and a space, and a reader of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vragd.catalog.reader import Reader
from vragd.catalog.writer import Catalog

Opened = tuple[Catalog, Reader]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    catalog = Catalog(tmp_path / "catalog.db")
    catalog.register_source("vault", "uid")
    catalog.register_space("sss", "f" * 32, "{}", 4)
    reader = Reader(catalog.path)
    yield catalog, reader
    reader.close()
    catalog.close()
