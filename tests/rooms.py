"""
`python -m tests.rooms`: which rooms of `src/vragd` import which, and what needs more than the standard library.

A room is a package; `system` is everybody's and not counted. `terms`, the words that rooms share, is counted, and left
out of a second count. Exits 1 above the bound, where two rooms import each other, and for a library where none belongs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MOST_PAIRS = 35
EVERYBODYS, SHARED = "system", "terms"
STANDARD_ONLY = ("errors.py", "client.py", "system")
EXCEPT = {"system/log.py": {"structlog", "xxhash"}, "system/machine.py": {"xxhash"}, "system/packed.py": {"numpy"},
          "system/sqlite.py": {"apsw"}}  # fmt: skip


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules of vragd that a module imports, wherever in it that stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module: str, rooms: frozenset[str]) -> str | None:
    """`store` for `vragd.store.verify`; None for what is no room of ours."""
    parts = module.split(".")
    return parts[1] if parts[0] == "vragd" and len(parts) > 1 and parts[1] in rooms else None


def pairs(src: Path) -> set[tuple[str, str]]:
    """Each (room, room that it imports)."""
    rooms = frozenset(p.parent.name for p in src.glob("*/__init__.py"))
    found = set()
    for path in sorted(src.rglob("*.py")):
        room = path.relative_to(src).parts[0]
        if room in rooms:
            names = imported(ast.parse(path.read_text("utf-8")))
            found |= {(room, other) for name in names if (other := room_of(name, rooms)) and other != room}
    return {pair for pair in found if EVERYBODYS not in pair}


def foreign(src: Path) -> list[str]:
    """The libraries that modules import which are to do without."""
    found = []
    for place in STANDARD_ONLY:
        for path in sorted((src / place).rglob("*.py")) or [src / place]:
            name = path.relative_to(src).as_posix()
            used = {module.partition(".")[0] for module in imported(ast.parse(path.read_text("utf-8")))}
            extra = used - sys.stdlib_module_names - {"vragd"} - EXCEPT.get(name, set())
            found += [f"{name} imports {library}" for library in sorted(extra)]
    return found


def main(root: Path = Path()) -> int:
    found = pairs(root / "src/vragd")
    for room in sorted({room for room, _ in found}):
        print(f"{room:>10} -> {' '.join(sorted(other for one, other in found if one == room))}")
    both = sorted(pair for pair in found if pair[::-1] in found and pair[0] < pair[1])
    for one, other in both:
        print(f"{one} and {other} import each other")
    libraries = foreign(root / "src/vragd")
    apart = sum(SHARED not in pair for pair in found)
    print("".join(f"{line}\n" for line in libraries), end="")
    print(f"rooms: {len(found)} pairs, at most {MOST_PAIRS}; {apart} without {SHARED}")
    return 1 if both or libraries or len(found) > MOST_PAIRS else 0


if __name__ == "__main__":
    sys.exit(main())
