"""Verification of the stores that run: what `store.verify` finds, put right. On the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from vragd.errors import Overloaded
from vragd.store.verify import Problem, compare_backend, compare_vault, mend_backend
from vragd.stores.indexer import Indexer
from vragd.stores.stores import Stores
from vragd.stores.watched import Keeper
from vragd.system.lanes import Lane

log = structlog.get_logger()

SETTLES_IN_S = 10.0
MENDED_IN_S = 600.0
HANGS_S = 30.0
LOOK_S = 1.0


async def verify(
    stores: Stores, names: Sequence[str], *, repair: bool, hangs_s: float = HANGS_S
) -> dict[str, Any]:  # fmt: skip
    """
    Compare vault, catalog and backend of each store; with `repair` mend, and compare again.

    A source whose file system has not answered for `hangs_s` is named, and waited for no longer.
    """
    results = []
    for indexer in stores.chosen(names):
        if indexer.verifying.locked():
            raise Overloaded(f"store {indexer.store.name!r} is being verified", hint="wait until that has ended")
        async with indexer.verifying:
            problems = await _problems(indexer, hangs_s)
            n_mended = 0
            if repair and problems:
                await _mend(indexer, problems)
                left = await _problems(indexer, hangs_s)
                n_mended, problems = max(0, len(problems) - len(left)), left
        results.append({"store": indexer.store.name, "problems": problems, "n_mended": n_mended})
    return {"stores": results, "ok": not any(result["problems"] for result in results)}


async def _problems(indexer: Indexer, hangs_s: float) -> list[Problem]:
    await indexer.heartbeat(SETTLES_IN_S)  # a process that just began has yet to connect its sources
    await indexer.settled(indexer.dirty.ticket(), SETTLES_IN_S)
    problems: list[Problem] = []
    for keeper in indexer.keepers.values():
        problems += await _vault_problems(indexer, keeper, hangs_s)
    return problems + await indexer.writer.run(compare_backend, indexer.store)


async def _vault_problems(indexer: Indexer, keeper: Keeper, hangs_s: float) -> list[Problem]:
    """Of one source: on a thread of its own, so that one that hangs holds up neither questions nor scans."""
    source = keeper.source
    if keeper.hangs:
        return [_silent(source.label)]
    pending = frozenset(path for source_id, path in indexer.dirty.pending_paths() if source_id == source.id)
    lane = Lane(f"verify-{indexer.store.name}-{source.id}", only_reads=True)
    look = asyncio.ensure_future(lane.run(compare_vault, indexer.store, source, pending))
    try:
        while not look.done():
            await asyncio.wait({look}, timeout=min(LOOK_S, hangs_s))
            if not look.done() and lane.silent_s() > hangs_s:
                return [_silent(source.label)]
        return look.result()
    finally:
        look.cancel()
        lane.close()


def _silent(label: str) -> Problem:
    return Problem("not_checked", label, detail="its file system does not answer")


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
