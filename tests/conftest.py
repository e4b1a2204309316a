"""Options that must be known before any test is collected."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.factories import FACTORIES


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder with a short name: a socket's path may have 107 bytes, and pytest's own folders use most of them."""
    path = Path(tempfile.mkdtemp(prefix="vragd-")).resolve()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend", action="append", choices=sorted(FACTORIES), help="only this backend's conformance (default: all)"
    )


def backends(config: pytest.Config) -> list[str]:
    return config.getoption("--backend") or sorted(FACTORIES)


def pytest_report_header(config: pytest.Config) -> str:
    return "backends under test: " + ", ".join(backends(config))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend_name" in metafunc.fixturenames:
        metafunc.parametrize("backend_name", backends(metafunc.config))
