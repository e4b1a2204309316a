"""
A real node of OpenSearch or Elasticsearch on a port of its own: fetched once (Maven), compiled against, run by Java 17.

`VRAGD_TEST_OPENSEARCH` and `VRAGD_TEST_ELASTICSEARCH` take a server of one's own: the `url` of a backend, whose
password is looked for as always.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness import until
from tests.servers.fetched import PLUGIN, fetched, need, run
from tests.servers.ports import free_port

HERE = Path(__file__).parents[1]
HEAP = os.environ.get("VRAGD_SERVERS_HEAP", "384m")  # enough for the tests; 100,000 vectors of 768 numbers want 1g
JAVA = (f"-Xms{HEAP}", f"-Xmx{HEAP}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass(frozen=True, slots=True)
class Kind:
    """`version`: of the node, pinned in its pom.xml too. `ready`: a path that answers 200 once it is up."""

    name: str
    version: str
    ready: str
    build: Callable[[Path, Path], None]
    """Makes what Java runs, of (sources, cache with the libraries in `lib`)."""
    command: Callable[[Path, Path], list[str]]
    """What Java is told, of (cache, home)."""
    furnish: Callable[[Path, Path], None]
    """Lays out (home) of what is in (cache)."""

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.version}"

    @property
    def own(self) -> str:
        return os.environ.get(f"VRAGD_TEST_{self.name.upper()}", "")


def _build_opensearch(sources: Path, cache: Path) -> None:
    knn = "org.opensearch.plugin:opensearch-knn:2.19.1.0:zip"
    run("mvn", "-q", "-B", f"{PLUGIN}:copy", f"-Dartifact={knn}", f"-DoutputDirectory={cache}")
    (archive,) = cache.glob("opensearch-knn-*.zip")
    shutil.unpack_archive(archive, cache / "knn")
    for jar in (cache / "knn").rglob("*.jar"):
        if not (cache / "lib" / jar.name).exists():
            shutil.move(jar, cache / "lib")
    run("javac", "-cp", f"{cache}/lib/*", "-d", cache / "classes", sources / "Serve.java")


def _build_elasticsearch(sources: Path, cache: Path) -> None:
    (cache / "netty").mkdir(exist_ok=True)
    for pattern in ("netty-*.jar", "transport-netty4-*.jar"):  # a module of the server, with a loader of its own
        for jar in (cache / "lib").glob(pattern):
            shutil.move(jar, cache / "netty" / jar.name)
    run(
        "javac", "--module-path", cache / "lib", "--patch-module", f"org.elasticsearch.server={sources}",
        "-d", cache / "classes", sources / "Serve.java",
    )  # fmt: skip


def _furnish_elasticsearch(cache: Path, home: Path) -> None:
    sources, module = HERE / "elasticsearch", home / "modules" / "transport-netty4"
    for folder in ("config", "lib", "plugins", "logs"):
        (home / folder).mkdir(exist_ok=True)
    module.mkdir(parents=True, exist_ok=True)
    shutil.copy(sources / "log4j2.properties", home / "config")
    shutil.copy(sources / "plugin-descriptor.properties", module)
    for jar in (cache / "netty").glob("*.jar"):
        shutil.copy(jar, module)


OPENSEARCH = Kind(
    "opensearch", "2.19.1", "/", _build_opensearch,
    lambda cache, home: ["-cp", f"{cache}/classes:{cache}/lib/*", "Serve"],
    lambda cache, home: None,
)  # fmt: skip
ELASTICSEARCH = Kind(
    "elasticsearch", "8.17.0", "/_cluster/health", _build_elasticsearch,
    lambda cache, home: [
        f"-Des.path.conf={home}/config", "--module-path", f"{cache}/lib",
        "--patch-module", f"org.elasticsearch.server={cache}/classes", "--add-modules", "ALL-MODULE-PATH,jdk.net",
        "-m", "org.elasticsearch.server/vragd.tests.node.Serve",
    ],
    _furnish_elasticsearch,
)  # fmt: skip
KINDS = {kind.name: kind for kind in (OPENSEARCH, ELASTICSEARCH)}


def make(kind: Kind, cache: Path) -> None:
    """Fetch and build what a node is made of. OSError says why not."""
    need("java", "javac", "mvn")
    sources = HERE / kind.name
    libraries = f"-DoutputDirectory={cache / 'lib'}"
    run("mvn", "-q", "-B", "-f", sources / "pom.xml", f"{PLUGIN}:copy-dependencies", libraries)
    kind.build(sources, cache)


class RealNode:
    """A node between `start` and `kill`; it keeps its port and its data, and ends when the tests do."""

    def __init__(self, kind: Kind, cache: Path) -> None:
        self.kind, self._cache = kind, cache
        self.home = Path(tempfile.mkdtemp(prefix=f"vragd-{kind.name}-"))
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.kind.furnish(self._cache, self.home)
        command = ["java", *JAVA, *self.kind.command(self._cache, self.home), self.home, str(self.port)]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self.home)
        until(lambda: self._answers() or not self.is_running, f"{self.kind.name} to answer", 240)
        assert self.is_running, f"{self.kind.name} ended while it was started"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _answers(self) -> bool:
        try:
            self.call("GET", self.kind.ready)
        except OSError:
            return False
        return True

    def call(self, method: str, path: str, body: Mapping[str, Any] | bytes | None = None) -> Any:
        """What the node answers past vragd. Raises OSError for anything but success. `body`: lines as bytes."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"{}")

    def kill(self) -> None:
        """At once, as a loss of power would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def said(self) -> str:
        log = self.home / "log"
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        return "; ".join(lines[-2:])[:300]


@functools.cache
def shared(name: str) -> RealNode | str:
    """One node of a kind for all tests of a process, or why there is none."""
    kind = KINDS[name]
    try:
        node = RealNode(kind, fetched(kind.folder))
    except OSError as error:
        return f"no {name}: {error}"
    atexit.register(node.remove)
    try:
        node.start()
    except (OSError, AssertionError) as error:
        return f"{name} cannot be started here: {error}; {node.said()}"
    return node


def place(name: str) -> tuple[dict[str, Any], str]:
    """The settings of the server of one's own or of the shared node; or none, and why."""
    if own := KINDS[name].own:
        return {"url": own}, ""
    node = shared(name)
    return ({}, node) if isinstance(node, str) else ({"url": node.url}, "")
