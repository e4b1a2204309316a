"""What a daemon on a terminal tells people."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vragd.cli.running import tell

STORE = {
    "name": "notes", "notes": 103, "states": {}, "trouble": None, "sources": [], "degraded": [], "n_vectors_behind": 0,
}  # fmt: skip
READY: dict[str, Any] = {"stores": [STORE], "failed": [], "degraded": [], "pending": 0}


def told(*statuses: dict[str, Any] | None, n: int = 99) -> str:
    stream, given, ticks = io.StringIO(), iter(statuses), itertools.count(0, 2)
    waits: Iterator[int] = itertools.count(1)
    tell(lambda: next(given), stream, Path("/log"), lambda _: next(waits) > n, lambda: float(next(ticks)))
    return stream.getvalue()


def test_it_says_how_far_it_is_until_all_is_searchable() -> None:
    shown = told(
        None,
        READY | {"degraded": ["initial_scan"]},
        READY | {"pending": 100},
        READY | {"pending": 50, "left_s": 2.0},
        READY,
    )
    assert "50 %, about 2 s left" in shown
    assert shown.endswith("notes: 103 notes searchable after 2 s\nThe log is /log. Ctrl-C stops.\n")


def test_what_is_wrong_at_the_start_is_said() -> None:
    failed = {"name": "old", "code": "x", "message": "torn", "hint": ""}
    assert "but 1 store cannot be opened" in told(READY | {"failed": [failed], "degraded": ["store_failed"]})
    assert "Nothing is searched yet" in told(READY | {"stores": []})


def test_it_stops_when_it_is_told_to() -> None:
    assert told(None, None, n=2) == ""
    assert told(READY | {"pending": 100}, n=1).endswith("\r\033[K"), "what comes next has a line of its own"
