"""Answers that a re-ranker orders: in both protocols, within its time, agreed to; without it they are as they were."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.fakes.answering import Answering
from tests.folders import reading
from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.reranking import RerankSettings
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings, no_embedder
from vragd.embed.reranker import MOST_BYTES
from vragd.errors import EmbedderRefused, EmbedderUnavailable
from vragd.search.question import Answer, Hit, Question
from vragd.search.reordered import can_be, of, reordered
from vragd.server.routes import dispatch
from vragd.stores.questions import Questions
from vragd.stores.reranked import LEFT_ALONE_S, Reranking, reranker
from vragd.stores.stores import Stores

LIKED = "quokka"


class FakeReranker(Answering):
    """Likes passages with `LIKED`. Answers last first; knobs are what it says instead."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.go = threading.Event()
        self.go.set()
        self.says: Any = None

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1/rerank"

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        given = json.loads(body)
        with self.lock:
            self.asked.append(given)
            self.keys.append({name.lower(): value for name, value in headers.items()}.get("authorization", ""))
        self.go.wait(20)
        if planted := self.planted():
            return planted
        texts = given.get("documents") or given["texts"]
        name = "relevance_score" if "documents" in given else "score"
        rows = [{"index": n, name: 7.5 if LIKED in text else -3.0} for n, text in enumerate(texts)][::-1]
        return 200, self.says or ({"results": rows} if "documents" in given else rows)


@pytest.fixture
def server() -> Iterator[FakeReranker]:
    with FakeReranker() as server:
        yield server
        server.go.set()


def settings(server: FakeReranker, **given: Any) -> RerankSettings:
    return RerankSettings(**{"url": server.url, "weight": 1.0, "timeout_s": 20.0, **given})


async def answers(home: Path, rerank: RerankSettings | None, *asked: dict[str, Any]) -> list[Any]:
    """
    What questions, and asking for the status (`{}`), are answered, to a store of notes about one word of which the last
    one has another, too.
    """
    (home / "v").mkdir(exist_ok=True)
    (home / "data").mkdir(mode=0o700, exist_ok=True)
    for i in range(8):
        (home / f"v/{i}.md").write_text(f"{'dough ' * (9 - i)}number {i} {LIKED if i == 7 else ''}\n")
    given = StoreSettings(
        sources=(SourceSettings(path=home / "v"),), backend=MemoryBackend(type="memory"), embedder=no_embedder(),
        rerank=rerank,
    )  # fmt: skip
    config = Config(
        stores={"one": given}, limits=LimitSettings(min_free_mib=0), watch=WatchSettings(mode="poll", poll_s=3600)
    )
    stores = Stores(Loaded(config, None, home / "data", home / "s"), watch=True)
    await stores.start()
    questions = Questions(stores)
    try:
        assert await stores.settled(await stores.sync((), None), 30)
        found = []
        for body in asked:
            method, target = ("POST", "/v1/query") if body else ("GET", "/v1/status")
            reply = await dispatch(questions, stores, method, target, json.dumps(body).encode() if body else b"")
            found.append(json.loads(reply.body))
        return found
    finally:
        await stores.stop()


def paths(answer: Any) -> list[str]:
    return [hit["path"] for hit in answer["hits"]]


ASKED = {"text": "dough", "top_k": 3, "explain": True}


@pytest.mark.parametrize("speaks", ["documents", "texts"])
def test_the_best_of_many_hits_are_ordered_by_who_reads_them(tmp_path: Path, server: FakeReranker, speaks: str) -> None:
    (before,) = asyncio.run(answers(tmp_path, None, ASKED))
    assert (server.asked, "7.md" in paths(before)) == ([], False)
    (after,) = asyncio.run(answers(tmp_path, settings(server, speaks=speaks, model="m"), ASKED))
    assert paths(after) == ["7.md", *paths(before)[:2]]
    assert [hit["score"] for hit in after["hits"]] == [hit["score"] for hit in before["hits"]]
    assert [hit["parts"]["relevance"] for hit in after["hits"]] == [7.5, -3.0, -3.0]
    (asked,) = server.asked
    assert (asked["query"], asked["model"], len(asked[speaks])) == ("dough", "m", 8)
    assert after["degraded"] == []


def test_one_that_is_late_is_not_waited_for_and_left_alone(tmp_path: Path, server: FakeReranker) -> None:
    (before,) = asyncio.run(answers(tmp_path, None, ASKED))
    server.go.clear()
    first, second = asyncio.run(answers(tmp_path, settings(server, timeout_s=0.2), ASKED, ASKED))
    assert [paths(first), paths(second)] == [paths(before)] * 2
    assert [first["degraded"], second["degraded"]] == [["rerank_slow"]] * 2
    assert len(server.asked) <= 1


WRONG: dict[str, Any] = {
    "none": {"results": []},
    "twice": [{"index": 0, "score": 1.0}] * 8,
    "no number": [{"index": n, "score": "much"} for n in range(8)],
    "not finite": [{"index": n, "score": float("nan")} for n in range(8)],
    "no index": [{"score": 1.0}] * 8,
    "no list": {"error": "busy"},
    "no json": b"<html>",
    "too large": [{"index": n, "score": 1e308 - n} for n in range(8)],
    "no float": [{"index": n, "score": 10**400} for n in range(8)],
}


def test_what_is_no_number_for_each_passage_is_none_and_nothing_of_a_passage_is_told(server: FakeReranker) -> None:
    client = reranker(settings(server))
    texts = [f"secret {n}" for n in range(8)]
    for says in WRONG.values():
        server.says = says
        with pytest.raises(EmbedderUnavailable, match="no number for each") as caught:
            client.relevance("which", texts)
        assert "secret" not in caught.value.message
    server.says = None
    for status in (302, 401, 500):
        server.fail(status, {"error": "secret"})
        with pytest.raises(EmbedderUnavailable, match=f"status {status}"):
            client.relevance("which", texts)
    assert client.relevance("which", [LIKED, "x"]) == [7.5, -3.0]
    server.stop()
    with pytest.raises(EmbedderUnavailable):
        client.relevance("which", texts)
    client.close()


def test_one_that_fails_costs_nothing_but_its_order_and_is_said(tmp_path: Path, server: FakeReranker) -> None:
    server.fail(500, {})
    found, status = asyncio.run(answers(tmp_path, settings(server), ASKED, {}))
    (store,) = status["stores"]
    assert (store["rerank_trouble"]["code"], store["rerank_trouble"]["n_questions"]) == ("rerank_unavailable", 1)
    assert 0 <= store["rerank_trouble"]["last_s"] <= store["rerank_trouble"]["for_s"]
    assert (paths(found), found["degraded"]) == (["0.md", "1.md", "2.md"], ["rerank_unavailable"])
    assert "relevance" not in found["hits"][0]["parts"]


def test_what_is_ordered_by_something_else_is_not_sent(tmp_path: Path, server: FakeReranker) -> None:
    asked = ({**ASKED, "sort": "name"}, {"text": "", "where": 'file.name == "7"'})
    by_name, listed = asyncio.run(answers(tmp_path, settings(server), *asked))
    assert (paths(by_name), server.asked, by_name["degraded"], listed["degraded"]) == (
        ["0.md", "1.md", "2.md"], [], [], []
    )  # fmt: skip


def test_a_key_is_read_from_a_file_of_ours_and_nothing_leaves_without_leave(
    tmp_path: Path, server: FakeReranker
) -> None:
    key = tmp_path / "key"
    key.write_text("sk-one\n")
    with pytest.raises(EmbedderRefused, match="key_file can be read by others"):
        reranker(settings(server, key_file=str(key))).relevance("q", ["a"])
    key.chmod(0o600)
    client = reranker(settings(server, key_file=str(key)))
    client.relevance("q", ["a"])
    key.write_text("")
    with pytest.raises(EmbedderRefused, match="no key in"):
        client.relevance("q", ["a"])
    client.close()
    assert server.keys == ["Bearer sk-one"]
    far = "https://api.example.com/v1/rerank"
    for given, why in (
        ({"url": far}, "allow_remote"),
        ({"url": "http://api.example.com/rerank", "allow_remote": True, "key_file": str(key)}, "https"),
        ({"url": "ftp://x"}, "expected something like"), ({"url": "http://127.0.0.1:99999/x"}, "its port"),
        ({"url": "http://me:secret@127.0.0.1/x"}, "expected something like"),
        ({"url": "http://[::1]x/r"}, "no url"), ({"url": "http://127.0.0.1/\x7f"}, "no url"),
        ({"url": "http://a..b/rerank", "allow_remote": True}, "no url"),
        ({"url": f"http://{'a' * 64}/rerank", "allow_remote": True}, "no url"),
        ({"url": "http://xn--/rerank", "allow_remote": True}, "no url"),
    ):  # fmt: skip
        with pytest.raises(ValidationError, match=why):
            RerankSettings(**given)
    assert RerankSettings(url=far, allow_remote=True).sends_to == "api.example.com"
    assert RerankSettings(url="http://[::1]:8080/rerank").sends_to == ""


ROWS = b'[{"index": 0, "score": 1}]'


def test_an_answer_in_drops_or_without_an_end_is_given_up(server: FakeReranker) -> None:
    server.says = b" " * MOST_BYTES + ROWS
    client = reranker(settings(server))
    with pytest.raises(EmbedderUnavailable, match="more than 4 MiB"):
        client.relevance("q", ["a"])
    client.close()
    given_up = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as door:

        def drip() -> None:
            peer, _ = door.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (60 + len(ROWS)))
                for _ in range(60):
                    given_up.wait(0.05)
                    peer.sendall(b" ")
                peer.sendall(ROWS)

        def until_it_leaves() -> None:
            try:
                drip()
            except OSError:
                return

        thread = threading.Thread(target=until_it_leaves, daemon=True)
        thread.start()
        client = reranker(RerankSettings(url=f"http://127.0.0.1:{door.getsockname()[1]}/r", timeout_s=0.2))
        with pytest.raises(EmbedderUnavailable, match=r"did not answer within 0\.2 s"):
            client.relevance("q", ["a"])
        given_up.set()
        client.close()
        thread.join(20)


class Odd(RerankSettings):
    """Says on which threads a client was made of it, and may fail as nobody thought of."""

    @property
    def sends_to(self) -> str:
        MADE_ON.append(threading.current_thread().name)
        if self.model == "odd":
            raise ZeroDivisionError
        return ""


MADE_ON: list[str] = []


def test_it_is_made_beside_the_loop_and_closed_when_no_store_names_it_any_more(server: FakeReranker) -> None:
    MADE_ON.clear()
    one, other, odd = (Odd(url=server.url, timeout_s=20.0, model=name) for name in ("one", "other", "odd"))
    answer = Answer((hit("a", 0.6), hit("b", 0.5)))

    async def asked() -> None:
        reranking = Reranking()
        try:
            for given, named, left in ((one, {one, other}, {one}), (other, {one, other}, {one, other})):
                found = await reranking.applied(given, Question(text="q"), answer, lambda named=named: named)
                assert (found.degraded, set(reranking.made)) == ((), left)
            for _ in range(2):
                found = await reranking.applied(odd, Question(text="q"), answer, lambda: {odd, other})
                assert (found.hits, found.degraded) == (answer.hits, ("rerank_unavailable",))
            assert set(reranking.made) == {other}
        finally:
            reranking.close()

    asyncio.run(asked())
    assert len(MADE_ON) == 3, f"what failed is left alone for {LEFT_ALONE_S} s"
    assert all(name.startswith("rerank") for name in MADE_ON)


def test_one_that_fails_is_in_the_status_until_it_succeeds(server: FakeReranker) -> None:
    answer, given = Answer((hit("a", 0.6), hit("b", 0.5))), settings(server)

    async def asked() -> None:
        reranking = Reranking(left_alone_s=0.0)
        try:
            for n in (1, 2):
                server.fail(500, {})
                await reranking.applied(given, Question(text="q"), answer, lambda: {given})
                trouble = reranking.trouble(given)
                assert trouble is not None
                assert (trouble["code"], trouble["n_questions"]) == ("rerank_unavailable", n)
                assert trouble["message"].endswith("failed with status 500") and trouble["for_s"] >= 0
            found = await reranking.applied(given, Question(text="q"), answer, lambda: {given})
            assert (found.degraded, reranking.trouble(given)) == ((), None)
            server.go.clear()
            late = settings(server, timeout_s=0.1)
            await reranking.applied(late, Question(text="q"), answer, lambda: {late})
            assert "did not answer within 0.1 s" in (reranking.trouble(late) or {})["message"]
        finally:
            server.go.set()
            reranking.close()

    asyncio.run(asked())


def hit(path: str, score: float, **more: Any) -> Hit:
    return Hit("s", "v", path, path, (), (1, 1), score, f"text of {path}", "", **more)


def test_score_and_relevance_are_blended_and_each_place_keeps_its_score() -> None:
    hits = (hit("called so", 1.9), hit("b", 0.6), hit("c", 0.5), hit("weak", 0.1, weak=True), hit("d", 0.1))
    answer = Answer(hits)
    assert [one.path for one in of(answer, 20)] == ["called so", "b", "c"]
    assert len(of(answer, 2)) == 2
    found = reordered(answer, [0.2, 0.1, 0.3], 0.4)
    assert [one.path for one in found.hits] == ["called so", "c", "b", "weak", "d"]
    assert [one.score for one in found.hits] == [1.9, 0.6, 0.5, 0.1, 0.1]
    assert reordered(answer, [0.5] * 3, 1.0).hits == hits, "who says the same of all says nothing"
    assert not can_be(Question(text="a", sort="name"))
    assert can_be(Question(text="a"))


def test_a_cross_encoder_in_a_folder_orders_the_hits_without_a_server(tmp_path: Path) -> None:
    config = {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}
    folder = reading(tmp_path / "reader", {"one": 9.0}, config=config)
    (tmp_path / "v").mkdir()
    (tmp_path / "v/last.md").write_text("dough one\n")
    for i in range(9, 12):
        (tmp_path / f"v/{i}.md").write_text("dough dough dough\n")
    (before,) = asyncio.run(answers(tmp_path, None, ASKED))
    local = RerankSettings(path=str(folder), weight=1.0, timeout_s=20.0)
    after, status = asyncio.run(answers(tmp_path, local, ASKED, {}))
    assert (after["degraded"], "last.md" in paths(before)) == ([], False)
    assert paths(after)[0] == "last.md"
    assert after["hits"][0]["parts"]["relevance"] > after["hits"][1]["parts"]["relevance"]
    (row,) = status["stores"]
    assert (row["reranked_by"], row["rerank_trouble"]) == (f"the model in {folder}", None)


def test_a_folder_that_holds_no_re_ranker_leaves_the_answer_as_it_was(tmp_path: Path) -> None:
    (before,) = asyncio.run(answers(tmp_path, None, ASKED))
    local = RerankSettings(path=str(tmp_path / "nowhere"), timeout_s=20.0)
    after, status = asyncio.run(answers(tmp_path, local, ASKED, {}))
    assert (paths(after), after["degraded"]) == (paths(before), ["rerank_unavailable"])
    trouble = status["stores"][0]["rerank_trouble"]
    assert ("no such folder" in trouble["message"], trouble["code"]) == (True, "rerank_unavailable")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "one of url and path"),
        ({"url": "http://127.0.0.1:1/r", "path": "/models/r"}, "one of url and path"),
        ({"path": "/models/r", "model": "m"}, "are of a url"),
        ({"path": "models/r"}, "absolute path"),
        ({"url": "http://127.0.0.1:1/r", "weights": "w.onnx"}, "in the folder path"),
    ],
)
def test_a_re_ranker_is_at_a_url_or_in_a_folder(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        RerankSettings(**given)
