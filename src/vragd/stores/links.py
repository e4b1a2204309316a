"""Links of the stores that run: of one file, or of all. What reads works aside; the event loop waits for none of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from vragd.errors import NotFound, UsageError, one_of
from vragd.search import links as search
from vragd.search.links import Asked, Linked, Root, Told
from vragd.search.reading import note_of
from vragd.stores.audience import FILES_UNREAD, Audience
from vragd.stores.indexer import Indexer
from vragd.stores.stores import Stores

P = ParamSpec("P")
T = TypeVar("T")
REST_S = 1.0
N_NAMED = 5


async def links(
    stores: Stores, names: Sequence[str], *, note: str, unresolved: bool, orphans: bool, sources: frozenset[str],
    assistant: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """
    The links of the file that `note` means and those to it; without one, those of all that lead nowhere, and the notes
    that no other links to, as far as that is asked.

    Raises NotFound for what is no file, UsageError for what may be several.
    """
    audience = Audience(stores, assistant)
    indexers, targets = await chosen(audience, names, sources)
    if note:
        target, asked = await looked(audience, indexers, the_one, targets, note)
        told = [await looked(audience, indexers, search.of_file, target, asked)]
    else:
        told = [
            await stores.aside.run(search.of_all, target, unresolved=unresolved, orphans=orphans) for target in targets
        ]
    pending, degraded = await audience.state(indexers)
    return {
        **_together(told, names=unresolved and not note),
        "pending": pending,
        "degraded": tuple(degraded),
    }


async def chosen(
    audience: Audience, names: Sequence[str], sources: frozenset[str]
) -> tuple[Sequence[Indexer], list[Linked]]:
    """The stores that are named, or all, and each that has any of these sources as questions about notes see it."""
    await audience.at_rest(names, REST_S)
    indexers = audience.chosen(names)
    labels = {source.label for indexer in indexers for source in audience.sources_of(indexer)}
    if unknown := sources - labels:
        name = min(unknown)
        raise UsageError(f"there is no source {name!r}", hint=one_of(name, sorted(labels), "one of: none yet"))
    linked = (linked_of(audience, indexer, sources) for indexer in indexers)
    return indexers, [target for target in linked if target.sources or not sources]


async def looked(
    audience: Audience, indexers: Sequence[Indexer], look: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:  # fmt: skip
    """
    What `look` finds in these stores, aside. A NotFound of it says what is still to be read, too: what is missing may
    be in that.
    """
    try:
        return await audience.stores.aside.run(look, *args, **kwargs)
    except NotFound as error:
        n, why = await audience.state(indexers)
        if not (n or FILES_UNREAD in why or (audience.stores.watches and "initial_scan" in why)):
            raise
        waits = "some files are" if not n else "1 path is" if n == 1 else f"{n:,} paths are"
        said = "the folders are still being looked through" if "initial_scan" in why else f"{waits} still to be indexed"
        hint = f"vragd status says how far that is; {error.hint}".removesuffix("; ")
        raise NotFound(f"{error.message}; {said}", hint=hint) from None


def _together(told: Sequence[Told], *, names: bool) -> dict[str, Any]:
    counts = sum((one.counts for one in told), Counter[str]())
    nowhere = Counter[str]()
    spelled: dict[str, str] = {}
    for name, n in (each for one in told for each in one.names.items()):
        nowhere[spelled.setdefault(name.casefold(), name)] += n
    counts["names"] = len(nowhere)
    return {
        "note": told[0].note if told else None,
        "place": told[0].place if told else "",
        "lines": told[0].lines if told else None,
        "out": [link for one in told for link in one.out],
        "back": [link for one in told for link in one.back],
        "unresolved": [link for one in told for link in one.unresolved],
        "misplaced": [link for one in told for link in one.misplaced],
        "names": [{"name": name, "count": n} for name, n in sorted(nowhere.items(), key=_by_count) if names],
        "orphans": [file for one in told for file in one.orphans],
        "counts": {name: counts[name] for name in COUNTED},
        "n_unread": sum(one.n_unread for one in told),
        "generation": sum(one.generation for one in told),
    }


def _by_count(name: tuple[str, int]) -> tuple[int, str]:
    return -name[1], name[0].casefold()


COUNTED = ("links", "path", "alias", "self", "none", "names", "notes", "orphans")


def the_one(targets: Sequence[Linked], text: str) -> tuple[Linked, Asked]:
    """
    The file that is meant, also by the id of a passage of it, and the first store that has it.

    Raises NotFound for what is no file, UsageError for what may be several.
    """
    found = [(target, asked) for target in targets for asked in search.find(target, text)]
    found = found or having(targets, text.strip(), note_of)[:1]
    found = found or [(target, asked) for target in targets for asked in search.find_as_seen(target, text)]
    found = [(target, asked) for target, asked in found if asked.is_whole] or found
    places: dict[tuple[str, ...], tuple[Linked, Asked]] = {}
    for target, asked in found:
        places.setdefault((*target.roots[asked.file.source].paths[:1], asked.file.path), (target, asked))
    if len(places) == 1:
        return next(iter(places.values()))
    if places:
        said = [asked.address for _, asked in places.values()]
        more = ", …" if len(said) > N_NAMED else ""
        raise UsageError(
            f"{len(said):,} files are called {text!r}", hint=f"which one? {', '.join(said[:N_NAMED])}{more}"
        )
    near = search.nearest(targets, text)
    raise NotFound(
        f"there is no note {text!r}", hint=f"did you mean {' or '.join(near)}?" if near else "vragd files lists them"
    )


def having(targets: Sequence[Linked], id_: str, look: Callable[[Linked, str], T | None]) -> list[tuple[Linked, T]]:
    """What `look` finds by a passage's id, and where. Raises NotFound where a store had it and none has it now."""
    found, gone = list[tuple[Linked, T]](), list[NotFound]()
    for target in targets:
        try:
            if (one := look(target, id_)) is not None:
                found.append((target, one))
        except NotFound as error:
            gone.append(error)
    if gone and not found:
        raise gone[0]
    return found


def linked_of(audience: Audience, indexer: Indexer, sources: frozenset[str]) -> Linked:
    """The store as a question about links, or about a file, sees it now."""
    store = indexer.store
    roots = {
        source.label: Root(
            tuple(dict.fromkeys((str(source.path), source.root.real if source.root else str(source.path)))),
            *source.vaults,
            withheld=source.hides,
        )
        for source in audience.sources_of(indexer)
    }
    return Linked(store.name, store.reader_for(assistant=audience.assistant), roots, sources & roots.keys())
