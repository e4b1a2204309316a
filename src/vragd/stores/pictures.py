"""
Pictures of the stores that run. What is read of a catalog works aside, what lays out vectors is a process of its own:
one at a time, begun when somebody asks, ended with the stores.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import structlog

from vragd.errors import VragdError
from vragd.search.picture.asked import Layout
from vragd.search.picture.picture import Picture, Wanted, picture
from vragd.search.question import Target
from vragd.stores.audience import Audience
from vragd.stores.indexer import Indexer
from vragd.stores.links import REST_S
from vragd.stores.questions import target_of
from vragd.stores.stores import Stores
from vragd.system.child import ChildEnded
from vragd.system.log import error_fields

__all__ = ["Picture", "Pictures", "pictures"]

log = structlog.get_logger()

LOOK_S = 0.1
AGAIN_S = 600.0  # after a layout that failed, if nothing has changed
_END_S = 5.0


@dataclass(slots=True)
class _Job:
    wanted: Wanted
    done: threading.Event = field(default_factory=threading.Event)
    reason: str = ""
    ended_at: float = 0.0  # monotonic


class Pictures:
    """The layouts that are being made. `picture` on any thread that may wait; `close` from any."""

    def __init__(self, layout: Callable[[np.ndarray], Layout] = Layout) -> None:
        self._made_by = layout
        self._jobs: dict[Path, _Job] = {}
        self._known: dict[str, tuple[object, Picture]] = {}
        self._turn, self._changing = threading.Lock(), threading.Lock()
        self._layout: Layout | None = None
        self._is_closed = False

    def picture(self, target: Target, folder: Path) -> Picture:
        """As it stands; where it must be laid out, that is begun."""
        reader, known = self._known.get(target.name, (None, None))
        if known is not None and reader is target.reader and self._is_as_it_was(target, known):
            return known
        found, wanted = picture(target, folder)
        if wanted is not None and (job := self._job(wanted)).reason:
            found = replace(found, state="ready" if found.notes else "empty", reason=job.reason)
        if not target.assistant:
            self._known[target.name] = target.reader, found
        return found

    def is_made(self) -> bool:
        """Whether no layout is being made."""
        return all(job.done.is_set() for job in list(self._jobs.values()))

    def close(self) -> None:
        """End what is being made. Nothing of it is kept."""
        self._is_closed = True
        if (layout := self._layout) is not None:
            layout.close()
        for job in list(self._jobs.values()):
            job.done.wait(_END_S)

    def _is_as_it_was(self, target: Target, known: Picture) -> bool:
        fingerprint = target.space.fingerprint if target.space else ""
        withheld = any(place.withheld for place in target.places.values())  # of which the catalog knows nothing
        if withheld or known.reason or known.space != fingerprint:
            return False
        if known.state == "computing" and self.is_made():
            return False
        return target.reader.generation() == known.generation

    def _job(self, wanted: Wanted) -> _Job:
        """Of these very vectors, or one that goes on for this file, whatever it is of."""
        with self._changing:
            job = self._jobs.get(wanted.file)
            failed = job is not None and bool(job.reason) and time.monotonic() - job.ended_at < AGAIN_S
            if job is None or (job.done.is_set() and not (failed and job.wanted.input == wanted.input)):
                job = self._jobs[wanted.file] = _Job(wanted)
                threading.Thread(target=self._make, args=(job,), name="picture", daemon=True).start()
            return job

    def _make(self, job: _Job) -> None:
        try:
            with self._turn:
                self._layout = self._made_by(job.wanted.vectors)
                if self._is_closed:
                    self._layout.close()
                job.wanted.keep(self._layout.ask())
        except ChildEnded as error:
            job.reason = error.reason
            if error.reason != "closed":
                log.warning("picture.layout_failed", reason=error.reason, n_notes=len(job.wanted.keys))
        except (VragdError, OSError) as error:
            job.reason = "not_kept"
            log.warning("picture.layout_failed", reason=job.reason, **error_fields(error))
        except Exception as error:  # whoever waits would have it begun again and again
            job.reason = "crashed"
            log.error("picture.layout_failed", reason=job.reason, **error_fields(error))
        finally:
            job.wanted = replace(job.wanted, vectors=job.wanted.vectors[:0])  # they are large
            job.ended_at = time.monotonic()
            job.done.set()


async def pictures(
    stores: Stores, names: Sequence[str], *, wait_s: float = 0.0, assistant: bool = False
) -> list[Picture]:  # fmt: skip
    """
    The picture of each of these stores, or of all; what must be laid out is waited for, so many seconds at most.

    Raises NotFound for a store that there is not, StillLooking as `Audience.at_rest`.
    """
    deadline = time.monotonic() + wait_s
    making = stores.beside(Pictures)
    while True:
        audience = Audience(stores, assistant)
        await audience.at_rest(names, REST_S)
        found = [await _one(making, audience, indexer) for indexer in audience.chosen(names)]
        if all(one.state != "computing" for one in found) or time.monotonic() >= deadline:
            return found
        for _ in range(int(wait_s / LOOK_S)):
            if making.is_made() or time.monotonic() >= deadline:
                break
            await asyncio.sleep(LOOK_S)


async def _one(making: Pictures, audience: Audience, indexer: Indexer) -> Picture:
    target, folder = target_of(audience, indexer), indexer.store.folder
    return await audience.stores.aside.run(making.picture, target, folder)
