"""vragd against a real Ollama, and the stand-in of all other tests against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from subprocess import TimeoutExpired

import httpx
import pytest

from tests.conformance.embedders import local
from tests.fakes.ollama import FakeOllama
from tests.harness import Vragd, until, vragd
from tests.servers.fetched import FOLDER, fetched
from tests.servers.ollama.server import MODEL, NAME, RealOllama
from vragd.embed.base import Embedder
from vragd.embed.conformance import CHECKS

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="real servers are for make test-servers: they are built first"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def ollama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealOllama]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(RealOllama(fetched(NAME), tmp_path_factory.mktemp("ollama")))
            server.create()
        except (OSError, AssertionError, TimeoutExpired) as error:
            pytest.skip(f"no Ollama: {error}")
        yield server


@pytest.fixture
def daemon(tmp_path: Path, ollama: RealOllama) -> Iterator[Vragd]:
    with vragd(tmp_path) as daemon:
        embedder = {"type": "ollama", "model": MODEL, "url": ollama.url}
        daemon.configure(stores={"notes": {"sources": [{"path": str(daemon.vault)}], "embedder": embedder}})
        (daemon.vault / "coffee.md").write_text("How to brew coffee with a press.\n")
        (daemon.vault / "sailing.md").write_text("Winds and tides of the northern sea.\n")
        daemon.start()
        yield daemon


def meant(daemon: Vragd, text: str) -> list[str]:
    answer = daemon.query(text, mode="vector")
    return [] if answer["degraded"] else [hit["path"] for hit in answer["hits"]][:1]


def test_notes_are_found_by_what_they_mean(daemon: Vragd) -> None:
    until(lambda: meant(daemon, "espresso and other hot drinks") == ["coffee.md"], "an answer in time", 100)
    assert daemon.problems() == []


def test_a_text_of_many_symbols_is_indexed_in_parts(daemon: Vragd) -> None:
    (daemon.vault / "symbols.md").write_text("∑ ∏ ∂ ∫ " * 180 + "\n")
    until(lambda: "symbols.md" in daemon.files("indexed"), "the symbols", 100)
    daemon.settle()
    assert not daemon.files("failed")


def test_a_server_that_was_killed_and_a_model_that_was_removed_come_back(daemon: Vragd, ollama: RealOllama) -> None:
    ollama.kill()
    (daemon.vault / "later.md").write_text("Bread needs flour, water, salt and time.\n")
    until(lambda: daemon.status()["degraded"], "the outage to be said")
    ollama.start()
    until(lambda: meant(daemon, "baking a loaf") == ["later.md"], "the server to be back", 60)
    ollama.remove()
    (daemon.vault / "latest.md").write_text("Foxes sleep in their dens by day.\n")
    until(lambda: daemon.status()["degraded"], "the model to be missed")
    ollama.create()
    until(lambda: meant(daemon, "where animals rest") == ["latest.md"], "the model to be back", 60)


def test_a_model_that_was_unloaded_is_loaded_for_the_next_question(daemon: Vragd, ollama: RealOllama) -> None:
    ollama.unload()
    until(lambda: meant(daemon, "espresso") == ["coffee.md"], "the model to be loaded", 100)


# -- by way of /v1 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS, ids=lambda fn: fn.__name__)
@pytest.mark.parametrize("kind", ["native", "over_v1"])
def test_the_contract_by_either_protocol(ollama: RealOllama, kind: str, check: Callable[..., None]) -> None:
    make = native if kind == "native" else over_v1
    with ExitStack() as stack:
        check(lambda: stack.enter_context(closing(make(ollama))))


def test_both_protocols_give_the_same_vectors(ollama: RealOllama) -> None:
    with closing(over_v1(ollama)) as one, closing(native(ollama)) as other:
        texts = ["How to brew coffee with a press.", "Winds and tides of the northern sea."]
        assert one.embed_documents(texts) == pytest.approx(other.embed_documents(texts), abs=1e-3)
        assert one.space("c").dimension == other.space("c").dimension


def test_another_instance_knows_the_model_again(ollama: RealOllama) -> None:
    with closing(over_v1(ollama)) as one:
        space = one.space("c")
    ollama.unload()
    with closing(over_v1(ollama)) as two:
        assert two.space("c").is_like(space)
        assert two.still_makes(space)


def over_v1(ollama: RealOllama) -> Embedder:
    return local("openai", model=MODEL, url=f"{ollama.url}/v1", query_timeout_s=60.0)(ExitStack())


def native(ollama: RealOllama) -> Embedder:
    return local("ollama", model=MODEL, url=ollama.url, query_timeout_s=60.0)(ExitStack())


CASES = [
    ("GET", "/", None),
    ("GET", "/api/never", None),
    ("POST", "/api/tags", {}),
    ("POST", "/api/embed", {"model": "absent", "input": "a"}),
    ("POST", "/api/embed", {"model": "absent", "input": [1]}),
    ("POST", "/api/embed", {"input": "a"}),
    ("POST", "/api/embed", {"model": MODEL, "input": "a", "keep_alive": True}),
    ("POST", "/api/show", {}),
    ("POST", "/api/embed", {"model": MODEL, "input": []}),
    ("POST", "/api/embed", {"model": MODEL, "input": "x " * 3000, "truncate": False}),
    ("POST", "/api/embed", {"model": MODEL, "input": "a", "keep_alive": "10 min"}),
    ("POST", "/api/show", {"model": "absent"}),
]


@pytest.mark.parametrize(("method", "path", "body"), CASES)
def test_the_stand_in_says_what_the_real_one_says(ollama: RealOllama, method: str, path: str, body: object) -> None:
    with FakeOllama(models={f"{MODEL}:latest"}, context_chars=1_000) as fake:
        real, stand_in = (httpx.request(method, url + path, json=body, timeout=60) for url in (ollama.url, fake.url))
    assert stand_in.status_code == real.status_code
    if real.status_code != 200:
        assert stand_in.text.strip() == real.text.strip()
    elif path == "/api/embed":
        assert stand_in.json()["embeddings"] == real.json()["embeddings"] == []
