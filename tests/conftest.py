"""Options that must be known before any test is collected."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import harness
from tests.conformance.factories import FACTORIES

if TYPE_CHECKING:
    from tests.fakes.s3vectors import FakeS3Vectors

harness.fork_daemons = os.environ.get("VRAGD_TESTS_FORK") != "0"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder with a short name: a socket's path may have 107 bytes, and pytest's own folders use most of them."""
    path = Path(tempfile.mkdtemp(prefix="vragd-")).resolve()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3Vectors]:
    """S3 Vectors, and the environment its client needs."""
    from tests.fakes.s3vectors import CREDENTIALS, FakeS3Vectors  # moto takes a second to import

    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with FakeS3Vectors() as service:
        yield service


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # one folder for all workers of a run
        os.environ["VRAGD_TESTS_SHARED"] = tempfile.mkdtemp(prefix="vragd-shared-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["VRAGD_TESTS_SHARED"], ignore_errors=True)


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
