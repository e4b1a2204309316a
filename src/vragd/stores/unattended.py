"""
Answers without a daemon: by words, from what was indexed, but for what has been withdrawn since.

Nothing is written, embedded or locked, and no backend is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any, Never

from vragd.config.load import Loaded
from vragd.errors import EmbedderUnavailable, NotFound
from vragd.search.ask import Place, Target, ask
from vragd.search.asking import each_of
from vragd.search.merge import best_of
from vragd.store.resting import Resting
from vragd.stores.questions import check_named, told
from vragd.stores.registry import Registry

NO_DAEMON = "no_daemon"


def query(
    loaded: Loaded, names: Sequence[str], *, offset: int = 0, min_score: float = 0.0, **asked: Any
) -> dict[str, Any]:  # fmt: skip
    """
    As `Questions.query`, in mode `keyword` and as of when the last daemon ended; `pending` files have changed since.

    Raises NotFound where nothing is indexed, and whatever opening a catalog does.
    """
    registry = Registry(loaded)
    entries = [registry.known(name) for name in dict.fromkeys(names)] or list(registry.entries().values())
    questions = [replace(one, mode="keyword") for one in each_of(offset=offset, min_score=min_score, **asked)]
    with ExitStack() as stack:
        resting = [
            stack.enter_context(closing(Resting(one.name, one.settings, folder, loaded.config.limits)))
            for one in entries
            if one.settings is not None and (folder := registry.folder(one.name)).joinpath("catalog.db").exists()
        ]
        if not resting:
            raise NotFound("nothing is indexed yet", hint="vragd run")
        check_named(questions, {one.source.label for store in resting for one in store.looked}, registry.known)
        readers = tuple(store.reader for store in resting)
        answers = []
        for store in resting:
            target = Target(store.name, store.reader, None, None, _nobody, _places(store), readers)
            best = best_of([ask(target, one) for one in questions], chunks=questions[0].chunks)
            answers.append(("", best))
        n_changed = sum(store.n_changed for store in resting)
        return told(answers, questions[0], offset=offset, min_score=min_score, pending=n_changed, degraded=[NO_DAEMON])


def _places(store: Resting) -> dict[str, Place]:
    return {
        one.source.label: Place(
            one.source.uid, one.source.path, one.source.in_obsidian, one.withheld, one.source.templates,
            *one.source.vaults,
        )
        for one in store.looked
    }  # fmt: skip


def _nobody(_: str) -> Never:
    raise EmbedderUnavailable("no model is loaded")
