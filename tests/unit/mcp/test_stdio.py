"""Messages as lines: beside the calls that run, and however they come to an end."""

from __future__ import annotations

import json
import os
import threading
import time

from tests.harness import until
from tests.unit.mcp.speaking import initialize, line, request, stateless
from vragd.mcp.stdio import MOST_BYTES


def cancelled(id_: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id_}}


def test_what_takes_no_time_is_answered_beside_calls_that_run() -> None:
    go = threading.Event()
    with line(slow=lambda: go.wait(30)) as client:
        client.send(initialize(), stateless("tools/call", "slow", name="slow"), request("ping", 2))
        assert [client.get()["id"], client.get()["id"]] == [0, 2]
        go.set()
        assert client.get()["id"] == "slow"


def test_calls_run_beside_each_other_and_each_is_answered_under_its_own_id() -> None:
    together = threading.Barrier(8)
    with line(meet=lambda: together.wait(30)) as client:
        client.send(*(stateless("tools/call", n, name="meet") for n in range(8)))
        assert {client.get()["id"] for _ in range(8)} == set(range(8))


def test_nothing_is_sent_for_what_was_cancelled() -> None:
    go = threading.Event()
    with line(slow=lambda: go.wait(30)) as client:
        client.send(initialize(), stateless("tools/call", 5, name="slow"), cancelled(5), request("ping", 6))
        assert [client.get()["id"], client.get()["id"]] == [0, 6]
        go.set()
        assert client.rest() == []


def test_what_was_cancelled_before_it_ran_is_not_run() -> None:
    go, ran = threading.Event(), list[int]()
    with line(slow=lambda: go.wait(30), count=lambda: ran.append(1)) as client:
        client.send(*(stateless("tools/call", n, name="slow") for n in range(8)))
        client.send(stateless("tools/call", "late", name="count"), cancelled("late"), stateless("tools/list", "list"))
        assert client.get()["id"] == "list"
        go.set()
        assert {client.get()["id"] for _ in range(8)} == set(range(8))
        assert client.rest() == []
    assert ran == []


def test_a_batch_is_answered_by_one_line_without_what_was_cancelled() -> None:
    go = threading.Event()
    with line(slow=lambda: go.wait(30)) as client:
        client.send(initialize("2025-03-26"))
        assert client.get()["id"] == 0
        calls = [request("tools/call", n, name="slow") for n in (1, 2)]
        client.send([*calls, request("ping", 3), {"jsonrpc": "2.0", "method": "x"}], cancelled(1), request("ping", 4))
        assert client.get()["id"] == 4
        go.set()
        assert {one["id"] for one in client.get()} == {2, 3}
        client.send([request("tools/call", 7, name="slow"), {"jsonrpc": "2.0", "method": "x"}])
        assert [one["id"] for one in client.get()] == [7]


def test_lines_come_in_pieces_with_other_ends_and_without_one() -> None:
    with line() as client:
        first = json.dumps(stateless("tools/list", 1)).encode()
        client.send_raw(b"\xef\xbb\xbf" + first[:20])
        client.send_raw(first[20:] + b"\r\n\n  \n" + json.dumps(stateless("tools/list", 2)).encode())
        assert client.get()["id"] == 1
        assert [one["id"] for one in client.rest()] == [2]


def test_what_is_no_json_is_told_and_the_next_line_is_read() -> None:
    with line() as client:
        for bad in (b"{", b"\xff\xfe{}", b"[" * 100_000, b'{"a": NaN}', b"1" * 5_000, b"\x00"):
            client.send_raw(bad + b"\n")
            got = client.get()
            assert (got["id"], got["error"]["code"]) == (None, -32700), bad[:10]
        client.send(stateless("tools/list", 9))
        assert client.get()["id"] == 9


def test_ten_megabytes_are_read_and_what_is_too_long_is_dropped() -> None:
    with line(ask=lambda: 1) as client:
        client.send(stateless("tools/call", 1, name="ask", arguments={"q": "x" * 10_000_000}))
        assert len(client.get()["result"]["arguments"]["q"]) == 10_000_000
        client.send_raw(b"[" + b" " * (MOST_BYTES + 100_000) + b"]\n")
        assert client.get()["error"]["code"] == -32700
        client.send(stateless("tools/list", 2))
        assert client.get()["id"] == 2


def test_the_end_of_the_input_ends_it_at_once_though_a_call_runs() -> None:
    go = threading.Event()
    with line(slow=lambda: go.wait(30)) as client:
        client.send(stateless("tools/call", 1, name="slow"), stateless("tools/list", 2))
        assert client.get()["id"] == 2
        ended = time.monotonic()
        client.end()
        assert client.is_over(5)
        assert time.monotonic() - ended < 1
        go.set()


def test_what_is_answered_soon_is_still_sent_when_the_input_has_ended() -> None:
    with line(ask=lambda: 1) as client:
        client.send(*(stateless("tools/call", n, name="ask") for n in range(20)))
        assert {one["id"] for one in client.rest()} == set(range(20))


def test_it_ends_when_nobody_reads_its_answers() -> None:
    with line() as client:
        kept = os.open(os.devnull, os.O_RDONLY)
        os.dup2(kept, client.receiving)  # the pipe has no reader now
        os.close(kept)
        client.send(stateless("tools/list", 1))
        until(lambda: client.is_over(0), "the bridge to end")


def test_a_client_that_does_not_read_holds_up_no_end() -> None:
    with line(much=lambda: "x" * 1_000_000) as client:
        client.send(*(stateless("tools/call", n, name="much") for n in range(4)))
        client.end()
        assert client.is_over(5)


def test_a_client_that_sends_without_measure_waits_and_is_answered() -> None:
    with line(ask=lambda: 1) as client:
        sender = threading.Thread(
            target=lambda: client.send(*(stateless("tools/call", n, name="ask") for n in range(3_000)))
        )
        sender.start()
        assert {client.get()["id"] for _ in range(3_000)} == set(range(3_000))
        sender.join()


def test_what_is_no_unicode_is_sent_as_some() -> None:
    with line(ask=lambda: "a\ud800b\u2028") as client:
        client.send(stateless("tools/call", "\ud800", name="ask"))
        assert client.get()["result"]["said"] == "a?b\u2028"
