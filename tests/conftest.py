"""Options that must be known before any test is collected."""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import depth, harness
from tests.conformance.factories import FACTORIES, REAL, close_opened
from tests.dealt import dealt
from tests.memory import Places

if TYPE_CHECKING:
    from tests.fakes.s3 import FakeS3
    from tests.fakes.s3vectors import FakeS3Vectors

TESTS = Path(__file__).parent

settings.load_profile("ci")  # the same examples in each run, and none is timed
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


@pytest.fixture
def fake_s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeS3]:
    """S3 with a bucket, and the environment its client needs."""
    from tests.fakes.credentials import CREDENTIALS
    from tests.fakes.s3 import FakeS3

    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with FakeS3("my-bucket") as service:
        yield service


def pytest_configure(config: pytest.Config) -> None:
    depth.begin(is_campaign=config.getoption("--campaign"))
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # of a script's background: what we start would not hear it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--quick"):
        sys.addaudithook(watch)
    if not hasattr(config, "workerinput"):  # one folder for all workers of a run
        os.environ["VRAGD_TESTS_SHARED"] = tempfile.mkdtemp(prefix="vragd-shared-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["VRAGD_TESTS_SHARED"], ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        action="append",
        choices=sorted(FACTORIES | REAL),
        help="only this backend's conformance (default: all that need nothing fetched)",
    )

    parser.addoption("--quick", action="store_true", help="only what is not slow, and it may start no process")
    parser.addoption("--campaign", action="store_true", help="only what has more to it than is tried without this")


ABOUT_S = {"faults": 8.0, "daemon": 4.0, "servers": 2.0, "conformance": 0.2}
"""What a test of these folders takes, roughly; what is marked slow elsewhere takes a second."""


def seconds_of(item: pytest.Item) -> float:
    of_folder = ABOUT_S.get(item.nodeid.split("/")[1], 0.0)
    return of_folder or (1.0 if item.get_closest_marker("slow") else 0.0)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Of the modules of tests that every worker loads each compiles its share first, which takes longest."""
    told = getattr(session.config, "workerinput", None)
    if told is None or sys.dont_write_bytecode:
        return
    files = sorted(TESTS.rglob("test_*.py"))
    for file in files[int(told["workerid"].removeprefix("gw")) :: told["workercount"]]:
        with suppress(Exception, pytest.skip.Exception):  # whoever collects it says so
            importlib.import_module(".".join(file.relative_to(TESTS.parent).with_suffix("").parts))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[depth.COLLECTED] = tuple(items)
    of_now = set(depth.chosen(items, is_campaign=config.getoption("--campaign")))
    config.hook.pytest_deselected(items=[item for item in items if item not in of_now])
    items[:] = [item for item in items if item in of_now]
    if not config.getoption("--quick"):
        n_workers = getattr(config, "workerinput", {}).get("workercount", 1)
        if n_workers > 1:
            items[:] = dealt(items, n_workers, lambda item: str(item.path), seconds_of)
        return
    slow = [
        item
        for item in items
        if item.get_closest_marker("slow") or {"s3", "fake_s3"} & set(getattr(item, "fixturenames", ()))
    ]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in set(slow)]


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # ten thousand tests stay to the end: nothing is found by looking through them again and again


class Watch:
    """Notes that a test starts a process. A hook of the interpreter cannot be taken back: one is enough for a run."""

    started = ""

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in ("subprocess.Popen", "os.posix_spawn", "os.fork"):
            self.started = f"{event} {arguments}"


watch = Watch()


places = Places()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    places.choose(item.nodeid)
    watch.started = ""
    if time.time() > float(os.environ.get("VRAGD_SERVERS_UNTIL", "inf")):
        pytest.skip("the time for real servers is over (VRAGD_SERVERS_UNTIL)")


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    close_opened()
    if item.config.getoption("--quick") and watch.started:
        pytest.fail(f"it is not marked slow and started a process: {watch.started}", pytrace=False)


def backends(config: pytest.Config) -> list[str]:
    return config.getoption("--backend") or sorted(FACTORIES)


def pytest_report_header(config: pytest.Config) -> str:
    return "backends under test: " + ", ".join(backends(config))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend_name" in metafunc.fixturenames:
        metafunc.parametrize("backend_name", backends(metafunc.config))
