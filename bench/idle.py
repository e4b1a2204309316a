"""
What an idle daemon costs: CPU time, and how often it wakes, over a minute; `--watched`: while a client follows its
events and its metrics are read every 15 s.

The naive design has nothing that runs, and so nothing that notices: there is no ratio here.
"""

from __future__ import annotations

import argparse
import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from bench.common import cpu_s, memory_mib, wakeups
from bench.homes import daemon, filled
from tests.harness import Vragd, until

SETTLE_S, READ_S, INDEX_S = 5.0, 15.0, 3600.0


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    n_chunks = max(args.chunks or [10_000])
    with filled("builtin", 384, n_chunks, args.per_note) as home, daemon(home) as vragd, ExitStack() as stack:
        vragd.start(idle=False)
        until(lambda: not vragd.status()["pending"] and not vragd.status()["degraded"], "the index to stand", INDEX_S)
        vragd.query("something")
        looked = stack.enter_context(_looking_on(vragd)) if args.watched else []
        time.sleep(SETTLE_S)
        assert vragd.process is not None
        pid = vragd.process.pid
        used, woken = cpu_s(pid), wakeups(pid)
        time.sleep(args.seconds)
        used, after = cpu_s(pid) - used, wakeups(pid)
        n_woken = sum(count - woken.get(thread, 0) for thread, count in after.items())
        params = {"chunks": n_chunks, "per_note": args.per_note, "seconds": args.seconds, "watched": args.watched}
        return params, {
            "cpu_percent": round(used * 100 / args.seconds, 4),
            "metrics_read": len(looked),
            "cpu_ms_per_minute": round(used * 1000 * 60 / args.seconds, 1),
            "wakeups_per_minute": round(n_woken * 60 / args.seconds, 1),
            "threads": len(after),
            "memory": memory_mib(pid),
        }


@contextmanager
def _looking_on(vragd: Vragd) -> Iterator[list[int]]:
    """Somebody who follows the events and reads the metrics; the size of each that was read."""
    ended, sizes = threading.Event(), list[int]()

    def read() -> None:
        while not ended.wait(READ_S):
            with vragd.client.connected() as connection:
                asked = http.client.HTTPConnection("x")
                asked.sock = connection
                asked.request("GET", "/metrics")
                sizes.append(len(asked.getresponse().read()))

    with vragd.client.connected() as stream, stream.makefile("rb") as told:
        stream.sendall(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
        assert told.readline().startswith(b"HTTP/1.1 200")
        reading = threading.Thread(target=read)
        reading.start()
        try:
            yield sizes
        finally:
            ended.set()
            reading.join()
