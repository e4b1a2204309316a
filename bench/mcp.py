"""
`vragd mcp` beside a daemon that is warm: from the start of the process to the first answer, a search by the tool beside
the same by the socket, and what the process has in memory after them.

Who starts a bridge starts an interpreter; its files are in the system's page cache.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

from bench.common import memory_mib, percentiles
from bench.homes import daemon, filled, ollama
from bench.text import questions
from tests.harness import Vragd, until

SIZES = (100_000,)
INDEX_S = 3600.0
STARTS, SEARCHES = 10, 100
LIMIT = 5  # hits; the bridge asks for one more, to know whether there are others


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes = sorted(args.chunks or SIZES)
    figures = [_at_size(args.dim, size, args.per_note) for size in sizes]
    return {"chunks": sizes, "per_note": args.per_note, "dim": args.dim, "starts": STARTS, "searches": SEARCHES}, {
        "stores": figures
    }


def _at_size(dim: int, n_chunks: int, per_note: int) -> dict[str, Any]:
    with (
        filled("ollama", dim, n_chunks, per_note) as home,
        ollama(home.dim, home.bank) as fake,
        daemon(home, fake) as vragd,
    ):
        vragd.start(idle=False)
        until(lambda: not vragd.status()["pending"] and not vragd.status()["degraded"], "the index to stand", INDEX_S)
        asked = [questions()[n % len(questions())] for n in range(SEARCHES)]
        for text in asked:  # nothing is measured cold but the bridge
            _by_socket(vragd, text)
        firsts = []
        for _ in range(STARTS):
            started = time.perf_counter()
            with Bridge(vragd) as bridge:
                bridge.search(asked[0])
                firsts.append(time.perf_counter() - started)
        with Bridge(vragd) as bridge:
            pairs = [(_by_socket(vragd, text), bridge.search(text)) for text in asked]
            memory = memory_mib(bridge.pid)
    return {
        "chunks": n_chunks,
        "first_call": percentiles(firsts),
        "socket": percentiles([socket for socket, _ in pairs]),
        "tool": percentiles([tool for _, tool in pairs]),
        "tool_over_socket_ms": round(statistics.median(tool - socket for socket, tool in pairs) * 1000, 1),
        "memory": memory,
    }


def _by_socket(vragd: Vragd, text: str) -> float:
    asked = {"text": text, "where": "", "top_k": LIMIT + 1}
    started = time.perf_counter()
    vragd.client.request("POST", "/v1/query?audience=assistant", asked)
    return time.perf_counter() - started


class Bridge:
    """A bridge that runs, until the end of its input."""

    def __init__(self, vragd: Vragd) -> None:
        command = [sys.executable, "-m", "vragd", "mcp"]
        self._process = subprocess.Popen(command, env=vragd.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._n = 0
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        self._ask("initialize", hello)

    @property
    def pid(self) -> int:
        return self._process.pid

    def search(self, text: str) -> float:
        """The seconds it took."""
        started = time.perf_counter()
        result = self._ask("tools/call", {"name": "search", "arguments": {"query": text, "limit": LIMIT}})
        took = time.perf_counter() - started
        assert not result["isError"], result
        return took

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._n += 1
        sent = {"jsonrpc": "2.0", "id": self._n, "method": method, "params": params}
        self._process.stdin.write(json.dumps(sent).encode() + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return dict(answer["result"])

    def __enter__(self) -> Bridge:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)
