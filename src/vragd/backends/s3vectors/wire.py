"""Vectors, metadata, filters and answers in the terms of S3 Vectors, within its limits. Does no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from vragd.backends.base import PAYLOAD_KEYS, CollectionInfo, End, Entry, Match, Stored
from vragd.errors import Unsupported, VectorsRefused
from vragd.terms.filter import And, Compare, Filter, In, Metadata, Moment, Or, Scalar, Value
from vragd.terms.metric import Metric

PUT_VECTORS = 500
CONSTRAINTS = 100  # in one filter of an index of today
BODY_BYTES = 20 * 1024 * 1024 - 64 * 1024  # a little room for what is around the vectors
# How AWS counts metadata is not documented to the byte, so each of these leaves room.
FILTERABLE_BYTES = 1_800  # of 2,048
FILTERABLE_VALUES = 85  # of a list, when all are shortened
CONTENT_BYTES, TEXT_BYTES, PATH_BYTES = 16_384, 1_024, 12_288  # of 40 KB for all together
TEXT_CHARS = 1_024  # of what is asked of a full text
SPACE, MODEL = "vragd-space-", "vragd-model-"
# The payload as one JSON text: AWS takes ten names that are not filterable, fixed when an index is made. Indexes
# made before this was thought of have a name for each part, and go on with that.
PACKED, VERSION = "payload", "version"
ACTIVE = "ACTIVE"  # of a full text: it is built, and serves questions
LEAST_METADATA = frozenset({"source", PACKED, "source_name", "line_from", "line_to"})
LEAST_PAYLOAD = frozenset({"source_name", "line_from", "line_to"})
PUSHES = frozenset({"And", "Or", "Compare", "In"})


@dataclass(frozen=True, slots=True)
class Shape:
    """
    An index as AWS describes it; `packed` where it keeps payloads as one text. `searched` is the metadata key with
    text that AWS has a full text of, if its owner has configured one.
    """

    info: CollectionInfo
    packed: bool
    data_type: str
    searched: str


def shape(name: str, index: Mapping[str, Any], bucket: str, place: str) -> Shape:
    """An answer of GetIndex."""
    configured = index.get("metadataConfiguration", {})
    hidden = configured.get("nonFilterableMetadataKeys", [])
    text = PACKED if PACKED in hidden else "content"
    built = [
        one["metadataKey"] for one in configured.get("textSearchConfigurations", ()) if one.get("status") == ACTIVE
    ]
    searched = text if text in built else ""
    created = index.get("creationTime")
    space, model = of_marks(hidden)
    info = CollectionInfo(
        name, index["dimension"], index["distanceMetric"], None, space, model, f"{index.get('indexArn')} {created}",
        place, False, PUSHES,
        {"bucket": bucket, "created": str(created or ""), "words": "indexed" if searched else "not indexed"},
    )  # fmt: skip
    return Shape(info, PACKED in hidden, index.get("dataType", "float32"), searched)


def item(entry: Entry, *, with_text: bool, packed: bool) -> dict[str, Any]:
    """An entry, which has values, as PutVectors takes it."""
    assert entry.values is not None
    # nine digits are every bit of a float32, and two thirds of the bytes a double would take
    values = [float(f"{value:.9g}") for value in entry.values.tolist()]
    metadata = filterable(entry.metadata)
    if entry.version:
        metadata[VERSION] = entry.version
    if kept := payload(entry.payload, with_text):
        metadata |= {PACKED: json.dumps(kept, ensure_ascii=False, separators=(",", ":"))} if packed else kept
    return {"key": entry.key, "data": {"float32": values}, "metadata": metadata}


def least(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What a vector cannot do without, of metadata that AWS finds too much. Without a version: that is of the whole."""
    kept = {key: value for key, value in metadata.items() if key in LEAST_METADATA}
    if PACKED in kept:
        few = {key: value for key, value in json.loads(kept[PACKED]).items() if key in LEAST_PAYLOAD}
        kept[PACKED] = json.dumps(few, ensure_ascii=False, separators=(",", ":"))
    return kept


def stored(answer: Mapping[str, Any]) -> Stored:
    """An answer of GetVectors or ListVectors."""
    metadata, kept, version = _apart(answer.get("metadata") or {})
    values = np.array(answer["data"]["float32"], dtype=np.float32) if "data" in answer else None
    return Stored(values, metadata, kept, version)


def _apart(given: Mapping[str, Any]) -> tuple[Metadata, Metadata, str]:
    """Metadata, payload and version, of either form."""
    metadata: dict[str, Value] = {}
    kept: dict[str, Value] = {}
    for key, value in {**given, **_unpacked(given.get(PACKED, "{}"))}.items():
        if key not in (PACKED, VERSION):
            if key in PAYLOAD_KEYS:
                kept[key] = tuple(value) if isinstance(value, list) else value
            elif isinstance(value, list):
                metadata[key] = tuple(_read(part) for part in value)
            else:
                metadata[key] = _read(value) if isinstance(value, str) else value
    return metadata, kept, str(given.get(VERSION, ""))


def _unpacked(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:  # no text of ours
        return {}
    return found if isinstance(found, dict) else {}


def can(where: Filter) -> bool:
    """Whether AWS evaluates this as we mean it: equality, also of list elements, and what is made of it."""
    match where:
        case And(parts) | Or(parts):
            return all(can(part) for part in parts)
        case Compare(_, "=", value):
            return isinstance(value, str | int | float | bool)
        case In(_, values):
            return all(isinstance(value, str | int | float | bool) for value in values)
        case _:
            return False


def never(where: Filter) -> bool:
    """Whether the filter holds for nothing, whatever there is."""
    match where:
        case And(parts):
            return any(never(part) for part in parts)
        case Or(parts):
            return all(never(part) for part in parts)
        case In(_, values):
            return not values
        case _:
            return False


def batches(items: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """`items` in requests within the limits of count and bytes."""
    batch: list[dict[str, Any]] = []
    size = 0
    for item in items:
        length = len(json.dumps(item)) + 2
        if batch and (len(batch) == PUT_VECTORS or size + length > BODY_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


def filterable(metadata: Metadata) -> dict[str, Any]:
    """
    `metadata` as AWS takes it. Where it is too much, values of lists are replaced by short hashes, which
    `condition` asks for too; of lists still too long (folders nested deeper than 85) the first are kept.
    """
    plain = {key: _written(value) for key, value in metadata.items() if value != ()}
    if len(json.dumps(plain)) <= FILTERABLE_BYTES:
        return plain
    return {
        key: [_short(x) for x in value][:FILTERABLE_VALUES] if isinstance(value, list) else value
        for key, value in plain.items()
    }


def _written(value: Value) -> Any:
    return [_text(part) for part in value] if isinstance(value, tuple) else _alone(value)


def _alone(value: Scalar) -> str | int | float | bool:
    return _text(value) if isinstance(value, str | Moment) else value


def _text(value: Scalar) -> str:
    """A value as a text of its own: AWS takes lists of texts only, and knows no moments."""
    match value:
        case str():
            return f"@{value}" if value.startswith("@") else value
        case bool():
            return f"@flag:{int(value)}"
        case Moment(us, date_only):
            return f"@{'day' if date_only else 'us'}:{us}"
    return f"@number:{int(value) if float(value).is_integer() else float(value)!r}"


def _read(text: str) -> Scalar:
    """The value that `_text` wrote."""
    kind, _, rest = text.partition(":")
    try:
        match kind:
            case "@flag":
                return rest == "1"
            case "@us" | "@day":
                return Moment(int(rest), kind == "@day")
            case "@number":
                return float(rest) if set(rest) & set(".einf") else int(rest)
    except ValueError:
        return text
    return text[1:] if text.startswith("@@") else text


def _short(value: str) -> str:
    return value if len(value) <= 15 and value.isascii() else "#" + xxhash.xxh64_hexdigest(value.encode())[:14]


def condition(where: Filter) -> dict[str, Any]:
    """
    A filter that `can` be evaluated and is not `never` true, in AWS's terms; {} for one that always is.

    `$eq` is documented to look into lists, `$in` is not.
    """
    match where:
        case And(parts):
            return _joined("$and", [made for part in parts if (made := condition(part))])
        case Or(parts):
            either = [condition(part) for part in parts if not never(part)]
            return _joined("$or", either) if all(either) else {}
        case Compare(field, "=", value):
            return _equal(field, (value,))
        case In(field, values):
            return _equal(field, values)
    raise AssertionError(f"AWS is not asked for {where}")


def conditions(where: Filter) -> list[dict[str, Any]]:
    """
    As `condition`, in as many as it takes to keep each within `CONSTRAINTS`: what any of them lets pass, passes.

    Raises Unsupported for a filter that cannot be had so: more than one of its parts is too wide.
    """
    made = condition(where)
    if _n_of(made) <= CONSTRAINTS:
        return [made]
    parts = where.parts if isinstance(where, And) else (where,)
    widest = max(parts, key=lambda part: _n_of(condition(part)))
    others = tuple(part for part in parts if part is not widest)
    room = CONSTRAINTS - sum(_n_of(condition(part)) for part in others)
    groups: list[list[Filter]] = []
    left = 0
    for one in _alternatives(widest):
        if (n := _n_of(condition(one))) > room:
            raise Unsupported(
                f"S3 Vectors takes {CONSTRAINTS} conditions in a filter, this one has {_n_of(made)}",
                condition="filter",
                hint="ask for fewer sources or folders at once",
            )
        if n > left:
            groups.append([])
            left = room
        groups[-1].append(one)
        left -= n
    return [condition(And((*others, Or(tuple(group))))) for group in groups]


def _alternatives(where: Filter) -> list[Filter]:
    match where:
        case In(field, values):
            return [In(field, (value,)) for value in values]
        case Or(parts):
            return [part for part in parts if not never(part)]
    return [where]


def _n_of(condition: Mapping[str, Any]) -> int:
    """How many constraints there are in a filter of AWS's."""
    return sum(sum(_n_of(part) for part in value) if key in ("$and", "$or") else 1 for key, value in condition.items())


def _joined(operator: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {} if not parts else parts[0] if len(parts) == 1 else {operator: parts}


def _equal(field: str, values: Sequence[Scalar]) -> dict[str, Any]:
    """Equal to one of `values`, alone or in a list, whose elements may be shortened."""
    forms = [form for value in values for form in (_alone(value), _text(value), _short(_text(value)))]
    distinct = {(type(form).__name__, form): form for form in forms}
    return _joined("$or", [{field: {"$eq": form}} for form in distinct.values()])


def payload(given: Metadata, with_text: bool) -> dict[str, Any]:
    """A payload as AWS takes it: cut to size, and without the text unless that is wanted."""
    if unknown := given.keys() - set(PAYLOAD_KEYS):
        raise VectorsRefused(f"a payload cannot hold {sorted(unknown)[0]!r}", part="metadata")
    fitted: dict[str, Any] = {}
    for key, value in given.items():
        if isinstance(value, str):
            limit = {"content": CONTENT_BYTES, "path": PATH_BYTES}.get(key, TEXT_BYTES)
            fitted[key] = _cut(value, limit)
        elif isinstance(value, tuple):
            fitted[key] = [_cut(str(part), TEXT_BYTES // 2) for part in value[:7]]
        else:
            fitted[key] = value
    if not with_text:
        fitted.pop("content", None)
    return {key: value for key, value in fitted.items() if value not in ("", [])}


def _cut(text: str, limit: int) -> str:
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def match(answer: Mapping[str, Any], metric: Metric) -> Match:
    """An answer of QueryVectors, its distance as our score."""
    distance = float(answer["distance"])
    score = 1 / (1 + distance) if metric == "euclidean" else max(-1.0, min(1.0, 1 - distance))
    metadata, kept, _ = _apart(answer.get("metadata") or {})
    return Match(answer["key"], score, metadata, kept)


def words(shape: Shape, text: str) -> dict[str, Any]:
    """What QueryVectors is asked for words. Raises Unsupported where there is no full text of the index."""
    if not shape.searched:
        raise Unsupported(
            f"index {shape.info.name!r} has no full text that is built", condition="words",
            hint="ask it without --mode; docs/backends.md says how to configure one",
        )  # fmt: skip
    texts = [{"text": text[:TEXT_CHARS], "metadataKey": shape.searched}]
    return {"queryTexts": texts, "returnScores": True, "returnMetadata": True}


def match_of_words(answer: Mapping[str, Any], metric: Metric) -> Match:
    """An answer of QueryVectors to words; its score is BM25, as AWS has it."""
    scores = answer.get("scores", {}).get("bm25Scores", ())
    metadata, kept, _ = _apart(answer.get("metadata") or {})
    return Match(answer["key"], sum(float(one["score"]) for one in scores), metadata, kept)


def end(n: int, top_k: int, most: int, where: Filter | None) -> End:
    """Why an answer of `n` ends. Under a filter the service's search may give up before it has seen everything."""
    if n >= most:
        return "limit"
    if n >= top_k:
        return "more"
    return "exhausted" if where is None else "limit"


def marks(space: str, model: str) -> list[str]:
    """Names of metadata keys that tell what an index holds; no vector has such a key."""
    # characters any service takes, and no more of them than the name of a metadata key may have
    readable = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[: 63 - len(MODEL)]
    return [mark for mark, known in ((SPACE + space, space), (MODEL + readable, readable)) if known]


def of_marks(keys: Sequence[str]) -> tuple[str, str]:
    """Space and readable model of an index with these metadata keys; empty where it has none."""
    space = next((key.removeprefix(SPACE) for key in keys if key.startswith(SPACE)), "")
    return space, next((key.removeprefix(MODEL) for key in keys if key.startswith(MODEL)), "")
