"""
The whole process of `vragd query`, from its start to its end, beside a Python that does nothing.

On the bundled vault: what the daemon needs for larger stores is what `query` measures.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench import naive
from bench.common import ms, ratio, timed
from bench.homes import scratch
from bench.text import questions
from tests.harness import Vragd, copy_vault

ROUNDS, NAIVE_ROUNDS = 20, 3


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    with scratch() as place:
        home = Path(place)
        copy_vault("kepano", home / "Vault")
        daemon = Vragd(home)
        try:
            daemon.start()
            script = Path(sys.executable).with_name("vragd")
            command = [str(script)] if script.exists() else [sys.executable, "-m", "vragd"]
            ours = [_process([*command, "query", "--weak", text], daemon.env) for text in questions()[: ROUNDS + 1]]
        finally:
            daemon.kill()
        nothing = [_process([sys.executable, "-c", "pass"]) for _ in range(ROUNDS + 1)]
        theirs = _naive(home)
    p50 = ms(statistics.median(ours[1:]))
    return {"rounds": ROUNDS, "naive_rounds": NAIVE_ROUNDS, "command": Path(command[-1]).name}, {
        "vragd_query_p50_ms": p50,
        "vragd_query_max_ms": ms(max(ours[1:])),
        "python_pass_p50_ms": ms(statistics.median(nothing[1:])),
        "naive_p50_ms": theirs,
        "naive_over_ours": ratio(theirs, p50),
    }


def _process(command: list[str], env: dict[str, str] | None = None) -> float:
    return timed(lambda: subprocess.run(command, env=env or dict(os.environ), check=True, capture_output=True))


def _naive(home: Path) -> float:
    """A process that loads the model and both files, and answers."""
    from vragd.embed.builtin.embedder import MiniLM

    index = naive.Naive(home / "naive", 384, MiniLM(1).embed_documents)
    index.fill(np.zeros((0, 384), dtype=np.float32), ())
    for note in sorted((home / "Vault").rglob("*.md")):
        index.save(str(note.relative_to(home / "Vault")), note.read_text("utf-8"))
    command = [sys.executable, "-m", "bench.naive", str(home / "naive"), "384", "builtin"]
    return ms(statistics.median(_process(command) for _ in range(NAIVE_ROUNDS)))
