"""
Backends by themselves, on real vectors: how long loading, one saved chunk, a question and one under a filter take, how
much disk there is, and how many of the ten nearest are found. `--backend` may be repeated: a type, a URL, or the name
of one on a real server, as `make test-servers` has it (`opensearch-node-hnsw`), which is started where it was fetched.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.common import MIB, disk_bytes, percentiles, timed
from bench.text import question_rows, rows
from tests.conformance.factories import FACTORIES, REAL
from vragd.backends.base import Batch, VectorBackend
from vragd.backends.registry import create_backend
from vragd.backends.scores import prepared
from vragd.stores.elsewhere import Place, is_url
from vragd.terms.backends import TYPES
from vragd.terms.filter import equals

NAME = "vragd-bench"
BATCH, TOP_K, SAVES, RARE = 500, 10, 20, 100  # one row in RARE passes the filter


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes, kinds = args.chunks or [10_000], args.backend or ["faiss", "file", "sqlite"]
    figures = {kind.partition("?")[0].rpartition("@")[2]: [_of(kind, n, args.dim) for n in sizes] for kind in kinds}
    return {"chunks": sizes, "dim": args.dim, "batch": BATCH}, figures


def _of(kind: str, n: int, dim: int) -> dict[str, Any]:
    values, asked = rows(n, dim)[0], question_rows(dim)
    folder = Path(tempfile.mkdtemp(prefix="vragd-bench-"))
    backend = _opened(kind, folder)
    data = _data_of(kind) or folder
    try:
        _forget(backend)
        backend.create_collection(NAME, dim, "cosine")
        keys, before = [f"{i:08x}" for i in range(n)], disk_bytes(data)
        load_s = timed(lambda: _load(backend, keys, values))
        index_s = timed(lambda: _index(backend))
        figures = {"chunks": n, "load_s": round(load_s, 2), "index_s": round(index_s, 2)}
        figures |= _asked(backend, keys, values, asked)
        figures["disk_mib"] = round((disk_bytes(data) - before) / MIB, 1) or None
        return figures
    finally:
        _forget(backend)
        backend.close()
        shutil.rmtree(folder, ignore_errors=True)


def _opened(kind: str, folder: Path) -> VectorBackend:
    if kind in REAL or kind.startswith("pgvector"):
        try:
            return (REAL | FACTORIES)[kind](folder)
        except pytest.skip.Exception as skipped:
            raise SystemExit(f"{kind}: {skipped}") from None
    if is_url(kind):
        settings: Any = Place.named(kind, {}).settings
    else:
        known = TYPES.settings(kind)
        path = {"path": str(folder / "vectors")} if "path" in known.model_fields else {}
        settings = known.model_validate({"type": kind, **path})
    return create_backend(settings.type, settings, folder)


def _index(backend: VectorBackend) -> None:
    """What is built beside questions, once there are enough vectors: waited for."""
    backend.tend(NAME)
    if builder := getattr(backend, "builder", None):
        builder.wait(3_600)


def _data_of(kind: str) -> Path | None:
    """Where a server that was started here keeps what it is given."""
    name = kind.partition("-")[0]
    if kind.startswith("pgvector"):
        from tests.servers.postgres import server as postgres

        running = postgres.shared()
        return None if isinstance(running, str) else running.home / "data" / "base"  # not its log of changes
    if kind not in REAL:
        return None
    from tests.servers.lucene import node
    from tests.servers.s3mock import server as s3mock

    started = s3mock.shared() if name == "s3" else node.shared(name)
    return None if isinstance(started, str) else started.home


def _forget(backend: VectorBackend) -> None:
    if NAME in backend.list_collections():
        backend.delete_collection(NAME, identity=backend.collection_info(NAME).identity)


def _batch(keys: list[str], values: np.ndarray) -> Batch:
    data = [{"rare": int(key, 16) % RARE == 0, "folder": f"f{int(key, 16) % 50}"} for key in keys]
    return Batch(keys, values, data, [{"path": f"{key}.md"} for key in keys], ["0" * 16] * len(keys))


def _load(backend: VectorBackend, keys: list[str], values: np.ndarray) -> None:
    with backend.bulk(NAME, len(keys)):
        for start in range(0, len(keys), BATCH):
            backend.put_vectors(NAME, _batch(keys[start : start + BATCH], values[start : start + BATCH]), visible=False)


def _asked(backend: VectorBackend, keys: list[str], values: np.ndarray, asked: np.ndarray) -> dict[str, Any]:
    saves = [
        timed(lambda i=i: backend.put_vectors(NAME, _batch([keys[i]], -values[i : i + 1])))  # type: ignore[misc]
        for i in range(SAVES)
    ]
    backend.put_vectors(NAME, _batch(keys[:SAVES], values[:SAVES]))
    backend.query(NAME, asked[0], TOP_K)
    times, filtered, found, found_rare = [], [], 0, 0
    where = equals("rare", True)
    for row in asked:
        scores = values @ prepared(row, "cosine")
        started = time.perf_counter()
        plain = backend.query(NAME, row, TOP_K)
        times.append(time.perf_counter() - started)
        started = time.perf_counter()
        rare = backend.query(NAME, row, TOP_K, where=where)
        filtered.append(time.perf_counter() - started)
        best = np.argsort(-scores, kind="stable")
        found += len({match.key for match in plain.items} & {keys[i] for i in best[:TOP_K].tolist()})
        passing = best[best % RARE == 0][:TOP_K].tolist()
        found_rare += len({match.key for match in rare.items} & {keys[i] for i in passing})
    return {
        "save": percentiles(saves), "query": percentiles(times), "filtered": percentiles(filtered),
        "recall_at_10": round(found / (TOP_K * len(asked)), 3),
        "recall_at_10_filtered": round(found_rare / (TOP_K * len(asked)), 3),
    }  # fmt: skip
