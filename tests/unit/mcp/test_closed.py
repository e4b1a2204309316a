"""What is closed to assistants: the bridge answers as over a vault that never had it, byte for byte."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from tests.closed import InProcess, Vault, everything, running, write
from tests.depth import at, deeper, more
from tests.fakes.ollama import FakeOllama
from vragd.backends.faiss.settings import FaissBackend
from vragd.backends.memory.settings import MemoryBackend
from vragd.backends.settings import BackendSettings
from vragd.errors import StillLooking
from vragd.mcp.resources import BEGINS
from vragd.stores.audience import Audience
from vragd.terms.settings import McpSettings

WORDS = ("quartz", "quarts", "lantern", "lanterns", "walrus", "obelisk", "zephyr", "meadow", "ledger", "cobalt",
         "日本語", "diary-note", "secret")  # fmt: skip
NAMES = ("Alpha", "Beta", "Gamma", "Delta", "Private/Beta", "Private/Echo", "Work/Alpha", "Work/Foxtrot")
TAGS = ("work", "work/deep", "private", "privat")
CLOSING = ("ai: false\n", "mcp: no\n", "AI: never\n")
MARKS = ("", "", "", "ai: true\n", *CLOSING)
PRIVATE = McpSettings(exclude=("private/",))
QUESTIONS = (
    "quartz", "quarz", "lanterns", "lantern", "zephir", "walrus obelisk", '"meadow ledger"', "secret", "Second", "Beta",
    "日本", "日", "what is a cobalt lantern", "diary-note", "quartz lantern walrus zephyr meadow",
)  # fmt: skip
FILTERS = ("tag:private", "tag:privat", "tag:work", "path:Private", "[status:open]", "-tag:work", "secret", "link:Beta",
           "folder:Private", "source:diary", "store:three", "store:four")  # fmt: skip
ASKED = ("Alpha", "Private/Beta", "vault/Private/Echo", "Second", "Foxtrott", "Echoo", "diary/Gamma.md", "p.png",
         "zzzzzzzz")  # fmt: skip


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeOllama]:
    with FakeOllama() as server:
        yield server


def some(draw: Random, of: Sequence[str], least: int, most: int) -> list[str]:
    return [draw.choice(of) for _ in range(draw.randint(least, most))]


def note(draw: Random) -> str:
    """Of few words, so that some stand in closed notes only, and texts are there more than once."""
    head = draw.choice(MARKS) + draw.choice(("", "status: open\n", "Status: shut\n"))
    head += draw.choice(("", "aliases: [Second]\n"))
    parts = list[str]()
    for _ in range(draw.randint(1, 3)):
        links = "".join(f" [[{to}]]" for to in some(draw, (*NAMES, "Second", "Nowhere", "p.png"), 0, 2))
        tags = "".join(f" #{tag}" for tag in some(draw, TAGS, 0, 1))
        parts.append(f"# {draw.choice(WORDS)}\n{' '.join(some(draw, WORDS, 1, 6))}.{links}{tags}\n")
    return f"---\n{head}---\n" + "\n".join(parts)


def small(draw: Random) -> dict[str, str]:
    found = {f"{name}.md": note(draw) for name in draw.sample(NAMES, draw.randint(3, len(NAMES)))}
    return found | ({"Private/p.png": "x"} if draw.random() < 0.5 else {})


def larger(draw: Random) -> dict[str, str]:
    """More notes than are candidates of a question; what cosines are like is measured from fifty titles on."""
    return {f"{draw.choice(NAMES)} {n}.md": note(draw) for n in range(80)}


def is_closed(path: str, text: str) -> bool:
    return path.startswith("Private/") or any(f"\n{mark}" in text for mark in CLOSING)


def open_part(files: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in files.items() if not is_closed(path, text)}


def ids_in(daemon: InProcess) -> list[str]:
    """Of every passage, as people have them."""
    files = (row for row in daemon.request("GET", "/v1/files")["files"] if row["n_chunks"])
    named = (f"{row['store']}\0{row['source']}/{row['path']}".split("\0") for row in files)
    got = (daemon.request("POST", "/v1/get", {"note": name, "stores": [store]}) for store, name in named)
    return list(dict.fromkeys(part["id"] for one in got for part in one["parts"]))


MEMORY, FAISS = MemoryBackend(type="memory"), FaissBackend()
TWINS = [(small, 2), (larger, 0)]
"""Each is asked about on one of two backends, the next on the other; in a campaign on the other too, and more."""
ON_EITHER = [(*twin, (MEMORY, FAISS)[i % 2]) for i, twin in enumerate(TWINS)]
ON_THE_OTHER = [(*twin, (FAISS, MEMORY)[i % 2]) for i, twin in enumerate(TWINS)]
MORE = [(small, n, backend) for n in (0, 1, *range(3, 12)) for backend in (MEMORY, FAISS)]


def named(value: Any) -> str:
    return str(getattr(value, "type", "") or getattr(value, "__name__", value))


@deeper
@pytest.mark.slow
@pytest.mark.parametrize(("vault", "seed", "backend"), [*ON_EITHER, *more(*ON_THE_OTHER, *MORE)], ids=named)
def test_the_bridge_answers_as_over_a_twin_that_lacks_it(
    fake: FakeOllama, tmp_path: Path, vault: Any, seed: int, backend: BackendSettings
) -> None:
    draw = Random(seed)
    files, diary, other, third = vault(draw), small(draw), vault(draw), small(draw)
    whole = {
        "one": {"vault": Vault(files, PRIVATE), "diary": Vault(diary, mcp=False)},
        "two": {"other": Vault(other, PRIVATE)},
        "three": {"third": Vault(third, mcp=False)},
    }
    twin = {"one": {"vault": Vault(open_part(files))}, "two": {"other": Vault(open_part(other))}}
    with running(tmp_path / "a", whole, fake, backend) as a, running(tmp_path / "b", twin, fake, backend) as b:
        ids = ids_in(a)
        names = (*ASKED, str(tmp_path / "a" / "diary" / "Alpha.md"), *draw.sample(ids, min(len(ids), at(12, 50))))
        for tool, arguments in everything(names, QUESTIONS, FILTERS):
            assert a.call(tool, **arguments) == b.call(tool, **arguments), (tool, arguments)
        assert a.resource() == b.resource()
        for name in (*names, *(f"vault/{path}" for path in files), *(f"diary/{path}" for path in diary)):
            assert a.resource(BEGINS + quote(name)) == b.resource(BEGINS + quote(name)), name


def found(daemon: InProcess, question: str) -> list[str]:
    return [hit["path"] for hit in daemon.told("search", query=question)["hits"]]


def test_what_says_so_is_closed_as_soon_as_it_is_read_and_people_see_it(fake: FakeOllama, tmp_path: Path) -> None:
    files = {"a.md": "quartz lantern [[b]] [[p.png]]", "b.md": "quartz obelisk #stone", "Private/p.png": "x"}
    with running(tmp_path, {"one": {"vault": Vault(files)}}, fake) as daemon:
        assert sorted(found(daemon, "quartz")) == ["vault/a.md", "vault/b.md"]
        (id_,) = [hit["id"] for hit in daemon.told("search", query="obelisk")["hits"] if hit["path"] == "vault/b.md"]
        assert daemon.told("links", note="a")["counts"] == {"out": 2, "back": 0, "unresolved": 0}
        write(tmp_path / "vault", {"b.md": "---\nai: false\n---\nquartz obelisk #stone"})
        daemon.sync()
        assert found(daemon, "quartz") == ["vault/a.md"]
        assert found(daemon, "obelisk") == []
        assert daemon.told("links", note="a")["counts"] == {"out": 1, "back": 0, "unresolved": 1}
        assert daemon.told("tags_and_properties")["items"] == []
        assert daemon.told("status")["stores"][0]["notes"] == daemon.told("recent_notes")["n_notes"] == 1
        for name in ("b", "vault/b.md", id_):
            assert f"there is no note {name!r}" in daemon.call("get_note", note=name)
            assert daemon.resource(BEGINS + name) == daemon.resource(BEGINS + "nowhere").replace("nowhere", name)
        assert [one["name"] for one in json.loads(daemon.resource())["resources"]] == ["vault/a.md"]
        people = daemon.request("POST", "/v1/query", {"text": "obelisk"})
        assert [hit["path"] for hit in people["hits"]][:1] == ["b.md"]
        (store,) = daemon.request("GET", "/v1/status")["stores"]
        assert (store["n_closed"], store["notes"], store["sources"][0]["closed"]) == (1, 2, [])
        rows = daemon.request("GET", "/v1/files")["files"]
        assert {row["path"]: row["closed"] for row in rows} == {"a.md": [], "b.md": ["note"]}
        write(tmp_path / "vault", {"b.md": "---\nai: true\n---\nquartz obelisk #stone"})
        daemon.sync()
        assert sorted(found(daemon, "quartz")) == ["vault/a.md", "vault/b.md"]


def test_a_rule_is_another_at_the_next_start_and_nothing_is_read_or_embedded_for_it(
    fake: FakeOllama, tmp_path: Path
) -> None:
    files = {"a.md": "quartz", "Private/b.md": "quartz [[p.png]]", "Private/p.png": "x"}
    for mcp, seen in ((True, 2), (PRIVATE, 1), (False, 0), (McpSettings(), 2)):
        with running(tmp_path, {"one": {"vault": Vault(files, mcp)}}, fake) as daemon:
            n_embedded = daemon.request("GET", "/v1/status")["stores"][0]["n_embedded"]
            assert n_embedded == (2 if mcp is True else 0)
            if seen:
                assert daemon.told("recent_notes")["n_notes"] == len(found(daemon, "quartz")) == seen
            else:
                assert "there is no store yet" in daemon.call("recent_notes")
                assert daemon.told("status")["stores"] == []
            if seen == 2:
                assert daemon.told("links", note="Private/b")["counts"]["out"] == 1


def test_a_note_nobody_has_read_is_closed(fake: FakeOllama, tmp_path: Path) -> None:
    files = {"a.md": "quartz [[big]]", "big.md": "x" * 9_000_000, "gone.md": "---\nvragd: false\nai: false\n---\nx"}
    with running(tmp_path, {"one": {"vault": Vault(files)}}, fake) as daemon:
        assert daemon.told("links", note="a")["counts"] == {"out": 0, "back": 0, "unresolved": 1}
        assert daemon.told("status")["stores"][0]["notes"] == 1
        rows = daemon.request("GET", "/v1/files")["files"]
        assert {row["path"]: row["closed"] for row in rows} == {"a.md": [], "big.md": ["unread"], "gone.md": []}
        assert daemon.request("GET", "/v1/status")["stores"][0]["n_closed"] == 0


def test_what_is_pending_counts_if_it_is_shown_and_of_the_rest_not_how_much_it_is(
    fake: FakeOllama, tmp_path: Path
) -> None:
    files = {"a.md": "quartz", "b.md": "---\nai: false\n---\nx", "Private/c.md": "x"}
    with running(tmp_path, {"one": {"vault": Vault(files, PRIVATE)}}, fake) as daemon:
        (indexer,) = daemon.stores.indexers.values()
        (source,) = indexer.store.sources
        unread = {"degraded": ["files_unread"]}
        hints = [("b.md", 0, {}), ("Private/d.md", 0, {}), ("Private", 0, {}), ("a.md", 1, {}), ("new.md", 1, unread)]
        for path, n, degraded in [*hints, ("newer.md", 1, unread), ("Work", 1, unread)]:
            indexer.dirty.hint(source, path, folder="." not in path)
            told = daemon.told("status")
            assert (told["pending"], told["stores"][0]["pending"]) == (n, n), path
            assert {key: told["stores"][0][key] for key in {"degraded"} & told["stores"][0].keys()} == degraded, path
        incomplete = daemon.told("search", query="quartz")["incomplete"]
        assert incomplete == ["files_unread", "1 changed files are still to be indexed"]
        status = daemon.request("GET", "/v1/status")
        assert (status["pending"], status["degraded"]) == (5, [])
        for n in range(1_100):
            indexer.dirty.add([(source, f"{n}.md")])
        assert daemon.told("status")["pending"] == 1
        indexer.store.for_assistants.close()
        indexer.store.reader.close()
        audience = Audience(daemon.stores, assistant=True)
        assert daemon.runner.run(audience.state([indexer])) == (0, []), "nobody knows now"


def test_what_is_missing_or_cannot_be_listed_is_told_only_of_what_is_shown(fake: FakeOllama, tmp_path: Path) -> None:
    def written(folder: str, n: int, head: str = "") -> dict[str, str]:
        return {f"{folder}/{at}.md": f"{head}quartz {at}" for at in range(n)}

    said = "---\nai: false\n---\n"
    closed = written("Private", 25) | written("Said", 3, said)
    files = {"a.md": "quartz", **written("Open", 25), **closed}

    def told(daemon: InProcess) -> list[list[str]]:
        (store,) = daemon.told("status")["stores"]
        return [store.get("degraded", []), daemon.told("search", query="quartz").get("incomplete", [])]

    def lacking(daemon: InProcess, root: Path, *paths: str) -> list[list[str]]:
        for path in paths:
            (root / path).unlink()
        daemon.sync()
        return told(daemon)

    held = [path for path in closed if path.startswith("Private/")]
    with running(tmp_path, {"one": {"vault": Vault(files, PRIVATE)}}, fake) as daemon:
        (keeper,) = next(iter(daemon.stores.indexers.values())).keepers.values()
        for folder, reasons in (("Private/Deep", []), ("Said", []), ("Open", 1), ("Empty", 1)):
            keeper.unreadable = {folder}
            assert "partly_unreadable" in daemon.request("GET", "/v1/status")["degraded"]
            assert told(daemon) == [["partly_unreadable"] * bool(reasons)] * 2, folder
        keeper.unreadable = set()
        root = tmp_path / "vault"
        assert lacking(daemon, root, *held) == [[], []]
        status = daemon.request("GET", "/v1/status")
        assert (status["degraded"], status["stores"][0]["sources"][0]["n_deletes_held"]) == (["deletes_held"], 25)
        (store,) = daemon.request("GET", "/v1/status?audience=assistant")["stores"]
        assert [one["n_deletes_held"] for one in store["sources"]] == [0]
        assert lacking(daemon, root, "Open/0.md") == [["deletes_held"]] * 2
        (store,) = daemon.request("GET", "/v1/status?audience=assistant")["stores"]
        assert [one["n_deletes_held"] for one in store["sources"]] == [1]
        indexer = next(iter(daemon.stores.indexers.values()))
        indexer.store.for_assistants.close()
        audience = Audience(daemon.stores, assistant=True)
        assert daemon.runner.run(audience.state([indexer]))[1] == [], "nobody knows now"


def test_of_a_passage_that_also_stands_in_a_closed_note_the_id_is_as_if_it_did_not(
    fake: FakeOllama, tmp_path: Path
) -> None:
    text = "quartz lantern obelisk"
    whole = {"one": {"vault": Vault({"Private/a.md": text, "b.md": text, "c.md": text}, PRIVATE)}}
    with running(tmp_path / "a", whole, fake) as daemon:
        people, (first, *_) = ids_in(daemon), [hit["id"] for hit in daemon.told("search", query=text)["hits"]]
        seen = [daemon.told("get_note", note=id_) for id_ in people if "there is no note" not in
                daemon.call("get_note", note=id_)]  # fmt: skip
        assert (len(people), len(seen), first in people) == (3, 2, True)
        assert daemon.told("get_note", note=first)["path"] == "vault/b.md"
        assert daemon.told("get_note", note=first)["same_in"] == ["vault/c.md"]
        (tmp_path / "a" / "vault" / "Private" / "a.md").unlink()
        daemon.request("POST", "/v1/sync", {"wait_s": 25, "confirm_deletes": True})
        assert daemon.told("get_note", note=first)["path"] == "vault/b.md", "as long as the other is remembered"


def test_an_id_stands_for_its_note_wherever_one_is_named_and_that_of_a_closed_one_for_none(
    fake: FakeOllama, tmp_path: Path
) -> None:
    name = "Qu\u200bartz.md"  # which is given back as it is shown, without what nobody sees
    files = {name: "quartz lantern [[b]]", "b.md": "quartz obelisk", "Private/c.md": "walrus [[b]]"}
    with running(tmp_path, {"one": {"vault": Vault(files, PRIVATE)}}, fake) as daemon:
        (hit, _) = daemon.told("search", query="quartz lantern")["hits"]
        (link,) = daemon.told("links", note=hit["id"])["links"]
        assert daemon.told("links", note=hit["path"])["links"] == [link]
        assert link["path"] == "vault/b.md"
        (near,) = daemon.told("related_notes", note=hit["id"])["hits"]
        assert (near["path"], near["linked"]) == ("vault/b.md", ["out"])
        (closed,) = set(ids_in(daemon)) - {hit["id"], near["id"]}
        for tool in ("get_note", "links", "related_notes"):
            told = daemon.call(tool, note=closed)
            assert "there is no note" in told, tool
            assert told == daemon.call(tool, note="zzzzzzzz").replace("zzzzzzzz", closed), tool


@pytest.mark.parametrize("audience", ["me", "assistant&audience=x"])
def test_an_audience_that_there_is_not_is_refused(fake: FakeOllama, tmp_path: Path, audience: str) -> None:
    with running(tmp_path, {"one": {"vault": Vault({"a.md": "quartz"})}}, fake) as daemon:
        for method, route in (("POST", "query"), ("GET", "status"), ("POST", "recent")):
            with pytest.raises(Exception, match="unknown audience"):
                daemon.request(method, f"/v1/{route}?audience={audience}", {"text": "x"} if route == "query" else {})


CLOSED_SINCE = "---\nai: false\n---\nquartz obelisk, and more of it"


def test_after_a_start_an_assistant_waits_for_the_first_look_and_people_do_not(
    fake: FakeOllama, tmp_path: Path
) -> None:
    files = {"a.md": "quartz", "b.md": "quartz obelisk"}
    with running(tmp_path, {"one": {"vault": Vault(files)}}, fake) as daemon:
        (indexer,) = daemon.stores.indexers.values()
        (keeper,) = indexer.keepers.values()
        write(tmp_path / "vault", {"b.md": CLOSED_SINCE})
        look, asked = threading.Event(), ("POST", "/v1/query?audience=assistant", {"text": "quartz"})

        async def asked_meanwhile() -> Any:
            slow = asyncio.ensure_future(keeper.lane.run(look.wait, 30))  # a file system that takes its time
            keeper.distrust("initial_scan")
            people = await daemon.answer("POST", "/v1/query", {"text": "quartz"})
            assert {hit["path"] for hit in people["hits"]} == {"a.md", "b.md"}
            with pytest.raises(StillLooking, match="while nobody watched"):
                await Audience(daemon.stores, assistant=True).at_rest((), 0, looked_s=0)
            waiting = asyncio.ensure_future(daemon.answer(*asked))
            await asyncio.sleep(0)
            assert not waiting.done()
            look.set()
            await slow
            return await waiting

        assert [hit["path"] for hit in daemon.runner.run(asked_meanwhile())["hits"]] == ["a.md"]


def test_what_was_closed_while_nothing_ran_is_not_shown_though_its_text_waits_for_an_embedder(
    fake: FakeOllama, tmp_path: Path
) -> None:
    stores = {"one": {"vault": Vault({"a.md": "quartz", "b.md": "quartz obelisk", "c.md": "quartz lantern"})}}
    with running(tmp_path, stores, fake) as daemon:
        assert len(found(daemon, "quartz")) == 3
    write(tmp_path / "vault", {"b.md": CLOSED_SINCE, "c.md": "quartz zephyr"})
    fake.fail_next(10_000, 500, "out", path="/api/embed")
    stores = {"one": {"vault": Vault({})}}
    with running(tmp_path, stores, fake, begun=True) as daemon:
        assert sorted(found(daemon, "quartz")) == ["vault/a.md", "vault/c.md"]
        assert daemon.told("links", note="a")["counts"]["back"] == 0
        assert "there is no note" in daemon.call("get_note", note="b")
        assert "there is no note" in daemon.resource(BEGINS + "b")
        assert len(daemon.request("POST", "/v1/query", {"text": "quartz"})["hits"]) == 3
        fake.fail_no_more()


def test_a_source_that_cannot_be_looked_at_holds_up_no_assistant(fake: FakeOllama, tmp_path: Path) -> None:
    (tmp_path / "vault" / ".obsidian").mkdir(parents=True)
    (tmp_path / "vault" / ".obsidian" / "app.json").symlink_to("nowhere")
    stores = {"one": {"vault": Vault({"a.md": "quartz"}), "other": Vault({"b.md": "quartz"})}}
    with running(tmp_path, stores, fake, begun=True) as daemon:
        (indexer,) = daemon.stores.indexers.values()
        assert daemon.runner.run(indexer.looked(list(indexer.keepers), 25))
        assert any(keeper.begins for keeper in indexer.keepers.values())
        said = daemon.told("search", query="quartz")
        assert "rules_unknown" in said["incomplete"]
        assert {hit["path"] for hit in said["hits"]} <= {"other/b.md"}
