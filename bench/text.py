"""
Real English text with real embeddings, on every machine that has vragd and without a network.

The texts are the paragraphs of the bundled vault and the documentation strings of botocore's service
models, 40 to 1,200 characters, distinct, in the order of a hash: any first N of them are a fair sample.
The builtin model embeds them once; the rows are kept below `cache_dir()`, a thousand a file, so that an
interrupted run goes on where it was. `python -m bench.text N` embeds the first N beforehand.

There is no bundled model of 768 dimensions: such a row is two real ones side by side, of a text and of
its second half, normalised; that of a question is its own twice.
"""

from __future__ import annotations

import gzip
import html
import json
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from vragd.embed.builtin.embedder import DIMENSION, MODEL_SHA256, MiniLM

DIMENSIONS = (DIMENSION, 2 * DIMENSION)
DEFAULT_TEXTS = 30_000
NOISE = 0.3
"""The length of what is added to a real unit row to make another where real ones run out."""
_SHORTEST, _LONGEST = 40, 1_200
_BLOCK = 1_000
_VAULT = Path(__file__).parent.parent / "tests/vaults/kepano"
_TAG = re.compile(r"<[^>]+>")


def cache_dir() -> Path:
    """Where what took long is kept: VRAGD_BENCH_CACHE, or ~/.cache/vragd-bench."""
    return Path(os.environ.get("VRAGD_BENCH_CACHE") or Path.home() / ".cache/vragd-bench")


# -- texts ---------------------------------------------------------------------------------------------


@cache
def corpus() -> tuple[str, ...]:
    """Every text there is, in the order of its hash."""
    import botocore

    kept = cache_dir() / f"texts-{botocore.__version__}.txt"
    if kept.exists():
        return tuple(kept.read_text("utf-8").splitlines())
    _say("collecting texts")
    found = {*_of_vault(_VAULT), *_of_models(Path(botocore.__file__).parent / "data")}
    texts = sorted(found, key=lambda text: xxhash.xxh3_64_intdigest(text.encode()))
    _write(kept, "\n".join(texts).encode())
    return tuple(texts)


def questions() -> tuple[str, ...]:
    """What people ask, in words that are in no text."""
    return tuple(Path(__file__).with_name("questions.txt").read_text("utf-8").splitlines())


def _of_vault(vault: Path) -> Iterator[str]:
    for note in vault.rglob("*.md"):
        for paragraph in note.read_text("utf-8").split("\n\n"):
            yield from _fitting(paragraph)


def _of_models(data: Path) -> Iterator[str]:
    for file in data.glob("*/*/service-2.json*"):
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as content:
            waiting: list[Any] = [json.load(content)]
        while waiting:
            part = waiting.pop()
            if isinstance(part, dict):
                if isinstance(text := part.get("documentation"), str):
                    yield from _fitting(html.unescape(_TAG.sub(" ", text)))
                waiting += part.values()
            elif isinstance(part, list):
                waiting += part


def _fitting(text: str) -> Iterator[str]:
    plain = " ".join(text.split())  # also turns every kind of line end into a blank
    if _SHORTEST <= len(plain) <= _LONGEST:
        yield plain


# -- rows ----------------------------------------------------------------------------------------------


def n_wanted() -> int:
    """How many real rows to use: all that are kept already, VRAGD_BENCH_TEXTS, or 30,000."""
    asked = int(os.environ.get("VRAGD_BENCH_TEXTS") or DEFAULT_TEXTS)
    kept = 0
    while all(_file(part, kept).exists() for part in ("whole", "half")):
        kept += 1
    return min(len(corpus()), max(asked, kept * _BLOCK))


def real_rows(n: int, dim: int) -> np.ndarray:
    """The embeddings of the first `n` texts: float32 unit rows, shape (n, dim). Embeds what was never embedded."""
    if dim not in DIMENSIONS:
        raise ValueError(f"there are real rows of {' and '.join(map(str, DIMENSIONS))} dimensions, not of {dim}")
    parts = ("whole",) if dim == DIMENSION else ("whole", "half")
    build(n, parts)
    blocks = range(-(-n // _BLOCK))
    rows = np.concatenate([np.concatenate([np.load(_file(part, b)) for b in blocks]) for part in parts], axis=1)[:n]
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def rows(n: int, dim: int, n_real: int | None = None) -> tuple[np.ndarray, int]:
    """
    `n` unit rows, and how many of them, from the first on, are embeddings of distinct real texts.

    The others are real rows with noise of length NOISE added: good to measure time with, not recall.
    """
    n_real = min(n, n_wanted() if n_real is None else n_real)
    real = real_rows(n_real, dim)
    rng, made = np.random.default_rng(dim), np.empty((n, dim), dtype=np.float32)
    made[:n_real] = real
    for start in range(n_real, n, n_real):
        end = min(n, start + n_real)
        noise = rng.standard_normal((end - start, dim), dtype=np.float32)
        noisy = real[: end - start] + noise * (NOISE / np.linalg.norm(noise, axis=1, keepdims=True))
        made[start:end] = noisy / np.linalg.norm(noisy, axis=1, keepdims=True)
    return made, n_real


@cache
def question_rows(dim: int) -> np.ndarray:
    """The embeddings of `questions()`: float32 unit rows, shape (len, dim)."""
    found = np.stack([_model().embed_query(question) for question in questions()])
    return np.concatenate([found] * (dim // DIMENSION), axis=1) / np.float32(np.sqrt(dim // DIMENSION))


def build(n: int, parts: tuple[str, ...] = ("whole", "half")) -> None:
    """Embed the first `n` texts, a thousand at a time on every core, with a line on standard error for each."""
    jobs = [(part, block) for block in range(-(-n // _BLOCK)) for part in parts if not _file(part, block).exists()]
    if not jobs:
        return
    _say(f"embedding {len(jobs)} x {_BLOCK} real texts once, for {cache_dir()}")
    started = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(min(len(jobs), os.cpu_count() or 1)) as pool:
        for done, _ in enumerate(pool.imap(_embed, jobs), 1):
            left = (time.monotonic() - started) / done * (len(jobs) - done)
            _say(f"{done}/{len(jobs)} blocks, {left / 60:.1f} minutes left")


@cache
def _file(part: str, block: int) -> Path:
    digest = xxhash.xxh3_64()
    for text in corpus()[block * _BLOCK : (block + 1) * _BLOCK]:
        digest.update(text.encode())  # a newer botocore has other texts in some blocks
    return cache_dir() / f"rows-{MODEL_SHA256[:8]}" / f"{part}-{digest.hexdigest()}.npy"


@cache
def _model() -> MiniLM:
    return MiniLM(1)  # one a worker process: that scales better than threads


def _embed(job: tuple[str, int]) -> None:
    part, block = job
    texts = list(corpus()[block * _BLOCK : (block + 1) * _BLOCK])
    if part == "half":
        texts = [_second_half(text) for text in texts]
    found = np.concatenate([_model().embed_documents(texts[i : i + 50]) for i in range(0, len(texts), 50)])
    file = _file(part, block)
    _write(file, found)


def _second_half(text: str) -> str:
    words = text.split()
    return " ".join(words[len(words) // 2 :])


def _write(file: Path, content: bytes | np.ndarray) -> None:
    """Whole or not at all: somebody else may be building the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    with partial.open("wb") as out:
        if isinstance(content, bytes):
            out.write(content)
        else:
            np.save(out, content)
    partial.replace(file)


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    from bench.text import build as build_here  # under its own name, for the worker processes

    build_here(int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_TEXTS)
