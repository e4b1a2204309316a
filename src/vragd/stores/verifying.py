"""Verification of the stores that run: what `store.verify` finds, put right. On the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from vragd.errors import Overloaded, VragdError
from vragd.store.verify import Problem, backend_steps, compare_replica, compare_vault, mend_backend, mend_replica
from vragd.stores.feeding import Fed
from vragd.stores.indexer import Indexer
from vragd.stores.stores import Stores
from vragd.stores.watched import Keeper
from vragd.system.lanes import Lane
from vragd.system.log import error_fields

log = structlog.get_logger()

SETTLES_IN_S = 10.0
MENDED_IN_S = 600.0
HANGS_S = 30.0


async def verify(
    stores: Stores, names: Sequence[str], *, repair: bool, hangs_s: float = HANGS_S
) -> dict[str, Any]:  # fmt: skip
    """
    Compare vault, catalog, backend and replicas of each store; with `repair` mend, and compare again. Of all stores,
    those that could not be opened are a problem, too.

    A source whose file system has not answered for `hangs_s` is named, and so is a replica; neither is waited for.
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
        kept = [str(file) for one in indexer.store.settings.backends for file in one.kept_files()]
        results.append({"store": indexer.store.name, "problems": problems, "n_mended": n_mended, "kept": kept})
    if not names:
        for name, error in stores.failed.items():
            results.append({"store": name, "problems": [_unopened(error)], "n_mended": 0, "kept": []})
    return {"stores": results, "ok": not any(result["problems"] for result in results)}


def _unopened(error: VragdError) -> Problem:
    return Problem("not_checked", detail=f"the store could not be opened: {error.in_one_line}")


async def _problems(indexer: Indexer, hangs_s: float) -> list[Problem]:
    await indexer.heartbeat(SETTLES_IN_S)  # a process that just began has yet to connect its sources
    await indexer.settled(indexer.dirty.ticket(), SETTLES_IN_S)
    problems: list[Problem] = []
    for keeper in indexer.keepers.values():
        problems += await _vault_problems(indexer, keeper, hangs_s)
    steps = backend_steps(indexer.store)
    while (found := await indexer.writer.run(next, steps, None)) is not None:
        problems += found
    for fed in indexer.feeding.fed:
        problems += await _replica_problems(indexer, fed, hangs_s)
    return problems


async def _replica_problems(indexer: Indexer, fed: Fed, hangs_s: float) -> list[Problem]:
    """Of one replica: on its own lane, which may hang with it, and then holds up nobody."""
    if (told := indexer.feeding.told) is None or not told.space.has_vectors:
        return []
    late = indexer.feeding.late_after(SETTLES_IN_S)
    arguments = fed.replica, told, indexer.feeding.on_writer, late
    try:
        return await fed.lane.run_unless_silent(hangs_s, compare_replica, *arguments)
    except TimeoutError:
        return [Problem("not_checked", detail="it does not answer", replica=fed.replica.name)]


async def _vault_problems(indexer: Indexer, keeper: Keeper, hangs_s: float) -> list[Problem]:
    """Of one source: on a thread of its own, so that one that hangs holds up neither questions nor scans."""
    source = keeper.source
    if keeper.hangs:
        return [_silent(source.label)]
    pending = frozenset(path for source_id, path in indexer.dirty.pending_paths() if source_id == source.id)
    lane = Lane(f"verify-{indexer.store.name}-{source.id}", only_reads=True)
    try:
        return await lane.run_unless_silent(hangs_s, compare_vault, indexer.store, source, pending)
    except TimeoutError:
        return [_silent(source.label)]
    finally:
        lane.close()


def _silent(label: str) -> Problem:
    return Problem("not_checked", label, detail="its file system does not answer")


async def _mend(indexer: Indexer, problems: list[Problem]) -> None:
    log.warning("verify.mending_started", store=indexer.store.name, n_problems=len(problems))
    await indexer.writer.run(mend_backend, indexer.store, problems)
    if indexer.store.damage is not None:
        indexer.beat()
        await indexer.settled(indexer.dirty.ticket(), MENDED_IN_S)  # replaced then; the scans that follow come later
    await _mend_replicas(indexer, problems)
    await indexer.retry_failed()
    by_label = {source.label: source.id for source in indexer.store.sources.values()}
    # not as hints: too many of those become a scan, which trusts the stamps that are in doubt here
    indexer.dirty.add((by_label[problem.source], problem.path) for problem in problems if problem.path)
    await indexer.settled(indexer.dirty.ticket(), MENDED_IN_S)


async def _mend_replicas(indexer: Indexer, problems: Sequence[Problem]) -> None:
    feeding = indexer.feeding
    for fed in feeding.fed:
        its = [problem for problem in problems if problem.replica == fed.replica.name]
        if not its or (told := feeding.told) is None or fed.lane.silent_s() > SETTLES_IN_S:
            continue
        arguments = fed.replica, told, feeding.on_writer, feeding.late_after(MENDED_IN_S), its
        try:
            await fed.lane.run_unless_silent(HANGS_S, mend_replica, *arguments)
        except (VragdError, TimeoutError) as error:  # what is left is said when all is compared again
            log.warning("verify.replica_not_mended", replica=fed.replica.name, **error_fields(error))
