"""
What lies where on the server: an index for each collection, of a name that follows from the store's.

Of several that make one the first wins, for an index is made whole: with its mapping, with `_meta`, which says what
the vectors mean, and with an alias whose name holds its identity. All that is read or written goes through the alias:
whoever still knows an index that was deleted and made again finds nothing, and never makes one by guessing types.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from vragd.backends.base import CollectionInfo
from vragd.backends.lucene.settings import LuceneSettings
from vragd.backends.lucene.tokens import FIELD
from vragd.errors import BackendRefused, CollectionMismatch, UnknownCollection
from vragd.terms.filter import KINDS
from vragd.terms.metric import METRICS, Metric

FORMAT = 1
MARK = "vragd"
_UNREAD = {"type": "keyword", "index": False, "doc_values": False}  # of any length
_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "key": {"type": "keyword"},
    "id": {"type": "long"},
    FIELD: {"type": "keyword", "doc_values": False},
    "properties": _UNREAD,
    "payload": _UNREAD,
    "version": {"type": "keyword", "index": False},
    "created_at": {"type": "date"},
    "updated_at": {"type": "date"},
}
WORDS = "words"
FULL_TEXT = {"type": "text"}
"""Of an index that keeps text; cut by the engine's standard analyser. Older ones have none: it is added."""
ALL: Mapping[str, Any] = {"match_all": {}}
KEYED: Mapping[str, Any] = {"exists": {"field": "key"}}
ANY_WORDS: Mapping[str, Any] = {"exists": {"field": WORDS}}
_NARROWS = frozenset({"filter", "index_routing", "search_routing"})
"""With any of these an alias leads to a part of an index alone."""
_IDENTITY = re.compile("[0-9a-f]{16}")


class Dialect(Protocol):
    """What one engine says otherwise than another. Does no I/O."""

    max_dimension: int
    most_exact: int | None
    """Of so many vectors an index can be searched exactly; None: of any number."""

    def index_settings(self, version: tuple[int, ...]) -> dict[str, Any]:
        """Those of an index that only this engine knows. `version` is empty where the server does not tell it."""

    def vector_field(self, dimension: int, metric: Metric) -> dict[str, Any]:
        """How the mapping declares the vectors."""

    def kind(self, field: Mapping[str, Any]) -> str:
        """`exact` or `hnsw`, of how a mapping declares them; empty for one that is none of ours."""

    def parameters(self, field: Mapping[str, Any]) -> dict[str, Any]:
        """How an index is made, of how a mapping declares the vectors."""

    def same(self, field: Mapping[str, Any], dimension: int, metric: Metric) -> bool:
        """Whether a mapping declares vectors of this dimension and metric."""

    def exact(self, question: Question) -> dict[str, Any]:
        """The part of a search that compares every vector which passes."""

    def approximate(self, question: Question) -> dict[str, Any]:
        """The part of a search that asks the index."""

    def score(self, raw: float, metric: Metric, *, exact: bool) -> float:
        """Our score, of the engine's."""


@dataclass(frozen=True, slots=True)
class Question:
    """`values` is the vector, prepared for the metric; `n` are wanted of those that pass `where`; None: of all."""

    values: list[float]
    n: int
    metric: Metric
    kind: str
    where: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Shape:
    """
    A collection as the server describes it. `kind` is that of `Dialect.kind`; `aliased`: the alias is there, and
    leads to all of it.
    `has_words`: documents have a field of words.
    """

    info: CollectionInfo
    index: str
    alias: str
    kind: str
    aliased: bool
    has_words: bool


def index_name(settings: LuceneSettings, name: str) -> str:
    return settings.prefix + name


def alias_name(index: str, identity: str) -> str:
    """No store's name has an underscore: no alias is ever the name of another's index."""
    return f"{index}_{identity}"


def creation(
    settings: LuceneSettings, dialect: Dialect, asked: CollectionInfo, version: tuple[int, ...]
) -> dict[str, Any]:
    """What an index is made of."""
    identity = secrets.token_hex(8)
    index: dict[str, Any] = {"number_of_shards": 1, **dialect.index_settings(version)}
    if settings.replicas is not None:
        index["number_of_replicas"] = settings.replicas
    meta = {
        "format": FORMAT, "name": asked.name, "identity": identity, "dimension": asked.dimension,
        "metric": asked.metric, "space": asked.space, "model": asked.model,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    vec = dialect.vector_field(asked.dimension, asked.metric)
    words = {WORDS: FULL_TEXT} if settings.remote_text else {}
    return {
        "settings": {"index": index},
        "mappings": {"dynamic": "strict", "_meta": {MARK: meta}, "properties": {"vec": vec, **_FIELDS, **words}},
        "aliases": {alias_name(index_name(settings, asked.name), identity): {}},
    }


def shape(settings: LuceneSettings, dialect: Dialect, name: str, answer: Any) -> Shape:
    """What is there under a collection's name. Raises CollectionMismatch for what vragd did not make so."""
    index = index_name(settings, name)
    (found, described), *more = answer.items()
    mappings = described.get("mappings", {})
    meta = mappings.get("_meta", {}).get(MARK) if isinstance(mappings.get("_meta"), dict) else None
    if more or found != index or not isinstance(meta, dict) or meta.get("name") != name:
        raise CollectionMismatch(
            f"index {index!r} was not made by vragd: {settings.where()}", what="owner",
            hint="delete it there, or set another prefix, or use another store name",
        )  # fmt: skip
    if meta.get("format") != FORMAT or not _IDENTITY.fullmatch(str(meta.get("identity"))):
        raise BackendRefused(f"index {index!r} was made by another version of vragd", hint="use that version")
    fields, dimension, metric = mappings.get("properties", {}), meta.get("dimension"), meta.get("metric")
    if not isinstance(dimension, int) or metric not in METRICS:
        raise _changed(index, "_meta")
    if not _keeps_all(mappings.get("_source", {})):  # what is patched would lose its vector
        raise _changed(index, "_source", "see whether a template of indices there says so; ")
    vec = fields.get("vec", {})
    kind = dialect.kind(vec)
    changed = [field for field, wanted in _FIELDS.items() if not wanted.items() <= _plain(fields.get(field, {}))]
    if not kind or not dialect.same(vec, dimension, metric):
        changed.insert(0, "vec")
    if changed:
        raise _changed(index, changed[0])
    alias = alias_name(index, meta["identity"])
    has_words = fields.get(WORDS, {}).get("type") == FULL_TEXT["type"]
    text = WORDS if settings.remote_text and has_words else settings.remote_text
    place = f"{settings.type} {settings.scheme}://{settings.host} text={text}"
    detail = {"index_name": index, "index": kind, "created": meta.get("created", ""),
              "words": "indexed" if has_words else "not indexed"}  # fmt: skip
    if kind == "hnsw":
        detail |= dialect.parameters(vec) | {"candidates": settings.candidates}
    if uuid := described.get("settings", {}).get("index", {}).get("uuid"):
        detail["uuid"] = uuid
    info = CollectionInfo(
        name, dimension, metric, None, meta.get("space", ""), meta.get("model", ""), meta["identity"], place,
        kind == "exact", KINDS, detail,
    )  # fmt: skip
    leads = described.get("aliases", {}).get(alias)
    return Shape(info, index, alias, kind, leads is not None and not leads.keys() & _NARROWS, has_words)


def _changed(index: str, field: str, first: str = "") -> CollectionMismatch:
    return CollectionMismatch(
        f"the mapping of index {index!r} is not vragd's: its field {field!r} was changed", what="owner",
        hint=f"{first}delete the index there, and vragd makes and fills it again",
    )  # fmt: skip


def _keeps_all(source: Mapping[str, Any]) -> bool:
    """Whether what was put can be had again. Engines answer true and false as texts, some of them."""
    is_kept = str(source.get("enabled", True)).lower() == "true" and source.get("mode", "stored") == "stored"
    return is_kept and not (source.get("excludes") or source.get("includes"))


def check_alias(shape: Shape) -> None:
    """Raise UnknownCollection for an index whose alias somebody took away: making the collection puts it back."""
    if not shape.aliased:
        raise UnknownCollection(f"index {shape.index!r} has lost its alias {shape.alias!r}")


def led_back(shape: Shape, led_to: Iterable[str]) -> list[dict[str, Any]]:
    """What makes the alias lead to its index alone, and to all of it; nothing where it does."""
    others = [index for index in led_to if index != shape.index]
    if shape.aliased and not others:
        return []
    return [
        *({"remove": {"index": index, "alias": shape.alias}} for index in sorted(others)),
        {"add": {"index": shape.index, "alias": shape.alias}},
    ]


def version(answer: Any) -> tuple[int, ...] | None:
    """The server's, of what it says of itself or of its nodes; None where that says nothing."""
    nodes = answer.get("nodes") if isinstance(answer, Mapping) else None
    told = list(nodes.values())[:1] if isinstance(nodes, Mapping) else [answer]
    for one in told:
        found = one.get("version") if isinstance(one, Mapping) else None
        number = found.get("number") if isinstance(found, Mapping) else found
        if isinstance(number, str) and (parts := re.match(r"\d+(\.\d+)*", number)):
            return tuple(map(int, parts[0].split(".")))
    return None


def names(settings: LuceneSettings, answer: Mapping[str, Any]) -> list[str]:
    """The collections among indices, of their mappings."""
    found = []
    for index, described in answer.items():
        meta = (described.get("mappings", {}).get("_meta") or {}).get(MARK)
        if isinstance(meta, dict) and index == index_name(settings, str(meta.get("name"))):
            found.append(str(meta["name"]))
    return sorted(found)


def _plain(field: Mapping[str, Any]) -> set[tuple[str, Any]]:
    """Servers answer true and false as texts, some of them."""
    words = {"true": True, "false": False}
    return {(key, words.get(value, value) if isinstance(value, str) else value)
            for key, value in field.items() if isinstance(value, str | int | float | bool)}  # fmt: skip
