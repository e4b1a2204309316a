"""
The properties of a note: YAML 1.2's core schema over a bounded stream of events, which never fails a note.

PyYAML's parser knows the syntax (that of 1.1 and 1.2 differs in nothing people write between `---`) and is built on
libyaml; its resolver is 1.1's, for which `no` is false, `12:30` is 750 and `2026-02-30` an error. So the events are
taken from it and the values are made here. A stream of events has no recursion, expands no alias and makes no object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import yaml

from vragd.notes import plain_yaml
from vragd.notes.model import Node, Value
from vragd.notes.optout import KEYS, Key, says_yes

MAX_BYTES, MAX_EVENTS, MAX_DEPTH, MAX_NUMBER = 256 * 1024, 50_000, 16, 400

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NO_LINE_ENDS = str.maketrans("\u2028\u2029\x85", "   ")  # they were in YAML 1.1
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?")
_CORE = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))
_PREFIX = re.compile(r"\A(?:[&!]\S*\s+)+")
_MARKED = ("tags", "tag", "aliases", "alias", "cssclasses", "cssclass")


class _TooMuch(Exception):
    """More than a note's properties are."""


@dataclass(slots=True)
class Properties:
    """
    What stands between the `---`. `values` by name in lower case. `texts` are the values as written, with their lines
    counted from 0 at the first one below `---`. `noes` are the keys they say no by.
    """

    values: dict[str, Value] = field(default_factory=dict)
    texts: list[tuple[str, int]] = field(default_factory=list)
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    title: str = ""
    remarks: tuple[str, ...] = ()
    noes: tuple[Key, ...] = ()


def load(text: str) -> Properties | None:
    """The properties in `text`; None if it is no YAML mapping, or larger or deeper than properties are."""
    if len(text) > MAX_BYTES:
        return None
    nodes = plain_yaml.read(text)
    if nodes is None:
        nodes = parsed(text)
    if nodes is None:
        return None
    found = _properties(nodes)
    found.noes = tuple(key for key in KEYS if _says_no(key, nodes, text))
    return found


def _is_no(key: Key, name: str, node: Node) -> bool:
    return key.is_named(name) and (node.items is not None or node.nested or not says_yes(node.text))


def _says_no(key: Key, nodes: Mapping[str, Node], text: str) -> bool:
    if any(_is_no(key, name, node) for name, node in nodes.items()):
        return True
    # what is merged into a mapping is not made here; where it comes from is looked at line by line
    return "<<" in nodes and key.says_no_anywhere(text.split("\n"))


def parsed(text: str) -> dict[str, Node] | None:
    """The values in `text` by name in lower case; None if it is no mapping, or too much of one."""
    try:
        return _mapping(text.translate(_NO_LINE_ENDS))
    except (yaml.YAMLError, _TooMuch, RecursionError, ValueError, OverflowError):
        return None


# -- events to nodes ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Anchors:
    """Nodes by the names they were given, and how many more characters aliases may stand for."""

    nodes: dict[str, Node] = field(default_factory=dict)
    left: int = MAX_BYTES

    def meant(self, name: str) -> Node | None:
        """What an alias stands for: one text, or a list of such."""
        node = self.nodes.get(name)
        if node is None or any(item.items is not None for item in node.items or ()):
            return None
        size = sum(1 + len(item.text) for item in node.items or (node,))
        if size > self.left:
            return None
        self.left -= size
        return node


def _mapping(text: str) -> dict[str, Node] | None:
    events = _bounded(yaml.parse(text, Loader=_Loader))
    for event in events:
        if isinstance(event, yaml.MappingStartEvent):
            break
        if isinstance(event, yaml.ScalarEvent) and event.value == "":
            return {}
        if isinstance(event, yaml.NodeEvent):
            return None
        if isinstance(event, yaml.StreamEndEvent):
            return {}
    else:
        return None
    found: dict[str, Node] = {}
    anchors = _Anchors()
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        key = _node(event, events, text, anchors, 1)
        value = _node(next(events), events, text, anchors, 1)
        name = _named(key)
        # the first counts, but a no is never hidden
        if name not in found or any(_is_no(key, name, value) for key in KEYS):
            found[name] = value
    for _ in events:
        pass  # what is broken behind it is broken
    return found


def _named(key: Node) -> str:
    """The name of a property: of a key that is a list or a mapping, what it looks like on one line."""
    if key.items is not None:
        return f"[{', '.join(map(_named, key.items))}]"
    return (" ".join(key.text.split()) if key.nested else key.text.strip()).lower()


def _bounded(events: Iterable[yaml.Event]) -> Iterator[yaml.Event]:
    for n, event in enumerate(events):
        if n >= MAX_EVENTS:
            raise _TooMuch
        yield event


def _node(
    event: yaml.Event, events: Iterator[yaml.Event], text: str, anchors: _Anchors, depth: int
) -> Node:  # fmt: skip
    if depth > MAX_DEPTH:
        raise _TooMuch
    begin = event.start_mark
    assert begin is not None
    line = begin.line
    if isinstance(event, yaml.AliasEvent):
        return anchors.meant(event.anchor or "") or Node(f"*{event.anchor}", line)
    if isinstance(event, yaml.ScalarEvent):
        plain = event.style is None or event.style == ""
        tagged = event.tag is not None and not event.implicit[0] and not event.implicit[1]
        node = Node(event.value, line, plain and not tagged)
        if tagged and event.tag != "tag:yaml.org,2002:str":
            node.plain = plain or event.tag in _CORE
    elif isinstance(event, yaml.SequenceStartEvent):
        node = Node("", line, items=[])
        assert node.items is not None
        while not isinstance(inner := next(events), yaml.SequenceEndEvent):
            node.items.append(_node(inner, events, text, anchors, depth + 1))
    else:
        end = event
        while not isinstance(end, yaml.MappingEndEvent):
            end = next(events)
            if isinstance(end, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                _node(end, events, text, anchors, depth + 1)
                end = event
        last = end.end_mark
        assert last is not None
        node = Node(_PREFIX.sub("", text[begin.index : last.index].strip()), line, nested=True)
    if anchor := getattr(event, "anchor", None):
        anchors.nodes[anchor] = node
    return node


# -- nodes to values ---------------------------------------------------------------------------------


def _properties(nodes: Mapping[str, Node]) -> Properties:
    found = Properties()
    remarks: list[str] = []
    for name, node in nodes.items():
        found.texts += _texts(node)
        if name not in _MARKED:
            found.values[name] = _value(node)
    for name, singular in (("tags", "tag"), ("aliases", "alias"), ("cssclasses", "cssclass")):
        listed, legacy = _listed(nodes, name, singular)
        if legacy:
            remarks.append(f"legacy_{name}")
        if listed or name in nodes or singular in nodes:
            found.values[name] = listed
    tags = found.values.get("tags") or ()
    aliases = found.values.get("aliases") or ()
    assert isinstance(tags, tuple)
    assert isinstance(aliases, tuple)
    found.tags = tuple(str(tag) for tag in tags)
    found.aliases = tuple(str(alias) for alias in aliases)
    title = nodes.get("title")
    if title is not None and title.items is None and not title.nested and "<%" not in title.text:
        named = None if title.plain and title.text in _SPECIAL else title.text
        found.title = " ".join(named.split()) if named else ""
    found.remarks = tuple(remarks)
    return found


def _texts(node: Node, *, nested: bool = True) -> Iterator[tuple[str, int]]:
    if node.items is None:
        if node.text and (nested or not node.nested) and not (node.plain and _SPECIAL.get(node.text, "") is None):
            yield node.text, node.line
    else:
        for item in node.items:
            yield from _texts(item, nested=nested)


def _listed(nodes: Mapping[str, Node], name: str, singular: str) -> tuple[tuple[str, ...], bool]:
    """A list property, and whether it is written as Obsidian took it before 1.9."""
    found: list[str] = []
    legacy = singular in nodes
    for node in (nodes.get(name), nodes.get(singular)):
        if node is None or node.nested:
            continue  # a mapping has no names in it
        if node.items is None:
            parts = re.split(r"[,\s]+" if name == "tags" else r",", node.text)
            written = [] if node.plain and _SPECIAL.get(node.text, "") is None else parts
            legacy = legacy or bool(written)
        else:
            written = [text for text, _ in _texts(node, nested=False)]
        found += [part for part in (each.strip().lstrip("#" if name == "tags" else "") for each in written) if part]
    return tuple(dict.fromkeys(found)), legacy


def _value(node: Node) -> Value:
    if node.items is not None:
        return tuple(_value(item) for item in node.items)
    return scalar(node.text) if node.plain else node.text


def scalar(text: str) -> Value:
    """A plain scalar by the core schema; and a day or a time of one as Obsidian takes it."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    first = text[0]
    if len(text) > MAX_NUMBER:
        return text
    if first.isdigit() or first in "+-.":
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        if _BASED.fullmatch(text):
            return int(text[2:], 8 if text[1] == "o" else 16)
        return _moment(text, text)
    return text


def _moment(text: str, otherwise: Value) -> Value:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if _DATETIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass  # 2026-02-30
    return otherwise
