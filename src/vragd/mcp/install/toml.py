"""TOML, changed by lines: one table is put in or taken out, every byte elsewhere stays."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from vragd.mcp.install.jsonc import Unreadable


def value_of(text: str) -> dict[str, Any]:
    """What the text says, numbers with a point as their text: a nan is not equal to itself. Raises Unreadable."""
    try:
        return tomllib.loads(text, parse_float=str)
    except (ValueError, RecursionError) as error:  # the former also for a number of more digits than Python reads
        raise Unreadable(str(error)[:200]) from None


def entry_of(text: str, path: Sequence[str]) -> str | None:
    """The lines of the table with its heading, None where there is none. Raises Unreadable."""
    found = _lines_of(text, path)
    return "".join(found[1]) if found else None


def put(text: str, path: Sequence[str], value: Mapping[str, Any]) -> str:
    """
    The text with those keys in the table; what else the table has stays if it is of a program: Codex reads no file that
    has both a `command` and the `url` of a server elsewhere. Raises Unreadable.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    heading = f"[{'.'.join(path)}]{end}"
    said = [
        f"{key} = {json.dumps(one, ensure_ascii=False)}{end}" for key, one in value.items()
    ]  # JSON's texts are TOML's
    found = _lines_of(text, path)
    if found is None:
        _refuse_elsewhere(text, path)
        gap = "" if not text.strip() else end if text.endswith("\n") else end * 2
        return text + gap + heading + "".join(said)
    before, table, after = found
    others = _statements(table[1:])
    is_program = any("command" in _keys(lines) for lines in others)
    kept = [lines for lines in others if is_program and not _keys(lines) & set(value)]
    return "".join([*before, table[0], *said, *kept, *after])


def put_text(text: str, path: Sequence[str], entry: str) -> str:
    """The text with the table, which is there, as it is written in `entry`. Raises Unreadable."""
    found = _lines_of(text, path)
    assert found is not None
    return "".join([*found[0], entry, *found[2]])


def removed(text: str, path: Sequence[str]) -> str:
    """The text without the table; as it is, where there is none. Raises Unreadable."""
    found = _lines_of(text, path)
    if found is None:
        _refuse_elsewhere(text, path)
        return text
    before, _, after = found
    if before and not before[-1].strip() and not (after and after[0].strip()):
        before.pop()  # the one that was put before it
    return "".join([*before, *after])


def _refuse_elsewhere(text: str, path: Sequence[str]) -> None:
    """Raises Unreadable for a table that is written in another way: by dots, or within braces."""
    node: Any = value_of(text)
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    if node is not None:
        raise Unreadable(f"{'.'.join(path)} is there, and not as a table of its own")


def _lines_of(text: str, path: Sequence[str]) -> tuple[list[str], list[str], list[str]] | None:
    """The lines before the table, those of it (without what may belong to the next one), and those behind it."""
    value_of(text)
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    inside = _in_texts(lines)
    headings = [n for n, line in enumerate(lines) if n not in inside and line.lstrip().startswith("[")]
    start = next((n for n in headings if _is_heading(lines[n], path)), None)
    if start is None:
        return None
    end = next((n for n in headings if n > start and _heading(lines[n]) is not None), len(lines))
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return lines[:start], lines[start:end], lines[end:]


def _in_texts(lines: Sequence[str]) -> set[int]:
    """The lines that begin within a text or a list of several lines: what looks like a heading there is none."""
    found, begun = set[int](), ""
    for n, line in enumerate(lines):
        if begun:
            found.add(n)
        begun += line
        if _is_whole(begun):
            begun = ""
    return found


def _is_whole(lines: str) -> bool:
    try:
        tomllib.loads(lines)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _statements(lines: Sequence[str]) -> list[str]:
    found, begun = [], ""
    for line in lines:
        begun += line
        if _is_whole(begun):
            found.append(begun)
            begun = ""
    return [*found, begun] if begun else found


def _keys(statement: str) -> set[str]:
    try:
        return set(tomllib.loads(statement))
    except tomllib.TOMLDecodeError:
        return set()


def _heading(line: str) -> list[str] | None:
    """The names in a heading."""
    try:
        node: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    names = []
    while isinstance(node, dict | list) and node:
        node = node[0] if isinstance(node, list) else node
        if not node:
            break
        (name,) = node
        names.append(name)
        node = node[name]
    return names


def _is_heading(line: str, path: Sequence[str]) -> bool:
    return not line.lstrip().startswith("[[") and _heading(line) == list(path)
