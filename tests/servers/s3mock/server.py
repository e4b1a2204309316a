"""
Adobe's S3Mock, fetched by Maven and run by Java 17: somebody else's reading of S3, with objects in files.

It takes any credentials. It listens on every address, which cannot be told otherwise. `VRAGD_TEST_S3` takes a service
of one's own.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

from tests.fakes.credentials import CREDENTIALS
from tests.harness import until
from tests.servers.fetched import PLUGIN, fetched, need, run
from tests.servers.ports import free_port

VERSION = "4.11.0"
NAME = f"s3mock-{VERSION}"
BUCKET = "my-bucket"
JAVA = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def make(folder: Path) -> None:
    need("java", "mvn")
    artifact = f"com.adobe.testing:s3mock:{VERSION}:jar:exec"
    run("mvn", "-q", "-B", f"{PLUGIN}:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}")


class RealS3:
    """A service between `start` and `kill`; it keeps its port and its objects, and ends when the tests do."""

    def __init__(self, folder: Path) -> None:
        self._jar = folder / f"{NAME}-exec.jar"
        self.home = Path(tempfile.mkdtemp(prefix="vragd-s3mock-"))
        (self.home / "objects").mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        given = {
            "com.adobe.testing.s3mock.httpPort": self.port, "server.port": 0,  # that of https
            "com.adobe.testing.s3mock.store.root": self.home / "objects",
            "com.adobe.testing.s3mock.store.retainFilesOnExit": "true",
            "com.adobe.testing.s3mock.store.initialBuckets": BUCKET,
        }  # fmt: skip
        java = ["java", *JAVA, f"-Djava.io.tmpdir={self.home}", "-jar", self._jar]  # it leaves what it puts there
        command = [*java, *(f"--{key}={value}" for key, value in given.items())]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home
            )  # fmt: skip
        until(lambda: self._answers() or not self.is_running, "S3Mock to answer", 240)
        assert self.is_running, "S3Mock ended while it was started"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/{BUCKET}?list-type=2", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """At once, as a loss of power would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)


@functools.cache
def shared() -> RealS3 | str:
    """One for all tests of a process, or why there is none."""
    try:
        service = RealS3(fetched(NAME))
    except OSError as error:
        return f"no S3Mock: {error}"
    atexit.register(service.remove)
    try:
        service.start()
    except (OSError, AssertionError) as error:
        service.kill()
        return f"S3Mock cannot be started here: {error}"
    os.environ.update(CREDENTIALS)
    return service


def place() -> tuple[str, str]:
    """The URL of a backend there; or none, and why."""
    service = shared()
    if isinstance(service, str):
        return "", service
    return f"s3://{BUCKET}/?endpoint_url={quote(service.url, safe='')}", ""
