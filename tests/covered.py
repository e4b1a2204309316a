"""
`python -m tests.covered ...`: pytest with these arguments, and the share of each room that it and its children ran.

Exits 1 if a room is below 80 % or has fallen; `--record` as the first argument writes down what they have now. A
process that is killed takes its lines with it. The closing line of pytest comes last.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import coverage

LEAST = 80.0
GIVES_WAY = 1.0
"""Points a room may fall: who is killed before it says what it ran differs from run to run."""
DATA = "lines"
"""Each process adds to this name who it is."""
ROOT = Path(__file__).parents[1]
RECORD = Path(__file__).with_name("covered.json")


def room(file: str) -> str:
    """The room a file is in: its folder, or its own name where it is a public module."""
    return Path(file).relative_to("src/vragd").parts[0]


def shares(files: dict[str, tuple[int, int]]) -> dict[str, float]:
    """Per cent of the lines that ran, by room, of (lines, lines that ran) by file."""
    sums: dict[str, tuple[int, int]] = {}
    for file, (n, n_ran) in files.items():
        before = sums.get(room(file), (0, 0))
        sums[room(file)] = (before[0] + n, before[1] + n_ran)
    return {name: round(100 * n_ran / n, 1) for name, (n, n_ran) in sorted(sums.items()) if n}


def complaints(now: dict[str, float], before: dict[str, float]) -> list[str]:
    """The rooms that are too low, or lower than they were."""
    found = [f"{name}: {share} %, at least {LEAST} %" for name, share in now.items() if share < LEAST]
    fallen = ((name, share, now.get(name, share)) for name, share in before.items())
    found += [f"{name}: {is_now} %, it was {was} %" for name, was, is_now in fallen if is_now < was - GIVES_WAY]
    return found


def measured(folder: Path) -> dict[str, tuple[int, int]]:
    """(lines, lines that ran) by file, of all processes that left their data in `folder`."""
    whole = coverage.Coverage(data_file=str(folder / DATA), config_file=str(ROOT / "pyproject.toml"))
    whole.combine([str(folder)])
    report = folder / "report.json"
    whole.json_report(outfile=str(report), ignore_errors=True)  # copies of the tree are gone by now
    files = json.loads(report.read_text())["files"]
    return {
        name: (of["summary"]["num_statements"], of["summary"]["covered_lines"])
        for name, of in files.items()
        if name.startswith("src/vragd/") and not name.startswith("src/vragd/__")
    }


def not_tried() -> tuple[str, ...]:
    """Folders of what wants a server that cannot be had here: no test could run their lines."""
    from tests.servers.postgres.server import settings

    found = settings()
    if not isinstance(found, str):
        return ()
    print(f"coverage: backends/pgvector is not counted: {found}")
    return ("src/vragd/backends/pgvector/",)


def run(arguments: list[str], folder: Path) -> tuple[int, str]:
    """pytest's status, and its closing line, which is not printed."""
    core = {"COVERAGE_CORE": "sysmon"} if sys.version_info >= (3, 12) else {}
    command = [sys.executable, "-m", "coverage", "run", f"--data-file={folder / DATA}", "-m", "pytest", *arguments]
    closing = ""
    with subprocess.Popen(command, env=os.environ | core, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(closing, end="", flush=True)
            closing = line
    return process.returncode, closing


def main(arguments: list[str]) -> int:
    record = arguments[:1] == ["--record"]
    with tempfile.TemporaryDirectory(prefix="vragd-coverage-") as place:
        Path(place).chmod(0o777)  # some of the children are other users
        status, closing = run(arguments[record:], Path(place))
        n_processes = len(list(Path(place).iterdir()))
        left_out = not_tried()
        now = shares({file: lines for file, lines in measured(Path(place)).items() if not file.startswith(left_out)})
    before: dict[str, float] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    found = [] if record else complaints(now, before)
    if record:
        RECORD.write_text(json.dumps(now, indent=2) + "\n")
    print(f"coverage: lines that ran, of {n_processes} processes")
    print("\n".join(f"  {name:<12} {share:5.1f} %" for name, share in now.items()))
    print("".join(f"coverage: {each}\n" for each in found), end="")
    print(closing, end="", flush=True)
    return status or bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
