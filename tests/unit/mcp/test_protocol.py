"""What a message is answered, in both eras of the protocol."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.mcp.speaking import META, Doing, Holding, Message, initialize, request, stateless
from vragd.mcp.prompts import NAME, PROMPTS, got
from vragd.mcp.protocol import Peer
from vragd.mcp.versions import CAPABILITIES, HANDSHAKE, SERVER, SPOKEN, VERSION


def said() -> str:
    return "yes"


def peer() -> Peer:
    return Peer(Doing(ask=said), Holding(), "1.2")


def answered(to: Peer, message: object) -> Message:
    """The one response to a message."""
    answer = to.receive(message)
    found = answer.ready + [call.run() for call in answer.calls]
    for call in answer.calls:
        to.is_done(call)
    (one,) = found
    return one


def refused(to: Peer, message: object) -> int:
    code: int = answered(to, message)["error"]["code"]
    return code


@pytest.mark.parametrize("version", HANDSHAKE)
def test_each_revision_with_a_handshake_is_agreed_upon(version: str) -> None:
    bridge = peer()
    result = answered(bridge, initialize(version))["result"]
    assert result["protocolVersion"] == version
    assert result["serverInfo"] == {"name": "vragd", "title": "vragd", "version": "1.2"}
    assert result["capabilities"] == {"tools": {}, "resources": {}, "prompts": {}}
    assert result["instructions"] == "ask"
    assert not bridge.receive({"jsonrpc": "2.0", "method": "notifications/initialized"}).ready
    assert answered(bridge, request("ping"))["result"] == {}
    assert answered(bridge, request("tools/list"))["result"] == {"tools": [{"name": "ask"}]}
    called = answered(bridge, request("tools/call", name="ask", arguments={"a": 1}))["result"]
    assert called == {"content": [], "said": "yes", "arguments": {"a": 1}}


@pytest.mark.parametrize("version", ["2026-07-28", "2030-01-01", "zzz"])
def test_a_handshake_for_another_revision_ends_with_the_latest_that_has_one(version: str) -> None:
    assert answered(peer(), initialize(version))["result"]["protocolVersion"] == "2025-11-25"


def test_the_stateless_revision_needs_no_handshake() -> None:
    bridge = peer()
    found = answered(bridge, stateless("server/discover"))["result"]
    assert found["supportedVersions"] == list(SPOKEN)
    assert (found["resultType"], found["cacheScope"]) == ("complete", "private")
    assert found["ttlMs"] > 0
    assert found["_meta"][SERVER]["name"] == "vragd"
    listed = answered(bridge, stateless("tools/list"))["result"]
    assert (listed["resultType"], listed["tools"]) == ("complete", [{"name": "ask"}])
    assert {"ttlMs", "cacheScope"} <= set(listed)
    called = answered(bridge, stateless("tools/call", name="ask"))["result"]
    assert (called["resultType"], called["arguments"]) == ("complete", {})
    assert SERVER in called["_meta"]
    assert "ttlMs" not in called


def test_both_eras_may_take_turns_on_one_connection() -> None:
    bridge = peer()
    answered(bridge, stateless("tools/list"))
    answered(bridge, initialize("2024-11-05"))
    assert "resultType" not in answered(bridge, request("tools/list"))["result"]
    assert "resultType" in answered(bridge, stateless("tools/list"))["result"]


@pytest.mark.parametrize(
    ("meta", "code"),
    [
        ({VERSION: "2026-07-28"}, -32602),
        ({VERSION: "2026-07-28", CAPABILITIES: []}, -32602),
        ({VERSION: 7, CAPABILITIES: {}}, -32602),
        ({CAPABILITIES: {}}, -32602),
        ({VERSION: "2027-01-01", CAPABILITIES: {}}, -32022),
        ({VERSION: "2025-11-25", CAPABILITIES: {}}, -32022),
    ],
)
def test_a_request_that_does_not_say_its_revision_rightly_is_refused(meta: Message, code: int) -> None:
    error = answered(peer(), request("tools/list", _meta=meta))["error"]
    assert error["code"] == code
    if code == -32022:
        assert error["data"] == {"supported": list(SPOKEN), "requested": meta[VERSION]}


def test_before_a_handshake_only_ping_is_answered() -> None:
    assert answered(peer(), request("ping"))["result"] == {}
    assert answered(peer(), request("ping") | {"params": None})["result"] == {}
    for method in ("tools/list", "tools/call", "server/discover", "ping/x"):
        assert refused(peer(), request(method)) == -32602


def test_ping_is_no_method_of_the_stateless_revision() -> None:
    assert refused(peer(), stateless("ping")) == -32601


@pytest.mark.parametrize(
    "method", ["resources/subscribe", "prompts/got", "logging/setLevel", "completion/complete", "x", ""]
)
def test_an_unknown_method_is_told(method: str) -> None:
    bridge = peer()
    answered(bridge, initialize())
    assert refused(bridge, request(method)) == -32601
    assert refused(bridge, stateless(method)) == -32601


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (7, -32600),
        ("x", -32600),
        (None, -32600),
        ({}, -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": 1}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": 5}, -32600),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": [], "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "initialize"}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": 3}}, -32602),
    ],
)
def test_what_is_no_request_is_refused(message: object, code: int) -> None:
    assert refused(peer(), message) == code


def test_a_tool_that_there_is_not_is_an_error_of_the_protocol() -> None:
    for params in ({"name": "delete"}, {"name": 3}, {}):
        assert refused(peer(), stateless("tools/call", **params)) == -32602


@pytest.mark.parametrize("method", ["tools/list", "prompts/list", "resources/templates/list", "resources/list"])
def test_a_page_that_there_is_not_is_refused(method: str) -> None:
    assert refused(peer(), stateless(method, cursor=2)) == -32602


def test_resources_and_prompts_are_of_both_eras_and_what_may_change_is_kept_for_no_time() -> None:
    bridge = peer()
    answered(bridge, initialize())
    for method, params, gives, kept_ms in [
        ("resources/templates/list", {}, {"resourceTemplates": Holding.templates}, 300_000),
        ("resources/list", {"cursor": "5"}, {"resources": [{"uri": "x:1", "name": "1"}], "nextCursor": "5"}, 0),
        ("resources/read", {"uri": "x:1"}, {"contents": [{"uri": "x:1", "text": "one"}]}, 0),
        ("prompts/list", {}, {"prompts": PROMPTS}, 300_000),
        ("prompts/get", {"name": NAME, "arguments": {"question": "who?"}}, got(NAME, {"question": "who?"}), None),
    ]:
        assert answered(bridge, request(method, **params))["result"] == gives
        result = answered(bridge, stateless(method, **params))["result"]
        assert gives.items() <= result.items()
        assert (result["resultType"], result.get("ttlMs")) == ("complete", kept_ms)
        assert result.get("cacheScope") == (None if kept_ms is None else "private")


def test_what_is_read_is_work_that_can_be_cancelled_and_what_there_is_not_is_its_error() -> None:
    bridge = peer()
    (call,) = bridge.receive(stateless("resources/read", 4, uri="x:2")).calls
    bridge.receive({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 4}})
    assert call.is_cancelled
    assert call.run()["error"] == {"code": -32602, "message": "no x:2"}
    for uri in ({}, {"uri": 3}):
        assert refused(bridge, stateless("resources/read", **uri)) == -32602


def test_the_prompt_says_what_to_do_and_ends_with_the_question() -> None:
    result = answered(peer(), stateless("prompts/get", name=NAME, arguments={"question": "Where is tea?"}))["result"]
    (message,) = result["messages"]
    assert (message["role"], message["content"]["type"]) == ("user", "text")
    text = message["content"]["text"]
    assert text.endswith("\nQuestion: Where is tea?")
    assert {"search", "get_note", "related_notes"} <= set(re.findall(r"\w+", text))
    for params in ({}, {"name": "x", "arguments": {"question": "y"}}, {"name": NAME},
                   *({"name": NAME, "arguments": bad} for bad in ([], {}, {"question": 1}, {"question": " "},
                     {"question": "x" * 8_193}, {"question": "x", "more": "y"}))):  # fmt: skip
        assert refused(peer(), stateless("prompts/get", **params)) == -32602


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": ""}},
        {"jsonrpc": "2.0", "method": "notifications/unheard_of"},
        {"jsonrpc": "2.0", "method": "notifications/cancelled"},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": [1]}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": []},
        {"jsonrpc": "2.0", "method": "tools/list"},
    ],
)
def test_answers_and_notifications_are_answered_by_nothing(message: Message) -> None:
    answer = peer().receive(message)
    assert (answer.ready, answer.calls) == ([], [])


def test_a_batch_is_of_one_revision_only() -> None:
    both: list[Any] = [request("ping", 1), request("tools/list", "b"), {"jsonrpc": "2.0", "method": "notifications/x"}]
    bridge = peer()
    answered(bridge, initialize("2025-03-26"))
    answer = bridge.receive(both)
    assert answer.together
    assert [one["id"] for one in answer.ready] == [1, "b"]
    for version in HANDSHAKE:
        if version != "2025-03-26":
            answered(bridge, initialize(version))
            assert refused(bridge, both) == -32600
    assert refused(peer(), both) == -32600


def test_a_batch_of_nothing_or_without_measure_is_refused_and_a_handshake_in_one_too() -> None:
    bridge = peer()
    answered(bridge, initialize("2025-03-26"))
    assert refused(bridge, []) == -32600
    assert refused(bridge, [request("ping")] * 101) == -32600
    (one,) = bridge.receive([initialize()]).ready
    assert (one["id"], one["error"]["code"]) == (0, -32600)
    assert [one["error"]["code"] for one in bridge.receive([1, []]).ready] == [-32600, -32600]


def test_an_id_is_free_again_when_it_was_answered() -> None:
    bridge = peer()
    answer = bridge.receive(stateless("tools/call", name="ask"))
    assert refused(bridge, stateless("tools/list")) == -32600
    assert answered(bridge, stateless("tools/list", "1"))["id"] == "1"  # the text is another id than the number
    bridge.is_done(*answer.calls)
    assert answered(bridge, stateless("tools/list"))["id"] == 1


def test_a_call_is_cancelled_by_its_very_id() -> None:
    bridge = peer()
    (one,) = bridge.receive(stateless("tools/call", 1, name="ask")).calls
    for id_ in ("1", 2, True):
        bridge.receive({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id_}})
        assert not one.is_cancelled
    bridge.receive({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "_meta": META}})
    assert one.is_cancelled


def test_an_error_of_ours_is_told_without_its_words() -> None:
    def fails() -> None:
        raise RuntimeError("/home/alice/secret")

    (call,) = Peer(Doing(ask=fails), Holding(), "1").receive(stateless("tools/call", name="ask")).calls
    error = call.run()["error"]
    assert (error["code"], "secret" in error["message"]) == (-32603, False)
