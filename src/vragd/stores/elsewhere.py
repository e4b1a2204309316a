"""
A remote index, read and kept from anywhere: no daemon, no catalog, no vault.

Hits come from the index's own metadata, so they have text only if the store was written with it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import numpy as np

from vragd.backends.base import CollectionInfo, Match, VectorBackend
from vragd.backends.recall import measure
from vragd.backends.registry import buckets, create_backend, is_path, of_bucket, settings_at
from vragd.config.settings import STORE_NAME, AnyBackend, AnyEmbedder, Config, StoreSettings, check_store_name, of_model
from vragd.embed.base import Embedder
from vragd.embed.registry import create_embedder
from vragd.errors import (
    BackendRefused,
    BackendUnavailable,
    StoreMismatch,
    UnknownCollection,
    UnknownStore,
    UsageError,
    VragdError,
    once_more,
)
from vragd.search.question import Mode, Question, check
from vragd.stores import fused
from vragd.sync.vectors import has_source, source_of

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9_+.-]*")


class Place:
    """A place that others use too, such as a bucket. A context manager, in which `backend` is what is there."""

    def __init__(self, settings: AnyBackend) -> None:
        self.settings = settings

    @classmethod
    def named(cls, name: str, how: Mapping[str, str]) -> Place:
        """
        That of the command line: TYPE://PLACE?KEY=VALUE, TYPE:PATH, or a bucket's name; `how` are more keys and values.

        Raises ConfigError for an unknown type, UsageError for one that has no places, pydantic's ValidationError
        for values that cannot be. None of them tells what may be a password.
        """
        url = name if is_url(name) else of_bucket(name)
        scheme = url.partition(":")[0]
        if not _SCHEME.fullmatch(scheme) or (url != name and "@" in name):
            raise UsageError("expected a place as TYPE://PLACE?KEY=VALUE", hint="such as postgresql://me@host/database")
        if how:
            url += ("&" if "?" in url else "?") + urlencode(how)
        return cls(settings_at(url).from_url(url))

    def where(self) -> str:
        """For people, such as "bucket NAME"."""
        return self.settings.where()

    def __enter__(self) -> Self:
        self.backend: VectorBackend = create_backend(self.settings.type, self.settings, Path())  # contacts nobody yet
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self.backend.close()
        if isinstance(error, BackendUnavailable):  # who names a place is a command, which ends with it
            once_more(error)


def places(how: Mapping[str, str]) -> list[str]:
    """The names that `--bucket` takes where `how` leads, sorted."""
    return buckets(how)


def keys_of(name: str) -> list[str]:
    """The settings that the keys of a place's URL may be, sorted; raises as `Place.named`."""
    return sorted(settings_at(name if is_url(name) else of_bucket(name)).model_fields.keys() - {"type"})


def is_url(name: str) -> bool:
    """Whether a place is given with its type: TYPE://PLACE, or TYPE:PATH."""
    kind, colon, _ = name.partition(":")
    return "://" in name or bool(colon and is_path(kind))


def embedders(config: Config, model: str | None = None) -> list[AnyEmbedder]:
    """Who may have made an index: the model that was named; else the default one and those of the configuration."""
    configured = [store.embedder for store in config.stores.values()]
    if model:
        named = of_model(model)
        return [next((embedder for embedder in configured if embedder.title == named.title), named)]  # with its url
    return [StoreSettings().embedder, *configured]


def resolve(backend: VectorBackend, store: str) -> CollectionInfo:
    """
    The index of a store: of its name or, where the store changed its model, one that succeeded it.

    Of several, the oldest: the next is being filled, and the old one goes when that is done. Raises UnknownStore.
    """
    try:
        return _info(backend, store)
    except UnknownCollection as error:
        names = backend.list_collections()
        found = _successors(backend, store, names)
        if not found:
            raise UnknownStore(
                error.message, hint=f"there are: {', '.join(names)}" if names else "vragd index fills one"
            ) from None
        return min(found, key=lambda info: str(info.detail.get("created")))


def _info(backend: VectorBackend, store: str) -> CollectionInfo:
    """The index of that name. What is no store's is not asked for: to some servers it is a part of an address."""
    try:
        check_store_name(store)
    except ValueError as error:
        raise UnknownCollection(str(error)) from None
    return backend.collection_info(store)


def _successors(backend: VectorBackend, store: str, names: Iterable[str]) -> list[CollectionInfo]:
    """
    The indexes that took a store's place when its model changed: STORE.XXXXXXXX, of a space that begins so.

    Another store may have a name of that form, of a date for instance.
    """
    found = []
    for name in names:
        if _mark_of(name, store):
            with suppress(UnknownCollection):  # deleted since it was listed
                info = backend.collection_info(name)
                if succeeds(info, store):
                    found.append(info)
    return found


def succeeds(info: CollectionInfo, store: str) -> bool:
    """Whether an index is one that `_successors` finds."""
    return bool(mark := _mark_of(info.name, store)) and info.space.startswith(mark)


def _mark_of(name: str, store: str) -> str:
    found = re.fullmatch(re.escape(store[:54]) + r"\.([0-9a-f]{8})", name)
    return found[1] if found else ""


def embedder_for(
    info: CollectionInfo, candidates: Iterable[AnyEmbedder], data_dir: Path | None = None
) -> Embedder:  # fmt: skip
    """
    The one of `candidates` that makes vectors of the index's space; those its model mark speaks for come first.
    `data_dir`: where it is counted what is sent.

    Raises StoreMismatch if none does; if one of them could not be asked, what that raised: EmbedderUnavailable.
    """
    tried: list[str] = []
    away: VragdError | None = None
    able = [settings for settings in dict.fromkeys(candidates) if settings.gives_vectors]
    for settings in sorted(able, key=lambda settings: not _is_likely(settings, info.model)):
        try:
            embedder = create_embedder(settings.type, settings, data_dir)
            try:
                space = embedder.space("")  # its meaning does not depend on the chunker
            except VragdError:
                embedder.close()
                raise
        except VragdError as error:  # another may be the one
            away = away or error
            continue
        if space.meaning == info.space:
            return embedder
        tried.append(space.title)
        embedder.close()
    if away is not None:
        raise away
    raise StoreMismatch(
        f"index {info.name!r} holds vectors of {info.model or 'a model vragd does not know'},"
        f" not of {' or '.join(tried) or 'any that is configured'}",
        hint="vragd query --ollama MODEL names the model it was written with",
    )


def _is_likely(settings: AnyEmbedder, model: str) -> bool:
    """Whether the readable mark of an index may mean this embedder. A hint: marks are cut, and tags left out."""
    mine, its = (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in (settings.title, model))
    return its.startswith(mine) or (bool(its) and mine.startswith(its))


def query(
    backend: VectorBackend,
    store: str,
    text: str,
    candidates: Iterable[AnyEmbedder],
    *,
    top_k: int = 5,
    folder: str = "",
    mode: Mode = "vector",
    data_dir: Path | None = None,
) -> dict[str, Any]:
    """
    An answer like the daemon's, a note that several machines put once (`twins`). Words are found by the server's own
    full text (`fused`), which needs no embedder.

    Raises what the backend and the embedder raise; Unsupported for words where the backend finds none.
    """
    check(Question(text, top_k=top_k, mode=mode, folder=folder))
    info = resolve(backend, store)
    vector = None if mode == "keyword" else _embedded(info, text, candidates, data_dir)
    if vector is not None and mode == "vector":
        matches = fused.nearest(backend, info.name, vector, top_k, folder)
    else:
        matches = fused.found(backend, info.name, text, vector, top_k, folder)
    return {"hits": [_hit(store, match) for match in matches], "generation": 0, "pending": 0, "degraded": []}


def _embedded(
    info: CollectionInfo, text: str, candidates: Iterable[AnyEmbedder], data_dir: Path | None
) -> np.ndarray:  # fmt: skip
    embedder = embedder_for(info, candidates, data_dir)
    try:
        return embedder.embed_query(text)
    finally:
        embedder.close()


def _hit(store: str, match: Match) -> dict[str, Any]:
    kept = match.payload
    heading = kept.get("heading", ())
    path = str(kept.get("path", ""))
    return {
        "store": store,
        "source": str(kept.get("source_name") or source_of(match.key)),
        "path": path,
        "title": str(kept.get("title") or path or match.key),
        "heading": list(heading) if isinstance(heading, tuple) else [],
        "lines": [_number(kept.get("line_from")), _number(kept.get("line_to"))],
        "score": match.score,
        "text": str(kept.get("content", "")),
        "uri": "",
    }


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


def described(info: CollectionInfo) -> dict[str, Any]:
    """An index as `store list` and `store info` show it."""
    return {
        "name": info.name,
        "dimension": info.dimension,
        "metric": info.metric,
        "model": info.model,
        **info.detail,
    }


def all_described(backend: VectorBackend) -> list[tuple[CollectionInfo, dict[str, Any]]]:
    """
    Every index of a place, and as `described` shows it; of one that somebody changed, so that it is none of ours any
    more, its `error`, and nothing but its name is known of it.
    """
    found = list[tuple[CollectionInfo, dict[str, Any]]]()
    for name in backend.list_collections():
        try:
            info = backend.collection_info(name)
        except UnknownCollection:  # deleted since it was listed
            continue
        except (StoreMismatch, BackendRefused) as error:
            told = {"code": error.code, "message": error.message, "hint": error.hint}
            found.append((CollectionInfo(name, 0, "cosine"), {"name": name, "error": told}))
            continue
        found.append((info, described(info)))
    return found


def recall(backend: VectorBackend, info: CollectionInfo) -> dict[str, Any]:
    """How many of the nearest the index finds; reads every vector."""
    return asdict(measure(backend, info.name))


def counted(backend: VectorBackend, info: CollectionInfo) -> dict[str, Any]:
    """
    `described`, and how many vectors each source has there: lists every key, a request per 1,000. Vectors of a program
    of one's own have none.
    """
    n_vectors, sources = 0, Counter[str]()
    for key, _ in backend.list_keys(info.name):
        n_vectors += 1
        if has_source(key):
            sources[source_of(key)] += 1
    return described(info) | {"vectors": n_vectors, "sources": dict(sorted(sources.items()))}


def create(
    backend: VectorBackend, store: str, settings: AnyEmbedder, metric: str, data_dir: Path | None = None
) -> CollectionInfo:
    """Make an empty index for a store. One that is there already with the same shape is left as it is."""
    if metric not in ("cosine", "euclidean", "dot"):
        raise UsageError(f"unknown metric {metric!r}")
    try:
        check_store_name(store)
    except ValueError as error:
        raise UsageError(str(error), hint=f"the pattern is {STORE_NAME}") from None
    if not settings.gives_vectors:
        raise UsageError("an index is of vectors, and that embedder gives none", hint="name another embedder")
    embedder = create_embedder(settings.type, settings, data_dir)
    try:
        space = embedder.space("")
    finally:
        embedder.close()
    backend.create_collection(store, space.dimension, metric, space=space.meaning, model=space.title)  # type: ignore[arg-type]
    return backend.collection_info(store)


def to_delete(backend: VectorBackend, store: str) -> list[CollectionInfo]:
    """Every index of a store. Raises UnknownStore if there is none."""
    names = backend.list_collections()
    found = [backend.collection_info(name) for name in names if name == store] + _successors(backend, store, names)
    if not found:
        raise UnknownStore(f"there is no index of store {store!r}", hint=f"there are: {', '.join(names) or 'none'}")
    return found
