"""Verification of the stores that run: what `store.verify` finds, put right. On the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from vragd.store.verify import Problem, compare_backend, compare_vault, mend_backend
from vragd.stores.indexer import Indexer
from vragd.stores.stores import Stores

log = structlog.get_logger()

SETTLES_IN_S = 10.0
MENDED_IN_S = 600.0


async def verify(stores: Stores, names: Sequence[str], *, repair: bool) -> dict[str, Any]:
    """Compare vault, catalog and backend of each store; with `repair` mend, and compare again."""
    results = []
    for indexer in stores.chosen(names):
        problems = await _problems(stores, indexer)
        n_mended = 0
        if repair and problems:
            await _mend(indexer, problems)
            left = await _problems(stores, indexer)
            n_mended, problems = max(0, len(problems) - len(left)), left
        results.append({"store": indexer.store.name, "problems": problems, "n_mended": n_mended})
    return {"stores": results, "ok": not any(result["problems"] for result in results)}


async def _problems(stores: Stores, indexer: Indexer) -> list[Problem]:
    await indexer.heartbeat()  # a process that just began has yet to connect its sources
    await indexer.settled(indexer.dirty.ticket(), SETTLES_IN_S)
    problems: list[Problem] = []
    for source in indexer.store.sources.values():
        pending = frozenset(path for source_id, path in indexer.dirty.pending_paths() if source_id == source.id)
        problems += await stores.readers.run(compare_vault, indexer.store, source, pending)
    return problems + await indexer.writer.run(compare_backend, indexer.store)


async def _mend(indexer: Indexer, problems: list[Problem]) -> None:
    log.warning("verify.mending_started", store=indexer.store.name, n_problems=len(problems))
    await indexer.writer.run(mend_backend, indexer.store, problems)
    if indexer.store.damage is not None:
        indexer.beat()
        await indexer.settled(indexer.dirty.ticket(), MENDED_IN_S)  # replaced then; the scans that follow come later
    await indexer.retry_failed()
    by_label = {source.label: source.id for source in indexer.store.sources.values()}
    # not as hints: too many of those become a scan, which trusts the stamps that are in doubt here
    indexer.dirty.add((by_label[problem.source], problem.path) for problem in problems if problem.path)
    await indexer.settled(indexer.dirty.ticket(), MENDED_IN_S)
