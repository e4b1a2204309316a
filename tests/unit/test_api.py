"""vragd from Python: a question is the route's own, an answer is what the daemon said, awaited or not."""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vragd
from tests.fakes.s3 import FakeS3
from tests.harness import Vragd
from tests.harness import vragd as running
from vragd import AsyncClient, Client, Question
from vragd.errors import NoDaemon, UnknownStore, UsageError
from vragd.server.query_schemas import QueryRequest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


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


def test_everything_public_can_be_had_and_loads_little() -> None:
    for name in vragd.__all__:
        assert getattr(vragd, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vragd.nothing  # noqa: B018
    code = (
        "import sys, vragd; vragd.Client; print([m for m in ('numpy', 'pydantic', 'apsw', 'yaml') if m in sys.modules])"
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
        assert client.status()["pending"] == 0
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
