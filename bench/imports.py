"""
What other programs keep, taken over: a directory as LlamaIndex writes it, of `--chunks` nodes of `--dim` numbers each,
imported by the command; how large it was and is, and how soon a process that was just started has an answer.

Beside that what such a program does before its first answer: `json.load` of the directory's files.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import disk_bytes, ratio, timed
from bench.homes import scratch
from bench.text import corpus, questions, rows
from tests.foreign import llamaindex, node
from tests.harness import Vragd

SIZES = (10, 100, 1_000, 10_000)
BUILTIN = 384  # dimensions of the builtin model, which finds its vectors by a text
ROUNDS = 7
LOAD = """
import json, sys, time
from pathlib import Path
began = time.perf_counter()
kept = [json.load(file.open()) for file in Path(sys.argv[1]).glob("*.json")]
print(time.perf_counter() - began)
"""
OPEN = """
import sys, time
import numpy, vragd.backends.sqlite.backend
from vragd import open_backend
vector = numpy.load(sys.argv[3])
began = time.perf_counter()
with open_backend("sqlite", path=sys.argv[1]) as vectors:
    assert len(vectors.query(sys.argv[2], vector, k=10)) == 10
    print(time.perf_counter() - began)
"""
RUN = """
import resource, subprocess, sys, time
began = time.perf_counter()
ended = subprocess.run([sys.executable, "-m", "vragd", *sys.argv[1:]]).returncode
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(ended)
"""


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes = sorted(args.chunks or SIZES)
    nothing = [timed(lambda: subprocess.run([args.python, "-c", "pass"], check=True)) for _ in range(ROUNDS)]
    return {"chunks": sizes, "dim": args.dim, "rounds": ROUNDS}, {
        "python_pass_s": round(statistics.median(nothing), 3),
        "imports": [_at(size, args.dim, args.python) for size in sizes],
    }


def _at(n: int, dim: int, python: str) -> dict[str, Any]:
    with scratch() as place:
        (home := Path(place) / "home").mkdir()
        vragd = Vragd(home)
        folder = _written(Path(place) / "storage", n, dim)
        command = ["import", "llamaindex", str(folder), "--store", "taken"]
        command += [] if dim == BUILTIN else ["--unchecked"]
        took, peak_mib = _done(vragd, python, command)
        file = vragd.home / "data/imported/taken.db"
        share, loaded = disk_bytes(file.parent) / disk_bytes(folder), _median(python, LOAD, folder)
        np.save(Path(place) / "asked.npy", rows(n, dim)[0][0])
        opened = _median(python, OPEN, file, "taken", Path(place) / "asked.npy")
        found = {
            "chunks": n,
            "import_s": round(took, 3),
            "import_peak_mib": round(peak_mib, 1),
            "disk_of_what_it_was": round(share, 3),
            "json_load_s": round(loaded, 4),
            "open_and_answer_s": round(opened, 4),
            "load_over_open": ratio(loaded, opened),
            "python_process_s": round(_processes([python, "-c", OPEN, str(file), "taken", f"{place}/asked.npy"]), 3),
        }
        if dim == BUILTIN:
            asked = [_done(vragd, python, ["query", "--store", "taken", q])[0] for q in questions()[:ROUNDS]]
            found["query_process_s"] = round(statistics.median(asked), 3)
    return found


def _written(folder: Path, n: int, dim: int) -> Path:
    nodes = {f"node-{i}": node(i, corpus()[i], metadata={}) for i in range(n)}
    vectors = dict(zip(nodes, rows(n, dim)[0].tolist(), strict=True))
    return llamaindex(folder, vectors, nodes)


def _done(vragd: Vragd, python: str, command: list[str]) -> tuple[float, float]:
    """Run it; how long that took in seconds, and the most memory that it had, in MiB."""
    # begun by a small process: what is begun counts as having had what its parent has (getrusage(2), ru_maxrss)
    found = subprocess.run([python, "-c", RUN, *command], env=vragd.env, capture_output=True, text=True, check=False)
    assert found.returncode == 0, (command, found.stdout, found.stderr)
    took_s, most_kib = found.stdout.splitlines()[-1].split()
    return float(took_s), int(most_kib) / 1024


def _median(python: str, script: str, *args: object) -> float:
    command = [python, "-c", script, *map(str, args)]
    return statistics.median(float(subprocess.check_output(command)) for _ in range(ROUNDS))


def _processes(command: list[str]) -> float:
    return statistics.median(
        timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(ROUNDS)
    )
