"""`python -m tests.soak [--minutes 10] [--seed N] [--backend faiss|s3vectors] [--json]`. Exits 1 for a divergence."""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import signal
import sys

from tests.soak.report import report, summary
from tests.soak.run import PLANTS, Options, Soak


def main(arguments: list[str] | None = None) -> int:
    """Run, say what was found; 0 if nothing was."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long; 40 %% with kills, 60 %% without")
    parser.add_argument("--seed", type=int, help="of every random choice (their timing is the machine's)")
    parser.add_argument("--backend", choices=("faiss", "s3vectors"), default="s3vectors", help="of the second store")
    parser.add_argument("--json", action="store_true", help="only the JSON line on standard output")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between comparisons")
    parser.add_argument("--small", action="store_true", help="a few generated notes, without the bundled vault")
    parser.add_argument("--keep", action="store_true", help="keep the folder also when nothing was found")
    parser.add_argument("--plant", choices=sorted(PLANTS), default="", help="a fault of our own that must be found")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends us, no daemon is left behind
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    soak = Soak(Options(given.minutes, seed, given.backend, given.every, given.small, given.plant, given.keep))
    print(f"soak: seed {seed}, in {soak.home}", file=sys.stderr, flush=True)
    try:
        soak.run()
    except AssertionError as error:
        soak.findings.add("soak_failed", expected="a run to its end", found=error)
    said = report(soak)
    print(summary(said), file=sys.stderr if given.json else sys.stdout)
    print(json.dumps(said, ensure_ascii=False))
    if said["kept_in"] is None:
        shutil.rmtree(soak.home, ignore_errors=True)
    return 0 if said["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
