"""A real daemon on an embedder that refuses, hangs, lies, breaks off, or becomes another one while it embeds."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

from tests.catalogs import beside
from tests.fakes.ollama import FakeOllama
from tests.harness import Vragd, until, vragd
from vragd.system import packed

TIMEOUT_S, QUERY_TIMEOUT_S = 1.5, 0.8
PROMPT_S = QUERY_TIMEOUT_S + 1.5
"""Within this a question must be answered whatever the embedder does; the rest is for a busy machine."""


def on_ollama(daemon: Vragd, fake: FakeOllama, batch_size: int) -> None:
    embedder = {
        "type": "ollama", "model": "fake-embed", "url": fake.url, "batch_size": batch_size,
        "timeout_s": TIMEOUT_S, "query_timeout_s": QUERY_TIMEOUT_S,
    }  # fmt: skip
    store = {"sources": [{"path": str(daemon.vault)}], "embedder": embedder}
    # a question that is asked again is to meet the embedder
    limits = {"remembered_questions": 0}
    daemon.configure(stores={"notes": store}, watch={"settle_ms": 20}, limits=limits)


def strangers(daemon: Vragd, fake: FakeOllama) -> list[str]:
    """Texts whose stored vector is not what the model of its space makes of them, read past the daemon."""
    with beside(daemon.data / "stores/notes/catalog.db") as db, db:  # one snapshot
        texts = {xxhash.xxh3_128_digest(text.encode()): text for (text,) in db.execute("select text from chunk")}
        rows = list(
            db.execute("select s.identity, e.text_hash, e.vector from embedding e join space s on s.id = e.space_id")
        )
    found = []
    for identity, text_hash, raw in rows:
        if text_hash in texts:
            row = fake.vector(texts[text_hash], json.loads(identity)["digest"])
            stored = packed.unpack(np.frombuffer(raw, dtype=packed.kind(len(row))))[0] if _fits(raw, row) else None
            if stored is None or not np.allclose(stored, row, atol=1e-3):
                found.append(texts[text_hash])
    return found


def _fits(raw: bytes, row: Sequence[float]) -> bool:
    return len(raw) == packed.bytes_of(len(row))


def n_embedded(daemon: Vragd) -> int:
    count: int = daemon.store["embeddings"]
    return count


def is_well(daemon: Vragd) -> bool:
    status = daemon.status()
    return not status["degraded"] and not status["pending"]


@pytest.fixture(scope="module")
def ollama() -> Iterator[FakeOllama]:
    with FakeOllama() as server:
        yield server


@pytest.fixture(scope="module")
def daemon(ollama: FakeOllama) -> Iterator[Vragd]:
    """A daemon that runs on `ollama`; each test leaves both well."""
    home = Path(tempfile.mkdtemp(prefix="vragd-")).resolve()
    with vragd(home) as one:
        on_ollama(one, ollama, batch_size=4)
        (one.vault / "kept.md").write_text("kept through everything: a pangolin\n")
        one.start()
        yield one
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(autouse=True)
def healed(ollama: FakeOllama) -> Iterator[None]:
    """Whatever a test leaves turned is turned back, so that its failure is its own."""
    fresh = FakeOllama(port=ollama.port)
    yield
    ollama.release()
    ollama.__enter__()  # which starts it if it is stopped
    for name in (
        "delay_s",
        "error_page",
        "truncated",
        "reset",
        "wrong_dimension",
        "wrong_count",
        "nan",
        "zero",
        "null",
    ):
        setattr(ollama, name, getattr(fresh, name))


OUTAGES: dict[str, dict[str, Any]] = {
    "it accepts and never answers": {"hang": True},
    "it answers, but never about a note": {"hang_word": "outage"},
    "it is slower than the patience for it": {"delay_s": 2 * TIMEOUT_S},
    "a page of html with status 500": {"error_page": (500, b"<html><h1>Internal Server Error</h1></html>")},
    "json that ends in the middle": {"truncated": True},
    "a connection reset in the middle": {"reset": True},
    "vectors of another length": {"wrong_dimension": True},
    "nobody listens": {},
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_during_an_outage_words_answer_it_is_said_and_afterwards_all_is_embedded(
    daemon: Vragd, ollama: FakeOllama, outage: str
) -> None:
    before, knobs = n_embedded(daemon), OUTAGES[outage]
    word = f"outage{list(OUTAGES).index(outage)}"
    healthy = {name: getattr(ollama, name) for name in knobs}
    if not knobs:
        ollama.stop()
    for name, value in knobs.items():
        setattr(ollama, name, value)
    code = "embedder_space_mismatch" if "wrong_dimension" in knobs else "embedder_unavailable"
    for i in range(6):  # more than a batch
        (daemon.vault / f"{word} {i}.md").write_text(f"an outage, {word} number{i}\n")
    until(lambda: code in daemon.status()["degraded"], "it to be said")
    for mode in ("hybrid", "keyword"):
        began = time.monotonic()
        answer = daemon.query("pangolin", mode=mode)
        assert time.monotonic() - began < PROMPT_S
        assert [hit["path"] for hit in answer["hits"]][:1] == ["kept.md"]
        assert code in answer["degraded"]
        embeds_questions = mode == "keyword" or "hang_word" in knobs
        assert ("semantic_unavailable" in answer["degraded"]) is not embeds_questions
    assert n_embedded(daemon) == before, "nothing of what it said was kept"
    if "hang" in knobs or "hang_word" in knobs:
        ollama.release()
    if not knobs:
        ollama.start()
    for name, value in healthy.items():
        setattr(ollama, name, value)
    until(lambda: len(daemon.paths(word, mode="keyword", top_k=10)) == 6 and is_well(daemon), "all to be embedded", 60)
    assert n_embedded(daemon) == before + 6
    assert strangers(daemon, ollama) == []
    assert daemon.problems() == []


def test_vectors_that_are_none_are_never_kept_and_made_anew_by_themselves(daemon: Vragd, ollama: FakeOllama) -> None:
    before, knobs = n_embedded(daemon), ("wrong_count", "nan", "zero", "null")
    for knob in knobs:
        n_asked = ollama.count("/api/embed")
        setattr(ollama, knob, True)
        (daemon.vault / f"{knob}.md").write_text(f"a note that meets {knob.replace('_', '')}\n")
        until(lambda: daemon.files().get(f"{knob}.md", {}).get("state") == "partial", f"{knob} to be met")  # noqa: B023
        assert ollama.count("/api/embed") > n_asked
        setattr(ollama, knob, False)
    assert daemon.paths("wrongcount", mode="keyword") == ["wrong_count.md"], "words find it"
    assert all("refuses 1 of 1" in daemon.files("failed")[f"{knob}.md"]["reason"] for knob in knobs)
    assert n_embedded(daemon) == before
    until(lambda: not daemon.files("failed"), "each to be tried again", 60)
    assert n_embedded(daemon) == before + len(knobs)
    assert strangers(daemon, ollama) == []
    assert daemon.problems() == []


def test_a_slow_embedder_is_no_outage(daemon: Vragd, ollama: FakeOllama) -> None:
    ollama.delay_s = 0.2
    for i in range(9):
        (daemon.vault / f"slow {i}.md").write_text(f"slowly, sloth{i}\n")
    said: set[str] = set()

    def done() -> bool:
        status = daemon.status()
        said.update(status["degraded"])
        return not status["pending"] and all(f"slow {i}.md" in daemon.files("indexed") for i in range(9))

    until(done, "the notes")
    ollama.delay_s = 0
    assert said == set()
    assert daemon.problems() == []


def test_an_outage_is_said_all_the_time_and_once_in_the_log(daemon: Vragd, ollama: FakeOllama) -> None:
    ollama.error_page = (503, b"busy")  # it says who it is as before, and embeds nothing
    (daemon.vault / "busy.md").write_text("a note that nobody embeds\n")
    until(lambda: daemon.status()["degraded"], "it to be said")
    n_asked, n_told = ollama.count("/api/embed"), daemon.log().count("worker.work_paused")
    unsaid = 0

    def asked_again() -> bool:
        nonlocal unsaid
        unsaid += daemon.status()["degraded"] != ["embedder_unavailable"]
        return ollama.count("/api/embed") >= n_asked + 2

    until(asked_again, "it to be asked twice more")
    trouble = daemon.store["trouble"]
    ollama.error_page = None
    assert unsaid == 0
    assert trouble["for_s"] > 1.0, "one outage, which lasts"
    assert daemon.log().count("worker.work_paused") == n_told
    until(lambda: is_well(daemon), "it to be well again", 60)


def test_questions_do_not_queue_up_behind_those_that_wait_for_an_embedder_that_hangs(
    daemon: Vragd, ollama: FakeOllama
) -> None:
    ollama.hang = True
    n_asked = ollama.count("/api/embed")
    with ThreadPoolExecutor(16) as pool:
        began = time.monotonic()
        hybrid = [pool.submit(daemon.query, "pangolin") for _ in range(15)]
        ollama.wait_until_hanging()
        assert daemon.paths("pangolin", mode="keyword") == ["kept.md"]
        answers = [one.result() for one in hybrid]
        took = time.monotonic() - began
    ollama.release()
    assert took < PROMPT_S
    assert ollama.count("/api/embed") - n_asked <= 4, "only as many as are answered at once have waited for it"
    assert all("semantic_unavailable" in answer["degraded"] for answer in answers)
    assert all(answer["hits"][0]["path"] == "kept.md" for answer in answers)
    until(lambda: not daemon.query("pangolin")["degraded"], "questions to be embedded again")


def test_one_poison_text_in_a_batch_of_64_costs_the_others_nothing(tmp_path: Path) -> None:
    with FakeOllama() as fake, vragd(tmp_path) as daemon:
        on_ollama(daemon, fake, batch_size=64)
        fake.poison = "arsenic"
        for i in range(64):
            (daemon.vault / f"n{i}.md").write_text("some arsenic\n" if i == 40 else f"good words, number{i}\n")
        daemon.start(idle=False)
        until(lambda: len(daemon.files("indexed")) == 63, "the notes around it")
        until(lambda: daemon.files()["n40.md"]["state"] == "partial", "it to be known that the embedder refuses one")
        batches = [batch for batch in fake.embed_batches() if batch != ["vragd"]]  # which asks for the dimension
        assert max(map(len, batches)) == 64, "they were in one batch"
        assert len(batches) <= 2 * 6 + 1 + 2, "six halvings, and what was retried meanwhile"
        good = [text for text in fake.embedded_texts if "good words" in text]
        assert len(good) == len(set(good)) == 63, "each was embedded once"
        assert daemon.paths("arsenic", mode="keyword") == ["n40.md"]
        assert strangers(daemon, fake) == []
        assert daemon.problems() == []


class _Replaced:
    """Another model under the same name from the n-th request to embed notes on, until it is asked who it is."""

    def __init__(self, fake: FakeOllama, at: int, *, for_good: bool) -> None:
        self._fake, self._at, self._for_good = fake, at, for_good
        self.before, self.other = fake.digest, "f" * 64
        self.n_embeds, self.n_by_other, self._asked = 0, 0, 0

    def __call__(self, texts: Sequence[str]) -> None:
        if texts == ["vragd"]:
            return
        self.n_embeds += 1
        asked = self._fake.count("/api/tags")
        if self.n_embeds == self._at:
            self._fake.digest, self._asked = self.other, asked
        elif self._fake.digest == self.other and not self._for_good and asked > self._asked:
            self._fake.digest = self.before
        self.n_by_other += self._fake.digest == self.other


@pytest.mark.parametrize("for_good", [True, False], ids=["for good", "for a while"])
def test_a_model_replaced_while_it_embeds_puts_no_vector_into_the_others_space(tmp_path: Path, for_good: bool) -> None:
    with FakeOllama() as fake, vragd(tmp_path) as daemon:
        on_ollama(daemon, fake, batch_size=4)
        for i in range(60):
            (daemon.vault / f"n{i}.md").write_text(f"note number{i}\n")
        replaced = _Replaced(fake, at=5, for_good=for_good)
        fake.on_embed = replaced
        daemon.start(ready=True, idle=False)

        def moved() -> bool:
            if (daemon.data / "stores/notes/catalog.db").exists():
                assert strangers(daemon, fake) == [], "vectors of two models are in one space"
            return replaced.n_by_other > 0 and len(daemon.files("indexed")) == 60 and is_well(daemon)

        until(moved, "every note in the space of the model that stayed", 60)
        digest = fake.digest
        assert digest == (replaced.other if for_good else replaced.before)
        identities = daemon_spaces(daemon)
        assert [identity["digest"] for identity in identities] == [digest]
        assert n_embedded(daemon) == 60
        assert daemon.paths("number7", top_k=1) == ["n7.md"]
        assert daemon.problems() == []


def daemon_spaces(daemon: Vragd) -> list[dict[str, Any]]:
    with beside(daemon.data / "stores/notes/catalog.db") as db:
        rows = db.execute("select identity from space where fingerprint not like 'left %'")
        return [json.loads(identity) for (identity,) in rows]
