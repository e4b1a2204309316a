"""
A source put into the text of a configuration, or taken out. Every other byte stays: comments, order, quotes.

The text is changed where the parser that reads it says that things stand, and read again: what it says then must be
what it said before, and the change. Otherwise nothing is changed, and who asked is told the line.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from vragd.errors import ConfigError

Document = dict[str, Any]


def with_source(text: str, file: str, store: str, source: Mapping[str, str]) -> str:
    """`text` with `source` as the last one of `store`, which is made if need be. Raises ConfigError."""
    entry = _Entry(source, "\r\n" if "\r\n" in text else "\n")

    def change(document: Document) -> None:
        stores = document["stores"] = document.get("stores") or {}
        found = stores[store] = stores.get(store) or {}
        found["sources"] = [*(found.get("sources") or []), dict(source)]

    return _checked(text, _put(text, file, store, entry), change, file, f"add {json.dumps(source['path'])} there")


def without_source(text: str, file: str, store: str, number: int) -> str:
    """`text` without source `number` of `store`, counted from 0. Raises ConfigError."""

    def change(document: Document) -> None:
        del document["stores"][store]["sources"][number]

    return _checked(text, _take(text, file, store, number), change, file, "take it out there")


def quoted(text: str) -> str:
    """`text` as a scalar that YAML 1.1 and 1.2 read alike. Raises ConfigError for what is no text."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError(f"{text!r} is not UTF-8, which a configuration is", hint="give it another name") from None
    return json.dumps(text, ensure_ascii=not text.isprintable())


class _Entry:
    """A source as lines of a block, or within a line."""

    def __init__(self, source: Mapping[str, str], end: str) -> None:
        self._said = [f"{key}: {quoted(value)}" for key, value in source.items()]
        self.end = end

    def block(self, column: int) -> str:
        """As an item whose dash stands at `column`."""
        first, *rest = self._said
        margin = " " * column
        return "".join(f"{line}{self.end}" for line in (f"{margin}- {first}", *(f"{margin}  {one}" for one in rest)))

    def inline(self) -> str:
        return "{" + ", ".join(self._said) + "}"


def _put(text: str, file: str, store: str, entry: _Entry) -> str:
    root = _composed(text, file)
    end, step = entry.end, "  "
    if root is None:
        start = text if not text or text.endswith("\n") else text + end
        return f"{start}stores:{end}{step}{store}:{end}{step * 2}sources:{end}{entry.block(6)}"
    _, stores = _child(root, "stores", file)
    if stores is None:
        return _after(text, root, f"stores:{end}{step}{store}:{end}{step * 2}sources:{end}{entry.block(6)}", end)
    if _is_empty(stores):
        return _instead(text, stores, f"{step}{store}:{end}{step * 2}sources:{end}{entry.block(6)}", end)
    column = _column(stores, file)
    margin = " " * column
    _, found = _child(stores, store, file)
    if found is None:
        return _after(text, stores, f"{margin}{store}:{end}{margin}{step}sources:{end}{entry.block(column + 4)}", end)
    if _is_empty(found):
        return _instead(text, found, f"{margin}{step}sources:{end}{entry.block(column + 4)}", end)
    inner = _column(found, file)
    _, sources = _child(found, "sources", file)
    if sources is None:
        at = _line_start(text, found.start_mark.index)
        return text[:at] + f"{' ' * inner}sources:{end}{entry.block(inner + 2)}" + text[at:]
    if _is_empty(sources):
        return _instead(text, sources, entry.block(inner + 2), end)
    if not isinstance(sources, yaml.SequenceNode):
        raise _by_hand(file, sources)
    if sources.flow_style:
        at = sources.end_mark.index - 1
        return text[:at].rstrip(", ") + ", " + entry.inline() + text[at:]
    column = sources.start_mark.column
    return _after(text, sources, entry.block(column), end, deeper_than=column)


def _take(text: str, file: str, store: str, number: int) -> str:
    found = _composed(text, file)
    for name in ("stores", store):
        _, found = _child(found, name, file) if found else (None, None)
    key, sources = _child(found, "sources", file) if found else (None, None)
    if key is None or not isinstance(sources, yaml.SequenceNode) or sources.flow_style:
        raise _by_hand(file, sources)
    item = sources.value[number]
    dash = text.rfind("-", 0, item.start_mark.index)
    start, stop = _line_start(text, dash), _line_end(text, _last(item))
    if dash < 0 or text[start:dash].strip():
        raise _by_hand(file, item)
    without = text[:start] + text[stop:]
    if len(sources.value) > 1:
        return without
    colon = text.index(":", key.end_mark.index) + 1
    return without[:colon] + " []" + without[colon:]


def _composed(text: str, file: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not valid YAML: {error}", hint="vragd config check names the line") from None


def _child(node: yaml.Node, name: str, file: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    """The key `name` of a mapping and its value."""
    if not isinstance(node, yaml.MappingNode):
        raise _by_hand(file, node)
    return next(((key, value) for key, value in node.value if key.value == name), (None, None))


def _column(node: yaml.Node, file: str) -> int:
    """How far in the keys of a mapping stand."""
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        raise _by_hand(file, node)
    return int(node.start_mark.column)


def _is_empty(node: yaml.Node) -> bool:
    return not node.value or (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"))


def _after(text: str, node: yaml.Node, lines: str, end: str, *, deeper_than: int | None = None) -> str:
    """`lines` behind what is in `node` and comments further in than its column, which are about its last item."""
    column = node.start_mark.column if deeper_than is None else deeper_than
    at = _line_end(text, _last(node))
    while at < len(text):
        line = text[at : _line_end(text, at)]
        if not line.lstrip(" ").startswith("#") or len(line) - len(line.lstrip(" ")) <= column:
            break
        at += len(line)
    before = text[:at] if text[:at].endswith("\n") else text[:at] + end
    return before + lines + text[at:]


def _instead(text: str, node: yaml.Node, lines: str, end: str) -> str:
    """`lines` below the key whose value, `node`, says nothing."""
    start, stop = node.start_mark.index, node.end_mark.index
    line_end = _line_end(text, start)
    kept = text[:start].rstrip(" ") + text[stop:line_end] if stop <= line_end else text[:start]
    return (kept if kept.endswith("\n") else kept + end) + lines + text[max(stop, line_end) :]


def _last(node: yaml.Node) -> int:
    """A place on the last line of what is in `node`."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        key, value = last if isinstance(last, tuple) else (last, last)
        begins: int = key.start_mark.index
        return max(_last(value), begins)
    is_lines = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    end: int = node.end_mark.index
    return end - is_lines


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """Behind the end of the line that `at` is on."""
    return found + 1 if (found := text.find("\n", at)) >= 0 else len(text)


def _checked(text: str, changed: str, change: Callable[[Document], None], file: str, what: str) -> str:
    """`changed`, if it says what `text` says with `change`."""
    expected = copy.deepcopy(yaml.safe_load(text) or {})
    change(expected)
    try:
        found = yaml.safe_load(changed)
    except (yaml.YAMLError, ValueError):
        found = None
    if found != expected:
        raise ConfigError(f"{file} is written in a way that is not changed by itself", hint=f"edit it: {what}")
    return changed


def _by_hand(file: str, node: yaml.Node | None) -> ConfigError:
    line = f":{node.start_mark.line + 1}" if node is not None else ""
    return ConfigError(f"{file}{line} is written in a way that is not changed by itself", hint="edit it there")
