"""vragd from Python: a question is the route's own, an answer is what the daemon said, awaited or not."""

from __future__ import annotations

import ast
import asyncio
import json
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vragd
from tests.fakes.s3 import FakeS3
from tests.harness import Vragd
from tests.harness import vragd as running
from vragd import Answer, AsyncClient, Client, Question
from vragd.errors import NoDaemon, TooLarge, UnknownStore, UsageError
from vragd.server.query_schemas import QueryRequest
from vragd.system.lock import only_process, record

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTHING = Answer(hits=[])


def test_a_question_has_the_fields_and_defaults_of_the_route() -> None:
    theirs = {name: one.default for name, one in QueryRequest.model_fields.items()}
    assert {one.name: one.default for one in fields(Question)} == theirs
    assert Question().to_dict() == {}


def test_a_question_becomes_a_body_that_the_route_takes() -> None:
    asked = Question(
        "heron", texts=("pond",), vectors=(np.array([1.0, 2.0], dtype=np.float32), [3]), where=["tag:x", "y"], top_k=3
    )
    body = asked.to_dict()
    assert body == {
        "text": "heron", "texts": ["pond"], "vectors": [[1.0, 2.0], [3.0]], "where": ["tag:x", "y"], "top_k": 3,
    }  # fmt: skip
    assert QueryRequest.model_validate_json(json.dumps(body)).top_k == 3
    assert Question(vector=np.ones(2)).to_dict() == {"vector": [1.0, 1.0]}
    assert Question(stores={"notes"}, top_k=np.int64(3), vector="abc").to_dict() == {  # type: ignore[arg-type]
        "stores": ["notes"], "top_k": 3, "vector": "abc",
    }  # fmt: skip


@contextmanager
def answering(answer: bytes) -> Iterator[Told]:
    """Somebody at a socket who answers so, and how many were asking at the same time."""
    with tempfile.TemporaryDirectory(prefix="vragd-") as folder:
        told = Told(Path(folder) / "s")

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            told.now += 1
            told.most = max(told.most, told.now)
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.01)
            told.now -= 1
            writer.write(answer)
            writer.close()

        async def listen() -> None:
            async with await asyncio.start_unix_server(serve, told.socket, backlog=100):
                told.listening.set()
                await asyncio.to_thread(told.over.wait)

        thread = threading.Thread(target=lambda: asyncio.run(listen()))
        thread.start()
        told.listening.wait(10)
        try:
            yield told
        finally:
            told.over.set()
            thread.join()


@dataclass
class Told:
    socket: Path
    now: int = 0
    most: int = 0
    listening: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


def said(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def test_however_many_are_asked_at_once_a_daemon_has_room_for_them() -> None:
    with answering(said(b"200 OK", b'{"hits":[],"new":1}')) as told:

        async def together() -> list[Any]:
            return await asyncio.gather(*(AsyncClient(told.socket).search(str(i)) for i in range(50)))

        assert asyncio.run(together()) == [NOTHING] * 50 == asyncio.run(together())
        assert 1 < told.most <= 16
        told.most, client = 0, Client(told.socket)
        with ThreadPoolExecutor(40) as threads:
            assert list(threads.map(client.search, map(str, range(80)))) == [NOTHING] * 80
        assert 1 < told.most <= 16


def test_who_is_refused_while_still_sending_is_told_why() -> None:
    refused = said(b"413 Content Too Large", b'{"error":{"code":"too_large","message":"more than it takes","hint":""}}')
    with answering(refused) as told:
        for _ in range(5):
            with pytest.raises(TooLarge, match="more than it takes"):
                asyncio.run(AsyncClient(told.socket).search("x" * 3_000_000))
            with pytest.raises(TooLarge, match="more than it takes"):
                Client(told.socket).search("x" * 3_000_000)


def test_a_change_of_a_question_may_be_back_to_what_is_usual() -> None:
    bodies: list[dict[str, Any]] = []

    class Asked(Client):
        def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any:
            bodies.append(body)
            return {"hits": []}

    question = Question("heron", top_k=3, weak=True, where="tag:bird")
    Asked().search(question, top_k=5, weak=False)
    Asked().search(question, text="pond")
    assert bodies == [
        {"text": "heron", "where": "tag:bird"},
        {"text": "pond", "top_k": 3, "weak": True, "where": "tag:bird"},
    ]
    with pytest.raises(TypeError, match="foo"):
        Asked().search(question, foo=1)


def test_clients_go_to_other_processes_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VRAGD_SOCKET", raising=False)
    for made in (Client("/x/s"), Client(), AsyncClient("/x/s"), AsyncClient()):
        assert pickle.loads(pickle.dumps(made)).path == made.path


def test_the_daemon_is_found_where_the_configuration_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(said(b"200 OK", b'{"hits":[]}')) as told:
        config = tmp_path / "config.yaml"
        config.write_text(f"paths: {{socket: {told.socket}}}\n")
        monkeypatch.delenv("VRAGD_SOCKET", raising=False)
        monkeypatch.setenv("VRAGD_CONFIG", str(config))
        assert Client().search("heron") == asyncio.run(AsyncClient().search("heron")) == NOTHING
        assert Client(str(told.socket).encode()).path == told.socket  # type: ignore[arg-type]
        # where the data directory's lock says so: a daemon that was started with another XDG_RUNTIME_DIR
        config.write_text(f"paths: {{data: {tmp_path}}}\n")
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        with only_process(tmp_path) as lock:
            record(lock, told.socket)
            assert Client().search("heron") == asyncio.run(AsyncClient().search("heron")) == NOTHING


def test_everything_public_can_be_had_and_loads_little() -> None:
    for name in vragd.__all__:
        assert getattr(vragd, name) is not None
        assert name in dir(vragd)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vragd.nothing  # noqa: B018
    code = (
        "import sys, vragd; vragd.Client; print([m for m in ('numpy', 'pydantic', 'apsw', 'yaml') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_vectors_are_opened_and_asked_without_what_only_a_daemon_needs(tmp_path: Path, kind: str) -> None:
    code = (
        "import sys; from vragd import open_backend\n"
        f"with open_backend({kind!r}, path={str(tmp_path / 'vectors')!r}) as vectors:\n"
        "    vectors.create_store('abc', 2); vectors.put_vectors('abc', [('a', [1, 0])])\n"
        "    assert [found.key for found in vectors.query('abc', [1, 0])] == ['a']\n"
        "heavy = {'asyncio', 'structlog', 'yaml', 'onnxruntime', 'faiss', 'boto3', 'vragd.config', 'vragd.store'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_says_how_it_is_run_and_uses_what_is_public(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert f"python {path.name}" in (ast.get_docstring(tree) or "")
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    assert names == ["vragd"]


def example(name: str, *args: str, daemon: Vragd | None = None) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *args], env=daemon.env if daemon else None, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["faiss", "file", "sqlite"])
def test_examples_of_own_vectors_do_what_they_say(kind: str, tmp_path: Path) -> None:
    said = example(f"vectors_{kind}.py", str(tmp_path / "place")).splitlines()
    assert said[0] == "4 colours put"
    assert [line.split()[1] for line in said[1:3]] == ["red", "orange"]
    assert said[3:] == ["['sky', 'navy']", "1 deleted"]
    assert example("vectors_memory.py").split()[1] == "a"


def test_the_example_of_a_bucket_prints_for_how_many_it_is(fake_s3: FakeS3) -> None:
    said = example("vectors_s3.py", "my-bucket", fake_s3.url).splitlines()
    assert said == ["s3 suits up to 10,000 vectors; for more: s3vectors or pgvector", "['a']"]


@pytest.mark.slow
def test_a_daemon_is_asked_and_its_errors_come_back(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        (daemon.vault / "Heron.md").write_text("# At the water\n\nA heron stood at the pond.\n")
        daemon.start()
        client = Client(daemon.socket)
        answer = client.search("heron", top_k=3)
        (hit,) = answer.hits
        assert (hit.path, hit.raw["path"], answer.degraded) == ("Heron.md", "Heron.md", [])
        assert hit.excerpt[hit.spans[0][0] : hit.spans[0][1]] == "heron"
        assert client.get(hit.id)["note"]["path"] == "Heron.md"
        assert client.similar("Heron") == []
        status = client.status()
        assert status["pending"] == 0
        assert {type(status), type(status["stores"][0])} == {dict}, "of a program that writes it down as YAML, too"
        assert client.search(Question("gull"), mode="keyword").hits == []

        async def together() -> list[Any]:
            waiting = AsyncClient(daemon.socket)
            found = await asyncio.gather(*(waiting.search(text) for text in ("heron", "pond", "water")))
            told = await waiting.get(hit.id), await waiting.similar("Heron"), await waiting.status()
            assert told[0] == client.get(hit.id) and told[1] == []
            with pytest.raises(UsageError, match="top_k"):
                await waiting.search("x", top_k=0)
            return found

        assert [one.hits[0].path for one in asyncio.run(together())] == ["Heron.md"] * 3
        other = tmp_path / "other"
        other.mkdir()
        assert not client.store_exists("second")
        client.create_store("second", other)
        assert (client.store_exists("second"), client.sync("second")) == (True, True)
        assert (client.delete_store("second"), client.delete_store("second")) == (True, False)
        with pytest.raises(UnknownStore):
            client.search("heron", stores=["none"])
        assert "Heron.md" in example("search.py", "heron", daemon=daemon)
        assert example("search_async.py", "heron", "pond", daemon=daemon) == "heron: Heron.md\npond: Heron.md\n"
        daemon.stop()
        with pytest.raises(NoDaemon):
            client.search("heron")

        async def nobody() -> None:
            with pytest.raises(NoDaemon):
                await AsyncClient(daemon.socket).search("heron")

        asyncio.run(nobody())
