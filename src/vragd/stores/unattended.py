"""
Answers without a daemon: by words, from what was indexed, but for what has been withdrawn since.

For a question nothing is written, embedded or locked, and no backend is asked. For all else a command opens the stores
as a daemon does, and hides the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Never

from vragd.config.load import Loaded
from vragd.embed.spelling import is_word
from vragd.errors import EmbedderUnavailable, NotFound, VragdError
from vragd.search.ask import Place, Target, ask
from vragd.search.asking import each_of
from vragd.search.merge import best_of
from vragd.store.resting import Looked, Resting
from vragd.stores.answers import check_named, told
from vragd.stores.registry import Registry

if TYPE_CHECKING:  # for a question alone nothing of what runs stores is loaded
    from vragd.store.store import Store
    from vragd.stores.stores import Stores
    from vragd.vault.source import Source

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
    found = each_of(offset=offset, min_score=min_score, of_stores=bool(names), **asked)
    questions = [replace(one, mode="keyword") for one in found]
    with ExitStack() as stack:
        resting, failed = list[Resting](), list[VragdError]()
        for one in entries:
            folder = registry.folder(one.name)
            if one.settings is None or not (folder / "catalog.db").exists():
                continue
            try:
                store = Resting(one.name, one.settings, folder, loaded.config.limits)
            except VragdError as error:
                if names:
                    raise
                failed.append(error)
            else:
                resting.append(stack.enter_context(closing(store)))
        if not resting:
            raise failed[0] if failed else NotFound("nothing is indexed yet", hint="vragd run")
        check_named(questions, {one.source.label for store in resting for one in store.looked}, registry.known)
        readers = tuple(store.reader for store in resting)
        answers = []
        for store in resting:
            target = Target(
                store.name, store.reader, None, None, _nobody, _places(store), readers, is_word=is_word
            )  # fmt: skip
            best = best_of([ask(target, one) for one in questions], chunks=questions[0].chunks)
            answers.append(("", best))
        n_changed = sum(store.n_changed for store in resting)
        is_away = not all(one.is_there for store in resting for one in store.looked)
        degraded = [NO_DAEMON, *["source_offline"] * is_away, *["store_failed"] * bool(failed)]
        return told(answers, questions[0], offset=offset, min_score=min_score, pending=n_changed, degraded=degraded)


@contextmanager
def hiding_withdrawn(stores: Stores) -> Iterator[None]:
    """
    Meanwhile `stores`, which nobody watches, answer with nothing that has been withdrawn since, as `query` does not.

    A source is looked at when the first of its notes is to be told of.
    """
    with ExitStack() as stack:
        for indexer in stores.indexers.values():
            for source in indexer.store.sources.values():
                source.withdrawn = stack.enter_context(closing(_Since(indexer.store, source)))
        yield


class _Since:
    """Which notes of a source have been withdrawn since they were indexed, until `close`. From any thread."""

    def __init__(self, store: Store, source: Source) -> None:
        self._store, self._source = store, source
        self._looked: Looked | None = None
        self._looking = Lock()

    def __call__(self, path: str) -> bool:
        with self._looking:
            if self._looked is None:
                self._looked = self._look()
            return self._looked.withheld(path)

    def _look(self) -> Looked:
        store, source = self._store, self._source
        settings = next(one for one in store.settings.sources if one.label == source.label)
        had = next(one for one in store.reader.sources() if one.row.id == source.id)
        return Looked(settings, had, store.reader, store.limits)

    def close(self) -> None:
        self._source.withdrawn = None
        if self._looked is not None:
            self._looked.close()


def _places(store: Resting) -> dict[str, Place]:
    gone = {label: Place("", Path(), False, lambda _: True) for label in store.left_out}
    return gone | {
        one.source.label: Place(
            one.source.uid, one.source.path, one.source.in_obsidian, one.withheld, one.source.templates,
            *one.source.vaults, types=one.source.types.said,
        )
        for one in store.looked
    }  # fmt: skip


def _nobody(_: str) -> Never:
    raise EmbedderUnavailable("no model is loaded")
