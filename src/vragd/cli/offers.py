"""What could be imported, and what was: said by `init`, `add`, `status` and `query`. Nothing is imported unasked."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from vragd.cli.commands import spelt
from vragd.cli.connect import data_dir_of
from vragd.cli.render import ago, out, out_whole, sized, within

PER_S, BYTES_PER_S, BYTES_EACH = 1_000, 50e6, 4_000
"""Passages that are put, and bytes that are read, a second; bytes that one takes: guesses, on the small side."""
MOST = 3
COMMAND = "  vragd import "
CALLED = {"llamaindex": "LlamaIndex", "chroma": "Chroma", "vector-rag-tool": "vector-rag-tool"}


def seconds_for(size: int, count: int | None = None) -> float:
    """About how long an import takes of so many bytes, and at most where nobody knows how many passages they are."""
    return 1 + (size / BYTES_EACH if count is None else count) / PER_S + size / BYTES_PER_S


def offers(data_dir: Path, folders: Sequence[Path]) -> list[str]:
    """
    What other programs keep in these folders or near them and was not imported yet; two lines each, of which the second
    is a command.
    """
    from vragd.stores.moves.nearby import found_near, imported_names, origins

    known = origins(data_dir)
    found = [one for one in found_near(folders) if one.path.resolve() not in known]
    taken = {*imported_names(data_dir), *(folder.name for folder in (data_dir / "stores").glob("*"))}
    lines = []
    for one in found[:MOST]:
        name = _name_for(one.path, one.kind, taken)
        taken.add(name)
        size, took = sized(one.size), ago(seconds_for(one.size))
        lines += [
            f"{one.path} is of {CALLED[one.kind]} ({size}): its vectors can be searched, too, in about {took} at most:",
            f"{COMMAND}{one.kind} {shell_word(str(one.path))} -s {name}",
        ]
    if len(found) > MOST:
        lines.append(f"and {len(found) - MOST:,} more folders of that kind are near")
    return [within(line) for line in lines]


def print_offers(lines: Sequence[str], indent: str = "") -> None:
    """`offers` for people: a command as long as it is."""
    for line in lines:
        (out_whole if line.startswith(COMMAND) else out)(indent + spelt(line))


def shell_word(text: str) -> str:
    """Text as shells take it, in characters that can be seen, and that are moved by nobody."""
    if text.isprintable():
        return shlex.quote(text)
    escaped = (
        f"\\{char}" if char in "\\'" else char if char.isprintable()
        else "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
        for char in text
    )  # fmt: skip
    return f"$'{''.join(escaped)}'"


def _name_for(path: Path, kind: str, taken: Collection[str]) -> str:
    """What the store could be called: as its folder, if that is a name, and no other is called so."""
    name = re.sub(r"[^a-z0-9.-]+", "-", path.name.lower()).strip(".-")[:50]
    if len(name) < 3:
        name = kind
    return next(one for one in (name, *(f"{name}-{i}" for i in range(2, 1_000))) if one not in taken)


def asked_by_name(data_dir: Path) -> str:
    """That imported stores are asked by name alone, if there are any; "" otherwise."""
    if not (data_dir / "imported").is_dir():
        return ""
    from vragd.stores.moves.nearby import imported_names

    names = imported_names(data_dir)
    more = f" and {len(names) - MOST:,} more" if len(names) > MOST else ""
    return within(f"imported, and asked by name alone (-s NAME): {', '.join(names[:MOST])}{more}") if names else ""


def not_asked(args: argparse.Namespace) -> str:
    """`asked_by_name`, for a question that named no store."""
    return "" if args.store else asked_by_name(data_dir_of(args))
