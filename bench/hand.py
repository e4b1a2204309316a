"""
What people wait for at a prompt, as whole processes: `vragd query` on a terminal of 80 columns with colours and links,
and what Tab offers, with a daemon and without one, when nothing may be said.

`--chunks 100000 --per-note 1` is a vault of 100,000 notes.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.common import ms, percentiles, timed
from bench.homes import daemon, filled
from bench.text import questions
from tests.harness import Vragd, until
from tests.terminal import on_terminal

ROUNDS = 20
INDEX_S = 3600.0
BREAKS = " \t\n\"'><=;|&(:"
"""As bash has them."""
LINES = {
    "notes": "vragd get 00",
    "stores": "vragd query -s ",
    "folders": "vragd query --folder ",
    "flags": "vragd query --",
}


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    n_chunks = max(args.chunks or [10_000])
    with filled("builtin", 384, n_chunks, args.per_note) as home, daemon(home) as vragd:
        vragd.start(idle=False)
        until(lambda: not vragd.status()["pending"] and not vragd.status()["degraded"], "the index to stand", INDEX_S)
        asked = [_on_terminal(vragd, text) for text in questions()[: ROUNDS + 1]]
        offered = {name: _completed(vragd, line, any_=True) for name, line in LINES.items()}
        vragd.kill()
        alone = _completed(vragd, LINES["notes"], any_=False)
        nothing = [timed(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)) for _ in range(ROUNDS)]
    return {"chunks": n_chunks, "per_note": args.per_note, "rounds": ROUNDS}, {
        "query_on_terminal": {**percentiles(asked[1:]), "max_ms": ms(max(asked[1:]))},
        "completion": offered,
        "completion_without_daemon": alone,
        "python_pass_p50_ms": ms(statistics.median(nothing)),
    }


def _on_terminal(vragd: Vragd, text: str) -> float:
    """How long it takes, in seconds, from the start of the process until its end."""
    shown, status = "", -1

    def ask() -> None:
        nonlocal shown, status
        shown, status = on_terminal("query", text, env=vragd.env, cwd=vragd.home)

    took = timed(ask)
    assert status in (0, 1), shown
    assert status or ("\033[1" in shown and "\033]8;;" in shown), "colours and links"
    return took


def _completed(vragd: Vragd, line: str, *, any_: bool) -> dict[str, float]:
    """Of so many times, `any_`: with something that is offered."""
    script = Path(sys.executable).with_name("vragd")
    command = [*([str(script)] if script.exists() else [sys.executable, "-m", "vragd"]), "_complete", "bash"]
    took = []
    for _ in range(ROUNDS + 1):
        done: subprocess.CompletedProcess[bytes] | None = None

        def press() -> None:
            nonlocal done
            done = subprocess.run([*command, line, BREAKS], env=vragd.env, capture_output=True, check=True)

        took.append(timed(press))
        assert done is not None
        assert done.stderr == b""
        assert any(done.stdout.split(b"\0")[1:]) is any_, done.stdout[:200]
    return {**percentiles(took[1:]), "max_ms": ms(max(took[1:]))}
