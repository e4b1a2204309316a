"""JSON Canvas 1.0: each card of text is read as Markdown below the label of its group; files are links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from vragd.notes.markdown import decode
from vragd.notes.model import Chunk, LeftOut, Link, Marks, Note, NotIndexable
from vragd.notes.page import Page, read_page
from vragd.notes.properties import Properties
from vragd.notes.readers.markdown import note_of

MAX_NODES = 20_000
_ID = re.compile(r'"id"\s*+:\s*+"((?:[^"\\]|\\.)*+)"')


def read(data: bytes, stem: str) -> Note:
    """The canvas in `data`; a chunk's lines are those of its card's record. Raises NotIndexable for what is none."""
    text, lossy = decode(data)
    try:
        canvas = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        raise NotIndexable("broken_canvas") from None
    if not isinstance(canvas, dict):
        raise NotIndexable("broken_canvas")
    nodes, edges = _records(canvas, "nodes"), _records(canvas, "edges")
    lines = _lines(text)
    page, links, tags = Page(), list[Link](), list[str]()
    left_out = list[LeftOut]()
    groups = [node for node in nodes if node.get("type") == "group" and _text(node, "label")]
    for node in nodes:
        line = lines.get(str(node.get("id")), 1)
        kind = node.get("type")
        if kind == "text":
            card = read_page(_text(node, "text").replace("\r\n", "\n").split("\n"))
            page.chunks += _placed(card.chunks, _group(node, groups), line)
            links += (replace(link, line=line) for link in card.marks.links)
            tags += card.tags
            page.words += card.words
            left_out += card.left_out
        elif kind == "file" and (target := _text(node, "file")):
            links.append(Link(target, line, "canvas", _text(node, "subpath").lstrip("#"), embed=True))
        elif kind == "link":
            page.words.append(_text(node, "url"))
        elif kind == "group":
            page.words.append(_text(node, "label"))
    page.words += (_text(edge, "label") for edge in edges)
    page.words = [words for words in page.words if words]
    page.tags, page.marks, page.left_out = tags, Marks(links=tuple(links)), tuple(left_out)
    said = "\n\n".join([*(_text(node, "text").replace("\r\n", "\n") for node in nodes), *page.words])
    return note_of(page, stem, Properties(), lossy, said)


def _records(canvas: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = canvas.get(name)
    return [each for each in found if isinstance(each, dict)][:MAX_NODES] if isinstance(found, list) else []


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""  # JSON may hold half a pair


def _lines(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    at, line = 0, 1
    for match in _ID.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        found.setdefault(match[1], line)
    return found


def _placed(chunks: list[Chunk], group: tuple[str, ...], line: int) -> Iterator[Chunk]:
    for chunk in chunks:
        yield replace(chunk, heading=(*group, *chunk.heading), lines=(line, line))


def _group(node: Mapping[str, Any], groups: list[dict[str, Any]]) -> tuple[str, ...]:
    """The label of the smallest group around the node."""
    box = _box(node)
    around = [(w * h, label) for group in groups if (label := _text(group, "label"))
              for x, y, w, h in [_box(group)]
              if x <= box[0] and y <= box[1] and box[0] + box[2] <= x + w and box[1] + box[3] <= y + h]  # fmt: skip
    return (min(around)[1],) if around else ()


def _box(node: Mapping[str, Any]) -> tuple[float, float, float, float]:
    x, y, width, height = (
        value if isinstance(value := node.get(name), int | float) else 0 for name in ("x", "y", "width", "height")
    )
    return x, y, width, height
