"""
`python -m tests.seams`: where tests reach for what is not offered to them. Exits 1 when it has become more.

A patched attribute and another object's private field are each a sign that a parameter is missing. `--list` names them.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

MAX_PATCHED, MAX_PRIVATE = 43, 20
"""May be lowered."""
OFFERED = frozenset({"_exit", "_replace", "_asdict", "_fields", "_make"})
"""Begin like private names, and are not."""


def patched(tree: ast.AST) -> list[int]:
    """The lines of calls of `monkeypatch.setattr`, under whatever name, and of `mock.patch`."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    names = (".setattr", "mock.patch", "patch.object")
    return [node.lineno for node in calls if ast.unparse(node.func).endswith(names)]


def private(tree: ast.AST) -> list[int]:
    """The lines that touch a private attribute of anything but `self`, `cls` and `super()`."""
    return sorted(
        {
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr.startswith("_")
            and not node.attr.startswith("__")
            and node.attr not in OFFERED
            and ast.unparse(node.value) not in ("self", "cls", "super()")
        }
    )


def count(folder: Path) -> tuple[list[str], list[str]]:
    """`file:line` of what is patched and of what is private, below `folder`."""
    found: tuple[list[str], list[str]] = ([], [])
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for lines, into in zip((patched(tree), private(tree)), found, strict=True):
            into += [f"{path}:{line}" for line in lines]
    return found


def main(folder: Path = Path("tests")) -> int:
    for_patches, for_fields = count(folder)
    rows = (("patched attributes", for_patches, MAX_PATCHED), ("lines with private fields", for_fields, MAX_PRIVATE))
    status = 0
    for what, found, most in rows:
        print(f"seams: {len(found)} {what}, at most {most}")
        if len(found) > most or "--list" in sys.argv:
            print("\n".join(f"  {place}" for place in found))
        status |= len(found) > most
    return status


if __name__ == "__main__":
    sys.exit(main())
