"""What was found to be wrong, said at once; and the clock of a run."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

MOST = 200


class Findings:
    """Divergences of one run. Thread-safe; the same one is told once."""

    def __init__(self, seed: int) -> None:
        self.seed, self.began = seed, time.monotonic()
        self.found: list[dict[str, Any]] = []
        self._seen: set[tuple[str, str, str]] = set()
        self._lock = threading.Lock()

    @property
    def at(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def __len__(self) -> int:
        return len(self.found)

    def add(self, kind: str, store: str = "", path: str = "", *, expected: object = "", found: object = "") -> None:
        """Say what diverges."""
        with self._lock:
            if (kind, store, path) in self._seen or len(self.found) >= MOST:
                return
            self._seen.add((kind, store, path))
            row = {
                "kind": kind, "store": store, "path": path, "expected": str(expected)[:2000],
                "found": str(found)[:2000], "at_s": round(self.at, 1), "seed": self.seed,
            }  # fmt: skip
            self.found.append(row)
        print(f"DIVERGENCE {json.dumps(row, ensure_ascii=False)}", file=sys.stderr, flush=True)
