"""
A picture of so many notes, made by the process that makes it: its time, and how many neighbours stay neighbours.

`kept` is the share of a note's ten nearest, by the vectors, that are among its ten nearest in the plane; `components`
is the same of the two main components alone. The vectors are real, a note is one chunk.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import numpy as np

from bench.text import DIMENSION, rows
from vragd.search.picture.asked import Layout
from vragd.search.picture.layout import nearest, unit

NOTES = 10_000
NEAREST = 10


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes = sorted(args.chunks or (NOTES,))
    return {"notes": sizes, "dim": DIMENSION}, {"layouts": [_at_size(size) for size in sizes]}


def _at_size(n: int) -> dict[str, Any]:
    vectors = unit(rows(n, DIMENSION)[0][:n])
    used, began = _children_s(), time.monotonic()
    points = Layout(vectors).ask()
    took, cpu = time.monotonic() - began, _children_s() - used
    wanted = nearest(vectors, NEAREST)[0]
    middle = vectors - vectors.mean(axis=0)
    components = middle @ np.linalg.eigh(middle.T @ middle)[1][:, -2:]
    return {
        "notes": n,
        "wall_s": round(took, 2),
        "cpu_s": round(cpu, 2),
        "kept": _kept(wanted, points),
        "components": _kept(wanted, components),
    }


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _kept(wanted: np.ndarray, points: np.ndarray) -> float:
    found = 0
    for at, near in enumerate(wanted.tolist()):
        far = ((points - points[at]) ** 2).sum(axis=1)
        far[at] = np.inf
        found += len({*near} & {*np.argpartition(far, NEAREST)[:NEAREST].tolist()})
    return round(found / wanted.size, 4)
