"""The tools over a daemon whose notes are as bad as they can be: what is sent stays short, clean and whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from vragd.client import Answered, Client
from vragd.errors import NoDaemon, NotRunning, Overloaded
from vragd.mcp.bridge import Bridge
from vragd.mcp.pages import MOST_BYTES
from vragd.mcp.text import Fence

BAD = ["\\", '"', "🎉", "漢", "x"]
BESIDE = {"pending": 7, "degraded": ["initial_scan"], "n_unread": 2, "generation": 1}


class Answers(Client):
    """A daemon by what it answers to each route; an error is raised."""

    def __init__(self, **answers: Any) -> None:
        super().__init__("/nowhere")
        self.answers: Mapping[str, Any] = answers
        self.asked: list[Any] = []

    def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any:
        self.asked.append(body)
        route, _, audience = target.removeprefix("/v1/").partition("?")
        assert audience == "audience=assistant"
        answer = self.answers[route]
        if isinstance(answer, Exception):
            raise answer
        return answer


def called(daemon: Answers, tool: str, **arguments: Any) -> dict[str, Any]:
    result = Bridge(lambda: daemon, Fence("0a0b0c0d")).call(tool, arguments)
    assert len(json.dumps(result, ensure_ascii=False).encode()) <= MOST_BYTES
    return result


def place(c: str) -> dict[str, Any]:
    return {"store": c * 60, "source": c * 250, "path": f"{c * 250}/" * 16, "title": c * 9_000}


def hit(c: str, n: int) -> dict[str, Any]:
    part = {"id": f"id{n}", "heading": [c * 4_000] * 30, "lines": [1, 2]}
    return place(c) | part | {
        "text": c * 50_000, "score": 0.5, "modified": 0.0, "passages": [part] * 9, "copies": [place(c)] * 9,
        "uri": "obsidian://x", "file": "/home/x",
    }  # fmt: skip


@pytest.mark.parametrize("c", BAD)
def test_the_longest_hits_are_given_one_by_one(c: str) -> None:
    unknown = [{"kind": "tag", "name": c * 4_000, "nearest": c * 4_000}] * 50
    daemon = Answers(query={
        "hits": [hit(c, n) for n in range(6)], "unknown": unknown, "instead": {c * 999: c * 999}, "n_weak": 1, **BESIDE,
    })  # fmt: skip
    page = called(daemon, "search", query="x")["structuredContent"]
    assert page["hits"][0]["id"] == "id0"
    assert page["next"] == str(len(page["hits"]))
    assert "obsidian" not in json.dumps(page)


@pytest.mark.parametrize("c", BAD)
def test_the_longest_notes_links_lists_and_states_have_room(c: str) -> None:
    note = place(c)
    link = {"of": note, "to": note, "line": 3, "missing": True,
            "subpath": c * 9_000, "alias": c * 9_000, "heading": [c * 999] * 30,
            "embed": True, "target": c * 9_000}  # fmt: skip
    source = {"name": c * 999, "state": "ok"}
    store = {"name": c * 999, "notes": 1, "pending": 2, "sources": [source] * 99, "degraded": [c * 999] * 99,
             "trouble": {"message": c * 9_000, "hint": ""}}  # fmt: skip
    daemon = Answers(
        get={"note": note, "place": "", "id": "i", "heading": [c * 999] * 30, "lines": [1, 1], "n_lines": 1,
             "text": c * 90_000, "changed": True, "parts": [], "copies": [note] * 9, **BESIDE},
        links={"note": note, "out": [link] * 50, "back": [link] * 50, "unresolved": [link | {"to": None}], **BESIDE},
        recent={"notes": [{"note": note, "modified": 0.0}] * 90, "n_notes": 90, "unknown": [], **BESIDE},
        similar={"note": note, "hits": [{**hit(c, n), "note": note, "linked": ["out"]} for n in range(20)], **BESIDE},
        tags={"tags": [{"name": c * 999, "count": 1}] * 999, **BESIDE},
        properties={"properties": [{"name": c * 999, "count": 1, "types": {"text": 1}}] * 999, "values": [],
                    "n_notes": 9, **BESIDE},
        status={"stores": [store] * 99, "failed": [{"name": c * 999, "message": c * 999}] * 99, "pending": 3,
                "version": "1"},
    )  # fmt: skip
    for tool in ("get_note", "links", "related_notes"):
        assert "next" in called(daemon, tool, note="n")["structuredContent"]
    assert "next" in called(daemon, "recent_notes", limit=100)["structuredContent"]
    assert "next" in called(daemon, "tags_and_properties")["structuredContent"]
    state = called(daemon, "status")["structuredContent"]
    assert state["pending"] == 3
    assert (len(state["stores"]) + state["left_out"], state["stores"][0]["sources"]) == (99, 99)
    assert "incomplete" in called(daemon, "recent_notes")["structuredContent"]


@pytest.mark.parametrize("n", [5, 20, 25, 90])
def test_of_what_a_state_has_no_room_for_it_is_said_how_much_that_is(n: int) -> None:
    source = {"name": "s", "state": "ok"}
    store = {"name": "x" * 60, "notes": 1, "pending": 0, "sources": [source] * n, "degraded": []}
    daemon = Answers(
        status={"stores": [store] * n, "failed": [{"name": "f", "message": "m"}] * n, "pending": 0, "version": "1"}
    )
    said = called(daemon, "status")["structuredContent"]
    assert len(said["stores"]) + said.get("left_out", 0) == n
    assert len(said["failed"]) + said.get("failed_left_out", 0) == n
    for one in said["stores"]:
        named = one["sources"] if isinstance(one["sources"], int) else len(one["sources"])
        assert named + one.get("sources_left_out", 0) == n


def test_every_link_is_named_once_over_all_pages() -> None:
    note = place("x")
    link = {"of": note, "to": note, "subpath": "", "alias": "", "heading": [], "embed": False, "target": "t",
            "missing": False}  # fmt: skip
    sides = {side: [link | {"line": n, "to": None if side == "unresolved" else note} for n in range(40)]
             for side in ("out", "back", "unresolved")}  # fmt: skip
    daemon = Answers(links={"note": note, **sides, **BESIDE})
    found, cursor = list[tuple[str, int]](), None
    while True:
        page = called(daemon, "links", note="n", cursor=cursor)["structuredContent"]
        found += [(one["direction"], one["line"]) for one in page["links"]]
        if (cursor := page.get("next")) is None:
            break
    assert found == [(side, n) for side in ("out", "back", "unresolved") for n in range(40)]


def test_what_the_daemon_complains_of_is_told_and_so_is_how_to_start_it() -> None:
    daemon = Answers(query=Overloaded("too many\u202e queries", hint="try again\nin a moment"))
    result = called(daemon, "search", query="x")
    assert result["isError"]
    assert result["content"][0]["text"] == "too many queries (try again in a moment)"
    for error, said in (
        (NotRunning("nobody answers", hint="vragd run"), "vragd service install"),
        (NoDaemon("nobody answers", hint="ask as alice"), "(ask as alice)"),
    ):
        away = Answers(status=error)
        assert said in called(away, "status")["content"][0]["text"]


def test_a_daemon_that_went_away_is_looked_for_anew() -> None:
    ready = {"stores": [], "pending": 0, "version": "1"}
    daemons = iter([Answers(status=NotRunning("away", hint="vragd run")), Answers(status=ready)])
    bridge = Bridge(lambda: next(daemons), Fence("0a0b0c0d"))
    assert bridge.call("status", {})["isError"]
    assert not bridge.call("status", {})["isError"]
    assert not bridge.call("status", {})["isError"]


def test_only_routes_that_change_nothing_are_asked() -> None:
    daemon = Answers(**{name: NoDaemon("x") for name in ("query", "get", "similar", "links", "recent", "tags",
                                                         "properties", "status")})  # fmt: skip
    for tool in Bridge(lambda: daemon, Fence("0a0b0c0d")).listed():
        needs = dict.fromkeys(tool["inputSchema"].get("required", ()), "x")
        assert called(daemon, tool["name"], **needs)["isError"]  # another route would be no key of the answers
    assert len(daemon.asked) == 7


def test_the_copies_of_a_related_note_are_named_as_those_of_a_hit() -> None:
    copies = [{"source": "Vault", "path": f"{n}.md"} for n in range(3)]
    one = {**hit("x", 0), "note": hit("x", 0), "linked": [], "copies": copies}
    daemon = Answers(similar={"hits": [one], **BESIDE}, query={"hits": [one], **BESIDE})
    for tool, asked in (("related_notes", {"note": "x"}), ("search", {"query": "x"})):
        (found,) = called(daemon, tool, **asked)["structuredContent"]["hits"]
        assert found["same_in"] == ["Vault/0.md", "Vault/1.md"]


@pytest.mark.parametrize("lacking", ["title", "path", "heading", "lines", "score"])
def test_what_a_daemon_of_before_does_not_say_of_a_related_note_is_said_to_be_that(lacking: str) -> None:
    one = {key: value for key, value in hit("x", 0).items() if key != lacking} | {"linked": [], "note": {}}
    answer = json.loads(json.dumps({"hits": [one], **BESIDE}), object_hook=Answered)
    result = called(Answers(similar=answer), "related_notes", note="x")
    assert result["isError"]
    assert f"lacks '{lacking}'" in result["content"][0]["text"]
    assert "vragd restart" in result["content"][0]["text"]
