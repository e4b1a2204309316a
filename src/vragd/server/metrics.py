"""
`GET /metrics`: what goes on in numbers, in Prometheus' text format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/. No label has a name that a user gave: of a vault, a store,
a folder, a tag.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from vragd import __version__
from vragd.server.table import Call, Encoded
from vragd.stores.reports import overview
from vragd.stores.tally import BOUNDS_S, Tally
from vragd.system.memory import resident_bytes

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[str, Mapping[str, str], float]
"""What is put behind the metric's name, its labels, its value."""


class Metric(NamedTuple):
    """One metric and its samples."""

    name: str
    kind: str
    help: str
    samples: list[Sample]


async def metrics(call: Call) -> Encoded:
    """What goes on in numbers, for Prometheus"""
    stores = call.stores
    told = await overview(stores)
    states = Counter(one.state.value for one in stores.standings.values())
    kept = Counter[str]()
    for row in told["stores"]:
        kept.update(row["states"])
    replicas = [replica for row in told["stores"] for replica in row["replicas"]]
    degraded: list[Sample] = [("", {"reason": reason}, 1.0) for reason in told["degraded"]]
    found = [
        _one("build_info", "gauge", "The version that runs.", 1, version=__version__),
        _one("uptime_seconds", "gauge", "For how long.", told["uptime_s"]),
        Metric("stores", "gauge", "Stores by state.", [("", {"state": k}, n) for k, n in sorted(states.items())]),
        Metric("notes", "gauge", "Files in the catalogs by state.", [("", {"state": k}, n) for k, n in kept.items()]),
        _one("chunks", "gauge", "Passages that are searched.", _sum(told, "chunks")),
        _one("pending_paths", "gauge", "Paths that are still to be looked at.", told["pending"]),
        _one("vectors_behind", "gauge", "Vectors a backend still lacks.", _sum(told, "n_vectors_behind")),
        _one(
            "replica_changes_behind", "gauge", "Changes that replicas still lack.", sum(r["n_behind"] for r in replicas)
        ),
        _one("troubled_replicas", "gauge", "Replicas out of reach.", sum(bool(r["trouble"]) for r in replicas)),
        _one("embedded_texts_total", "counter", "Texts embedded since the start.", _sum(told, "n_embedded")),
        _one("changes_total", "counter", "Commits that changed an answer, ever.", told["generation"]),
        _one(
            "troubled_rerankers",
            "gauge",
            "Stores whose re-ranker failed when it was asked last.",
            sum(bool(r["rerank_trouble"]) for r in told["stores"]),
        ),
        _one("troubled_stores", "gauge", "Stores whose work waits.", sum(bool(r["trouble"]) for r in told["stores"])),
        Metric("degraded", "gauge", "Why answers may be incomplete or out of date.", degraded),
        _one("reloads_total", "counter", "Configurations loaded again.", stores.n_reloads),
        *_of_questions(call.questions.tally),
        *_of_the_process(),
    ]
    return Encoded("".join(_lines(found)).encode(), MEDIA_TYPE)


def _one(name: str, kind: str, about: str, value: float, **labels: str) -> Metric:
    return Metric(name, kind, about, [("", labels, value)])


def _sum(told: Mapping[str, list[dict[str, int]]], field: str) -> int:
    return sum(row[field] for row in told["stores"])


def _of_questions(tally: Tally) -> Iterator[Metric]:
    bounds = [*map(str, BOUNDS_S), "+Inf"]
    counted = list(accumulate(tally.buckets))
    buckets: list[Sample] = [
        ("_bucket", {"le": bound}, n) for bound, n in zip(bounds, counted, strict=True)
    ]  # fmt: skip
    samples = [*buckets, ("_sum", {}, tally.seconds), ("_count", {}, counted[-1])]
    yield Metric("query_duration_seconds", "histogram", "How long answered questions took.", samples)
    yield _one("queries_failed_total", "counter", "Questions that got an error.", tally.n_failed)


def _of_the_process() -> Iterator[Metric]:
    yield _one("resident_memory_bytes", "gauge", "Memory of the process that is in use.", resident_bytes())
    yield _one("cpu_seconds_total", "counter", "Processor time of the process.", time.process_time())
    if (fds := Path("/dev/fd")).is_dir():
        yield _one("open_fds", "gauge", "Open file descriptors.", len(os.listdir(fds)))


def _lines(found: Iterable[Metric]) -> Iterator[str]:
    for metric in found:
        name = f"vragd_{metric.name}"
        yield f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n"
        for suffix, labels, value in metric.samples:
            inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"{name}{suffix}{{{inside}}} {value}\n" if inside else f"{name}{suffix} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
