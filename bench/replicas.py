"""
One-chunk saves into a store with a replica that accepts connections and never answers, beside a store without one.

What is timed is `sync` of the note until it is searchable: the settling of a hint is left out, embedding is looked up.
The two take turns, save by save, so that what else the machine does meets both.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from bench.common import percentiles
from bench.homes import MODEL, Home, filled, ollama, url_of
from bench.save import WARM, note_text
from vragd.config.load import Loaded
from vragd.config.settings import Config, StoreSettings
from vragd.stores.stores import Stores

ROUNDS = 200


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    n_chunks = max(args.chunks or [10_000])
    with filled("ollama", args.dim, n_chunks) as home, ollama(args.dim, home.bank) as fake, _silent() as port:
        other = Home(home.path.with_name("other"), home.kind, home.dim, home.chunks)
        shutil.copytree(home.path, other.path)
        replica = {"type": "opensearch", "url": f"http://127.0.0.1:{port}", "timeout_s": 30, "query_timeout_s": 30}
        alone, beside, silent_s = asyncio.run(
            _measured(_loaded(home, url_of(fake), {}), _loaded(other, url_of(fake), {"silent": replica}))
        )
    ratios = {name: round(beside[name] / alone[name], 3) for name in alone}
    return {"chunks": n_chunks, "dim": args.dim, "rounds": ROUNDS}, {
        "alone": alone, "beside_one_that_never_answers": beside, "ratio": ratios, "replica_silent_s": silent_s,
    }  # fmt: skip


@contextmanager
def _silent() -> Iterator[int]:
    """The port of a server that takes every connection, and says nothing."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            with suppress(OSError):
                while True:
                    taken.append(server.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        yield int(server.getsockname()[1])
        for one in taken:
            one.close()


def _loaded(home: Home, url: str, replicas: dict[str, Any]) -> Loaded:
    store = StoreSettings.model_validate(
        {
            "sources": [{"path": str(home.vault)}],
            "embedder": {"type": "ollama", "model": MODEL, "url": url},
            "replicas": replicas,
        }
    )
    return Loaded(Config(stores={"notes": store}), None, home.path / "data", home.path / "s")


async def _measured(*both: Loaded) -> tuple[dict[str, float], dict[str, float], float]:
    stores = [Stores(loaded, watch=False) for loaded in both]
    times: list[list[float]] = [[], []]
    try:
        for one in stores:
            await one.start()
            assert await one.settled(await one.sync([], None), 600), "the store to be indexed"
        for i in range(-WARM, ROUNDS):
            for which in (0, 1) if i % 2 else (1, 0):
                took = await _save(stores[which], i)
                if i >= 0:
                    times[which].append(took)
        (fed,) = stores[1].indexer("notes").feeding.fed
        silent_s = round(fed.lane.silent_s(), 1)
        assert silent_s > 0 or fed.trouble is not None, "the replica is to be one that does not answer"
    finally:
        for one in stores:
            await one.stop()
    return percentiles(times[0]), percentiles(times[1]), silent_s


async def _save(stores: Stores, i: int) -> float:
    (source,) = stores.indexer("notes").store.sources.values()
    note = source.path / "note.md"
    note.write_text(note_text(i))
    started = time.perf_counter()
    assert await stores.settled(await stores.sync([], str(note)), 60), "the save"
    return time.perf_counter() - started
