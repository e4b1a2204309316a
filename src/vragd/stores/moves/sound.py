"""Which records can be put at all, and whose vectors they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from vragd.config.settings import AnyEmbedder
from vragd.embed.base import Embedder
from vragd.embed.registry import create_embedder
from vragd.errors import EmbedderRejected, EmbedderUnavailable, StoreMismatch
from vragd.store.exported import Origin, Record, Records, Shape

SAMPLE = 16
SAME = 0.98
"""The median cosine of vectors with those that a model makes of the same texts from which on they are taken for its."""
LARGEST = 1e18
"""Of a vector's numbers: the squares of larger ones are none of float32's."""


def fault(record: Record, dimension: int, *, with_text: bool = True, with_vector: bool = True) -> str:
    """Why a record cannot be put into a store of vectors of this length, in words; "" where it can."""
    values = record.entry.values
    if with_text and not record.text.strip():
        return "without text"
    if not with_vector:
        return ""
    if values is None:
        return "without a vector"
    if values.shape != (dimension,):
        return f"with a vector of {values.size:,} numbers, where the others have {dimension:,}"
    if not np.isfinite(values).all():
        return "with a number that is not finite (NaN)"
    if float(np.abs(values).max()) > LARGEST:
        return "with a number too large to compare"
    return "" if values.any() else "with a vector of zeros"


class Sound:
    """The records of an origin that can be put, each key once; the others are counted. An origin itself."""

    def __init__(self, origin: Origin, *, with_vector: bool = True) -> None:
        self._origin, self._with_vector = origin, with_vector
        self.title, self.count, self.with_text = origin.title, origin.count, origin.with_text
        self.left_out = Counter[str]()
        self.shape = origin.shape
        if not origin.shape.dimension and with_vector:
            self.shape = replace(origin.shape, dimension=self._first())

    def _first(self) -> int:
        with closing(self._origin.records()) as records:
            for record in records:
                values = record.entry.values
                if values is not None and values.size:
                    return int(values.size)
        raise StoreMismatch(f"{self.title} holds no vector", hint="--reembed makes them, of the texts it holds")

    def records(self) -> Records:
        self.left_out = left_out = Counter[str]()
        seen = set[str]()
        with closing(self._origin.records()) as records:
            for record in records:
                why = fault(record, self.shape.dimension, with_text=self.with_text, with_vector=self._with_vector)
                if not why and record.entry.key in seen:
                    why = "of a key that was there before"
                if why:
                    left_out[why] += 1
                    continue
                seen.add(record.entry.key)
                yield record
        left_out.update(self._origin.left_out)

    def close(self) -> None:
        self._origin.close()


def sample(origin: Origin) -> list[Record]:
    """The first records that can be compared."""
    with closing(origin.records()) as records:
        return list(islice(records, SAMPLE))


class Whose:
    """What came of comparing a sample with models: the `shape` with the model that made it, or why there is none."""

    def __init__(self, shape: Shape | None, tried: list[str]) -> None:
        self.shape, self.tried = shape, tried


def whose(origin: Origin, candidates: Iterable[AnyEmbedder], data_dir: Path | None = None) -> Whose:
    """
    Which of these models made the vectors, by embedding a sample again, in the form the tool embedded it and as shown.

    A model that cannot be asked now is among `tried`, as one whose vectors are others.
    """
    records = sample(origin)
    tried = list[str]()
    for settings in dict.fromkeys(candidates):
        try:
            with closing(create_embedder(settings.type, settings, data_dir)) as embedder:
                space = embedder.space("")
                if space.dimension != origin.shape.dimension:
                    tried.append(f"{space.title} makes {space.dimension:,} numbers, not {origin.shape.dimension:,}")
                    continue
                cosine = _cosine(embedder, records)
        except EmbedderUnavailable as error:
            tried.append(f"{settings.title}: {error.message}")
            continue
        if cosine >= SAME:
            shape = replace(origin.shape, space=space.meaning, model=space.title)
            return Whose(shape, [*tried, f"{space.title}: cosine {cosine:.3f} on {len(records)} texts embedded again"])
        tried.append(f"{space.title}: cosine {cosine:.2f} on {len(records)} texts embedded again")
    return Whose(None, tried)


def _cosine(embedder: Embedder, records: list[Record]) -> float:
    """The median cosine of a sample with its texts embedded anew: of the two forms, the one that fits better."""
    rows = np.stack([record.entry.values for record in records if record.entry.values is not None]).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    best = -1.0
    for forms in ([record.embedded for record in records], [record.text for record in records]):
        if all(forms):
            try:
                again = embedder.embed_documents(forms)
            except EmbedderRejected:
                continue
            best = max(best, float(np.median((rows * again).sum(axis=1))))
    return best


class Reembedded:
    """An origin whose texts are embedded anew; what the model refuses is left out, and counted."""

    def __init__(self, origin: Sound, embedder: Embedder, metric: str = "cosine") -> None:
        self._origin, self._embedder = origin, embedder
        space = embedder.space("")
        self.title, self.count, self.with_text = origin.title, origin.count, True
        self.shape = Shape(space.dimension, metric, space.meaning, space.title)
        self.left_out = Counter[str]()

    def records(self) -> Records:
        self.left_out = left_out = Counter[str]()
        records = self._origin.records()
        while some := list(islice(records, self._embedder.batch_size)):
            for record, row in zip(some, self._rows([record.text for record in some]), strict=True):
                if row is None:
                    left_out["that the model refuses"] += 1
                else:
                    yield replace(record, entry=replace(record.entry, values=row))
        left_out.update(self._origin.left_out)

    def _rows(self, texts: list[str]) -> list[np.ndarray | None]:
        try:
            return list(self._embedder.embed_documents(texts))
        except EmbedderRejected:
            if len(texts) == 1:
                return [None]
            return [row for text in texts for row in self._rows([text])]

    def close(self) -> None:
        self._origin.close()


Ready = Sound | Reembedded


@contextmanager
def embedded_again(found: Origin, settings: AnyEmbedder, data_dir: Path | None = None) -> Iterator[Reembedded]:
    """The origin with vectors that this model makes of its texts. `data_dir`: where it is counted what is sent."""
    with closing(create_embedder(settings.type, settings, data_dir)) as embedder:
        yield Reembedded(Sound(found, with_vector=False), embedder)


def of_known_model(
    found: Origin, candidates: Iterable[AnyEmbedder], data_dir: Path | None = None, *, unchecked: bool = False
) -> tuple[Sound, str]:  # fmt: skip
    """
    The sound records of an origin, of the model that it names or that one of these turns out to be; what was compared.

    Raises StoreMismatch where none is, unless that is not to matter.
    """
    origin = Sound(found)
    if origin.shape.space:
        return origin, ""
    came = whose(origin, candidates, data_dir)
    if came.shape is not None:
        origin.shape = came.shape
        return origin, came.tried[-1]
    if not unchecked:
        lines = "\n".join(f"  {line}" for line in came.tried)
        raise StoreMismatch(
            f"the vectors of {origin.title} are of none of the models asked:\n{lines}",
            hint="--ollama MODEL names the one they are of; --reembed makes new ones",
        )
    return origin, ""
