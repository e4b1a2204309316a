"""
`python -m tests.sizes`: modules of at most 400 lines, functions that fit a screen. Exits 1 and names what does not.
"""

from __future__ import annotations

import ast
import math
import sys
from pathlib import Path

MAX_MODULE, MAX_FUNCTION, P95_FUNCTION = 400, 60, 45
FOLDERS = ("src/vragd", "tests", "bench")


def functions(tree: ast.AST) -> list[tuple[str, int]]:
    """Name and length in lines of every function."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]


def complaints(root: Path) -> list[str]:
    """What is too long below `root`."""
    found, lengths = [], []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            text = path.read_text("utf-8")
            if (n := text.count("\n")) > MAX_MODULE:
                found.append(f"{path.relative_to(root)}: {n} lines, at most {MAX_MODULE}")
            for name, length in functions(ast.parse(text)):
                lengths.append(length)
                if length > MAX_FUNCTION:
                    found.append(f"{path.relative_to(root)}: {name} has {length} lines, at most {MAX_FUNCTION}")
    lengths.sort()
    if lengths and (p95 := lengths[math.ceil(0.95 * len(lengths)) - 1]) > P95_FUNCTION:
        found.append(f"19 of 20 functions have up to {p95} lines, at most {P95_FUNCTION}")
    return found


def main(root: Path = Path()) -> int:
    found = complaints(root)
    print("\n".join(found) or "sizes: fine")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
