"""
JSON with comments and trailing commas, changed at one place: every byte elsewhere stays.

A text is scanned into nodes that know where they stand; what is put in or taken out is told by positions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

_SPACE = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_REST_OF_LINE = re.compile(r"(?:[ \t]|/\*[^\n]*?\*/)*(?://[^\r\n]*)?(?=\r?\n)")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_PLAIN = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")


class Unreadable(Exception):
    """What a text is wrong by, with its line."""


class Node:
    """A value, which is `text[start:end]`. `members` are those of an object, `comma` is the place of a trailing one."""

    def __init__(self, start: int, end: int, value: Any) -> None:
        self.start, self.end, self.value = start, end, value
        self.members: list[Member] = []
        self.comma: int | None = None

    def member(self, name: str) -> Member | None:
        """The last of that name, as parsers have it."""
        return next((one for one in reversed(self.members) if one.name == name), None)


class Member:
    """A name and its value; `start` is that of the name."""

    def __init__(self, name: str, start: int, node: Node) -> None:
        self.name, self.start, self.node = name, start, node


def scan(text: str) -> Node:
    """The text as nodes. Raises Unreadable."""
    try:
        node = _Scanner(text).value(_past_space(text, 0))
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    if (rest := _past_space(text, node.end)) < len(text):
        raise _wrong(text, rest)
    return node


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, at: int) -> Node:
        text = self._text
        if text.startswith("{", at):
            return self._object(at)
        if text.startswith("[", at):
            return self._array(at)
        if match := _STRING.match(text, at):
            return Node(at, match.end(), self._decoded(match))
        if match := _PLAIN.match(text, at):
            return Node(at, match.end(), self._decoded(match))
        raise _wrong(text, at)

    def _decoded(self, match: re.Match[str]) -> Any:
        try:
            return json.loads(match[0])
        except ValueError:  # an escape that is none, a number of more digits than Python reads
            raise _wrong(self._text, match.start()) from None

    def _object(self, at: int) -> Node:
        text, node = self._text, Node(at, at, {})
        at = _past_space(text, at + 1)
        while not text.startswith("}", at):
            match = _STRING.match(text, at)
            if match is None:
                raise _wrong(text, at)
            colon = _past_space(text, match.end())
            if not text.startswith(":", colon):
                raise _wrong(text, colon)
            value = self.value(_past_space(text, colon + 1))
            member = Member(self._decoded(match), at, value)
            node.members.append(member)
            node.value[member.name] = value.value
            at = self._past_comma(node, value.end, "}")
        node.end = at + 1
        return node

    def _array(self, at: int) -> Node:
        text, node = self._text, Node(at, at, [])
        at = _past_space(text, at + 1)
        while not text.startswith("]", at):
            value = self.value(at)
            node.value.append(value.value)
            at = self._past_comma(node, value.end, "]")
        node.end = at + 1
        return node

    def _past_comma(self, node: Node, at: int, closing: str) -> int:
        """Where the next member begins, or the closing bracket stands."""
        text = self._text
        at = _past_space(text, at)
        if text.startswith(",", at):
            comma, at = at, _past_space(text, at + 1)
            if text.startswith(closing, at):
                node.comma = comma
            return at
        if not text.startswith(closing, at):
            raise _wrong(text, at)
        return at


def _past_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _wrong(text: str, at: int) -> Unreadable:
    what = "it ends too early" if at >= len(text) else f"line {text.count(chr(10), 0, at) + 1} is no JSON"
    return Unreadable(what)


def value_of(text: str) -> Any:
    """What the text says. Raises Unreadable."""
    return scan(text).value


def entry_of(text: str, path: Sequence[str]) -> str | None:
    """The text of the value at that path, None where there is none. Raises Unreadable."""
    node = scan(text)
    for name in path:
        member = node.member(name)
        if member is None:
            return None
        node = member.node
    return text[node.start : node.end]


def put(text: str, path: Sequence[str], value: Any) -> str:
    """The text with the value at that path; objects on the way to it are made. Raises Unreadable."""
    node = scan(text)
    for at, name in enumerate(path):
        if not isinstance(node.value, dict):
            raise Unreadable(f"{' › '.join(path[:at]) or 'it'} is no object")
        member = node.member(name)
        if member is None:
            for behind in reversed(path[at + 1 :]):
                value = {behind: value}
            return _inserted(text, node, name, value, depth=at + 1)
        node = member.node
    return text[: node.start] + _written(text, value, len(path)) + text[node.end :]


def put_text(text: str, path: Sequence[str], entry: str) -> str:
    """The text with the value at that path, which is there, as it is written in `entry`. Raises Unreadable."""
    node = scan(text)
    for name in path:
        member = node.member(name)
        assert member is not None
        node = member.node
    return text[: node.start] + entry + text[node.end :]


def _inserted(text: str, node: Node, name: str, value: Any, *, depth: int) -> str:
    end = _line_end(text)
    said = f"{json.dumps(name)}: {_written(text, value, depth)}"
    if not node.members:
        inner = text[node.start + 1 : node.end - 1]
        closing = "" if "\n" in inner else end + _unit(text) * (depth - 1)
        return f"{text[: node.start + 1]}{end}{_unit(text) * depth}{said}{closing}{text[node.start + 1 :]}"
    last = node.members[-1]
    behind = last.node.end if node.comma is None else node.comma + 1
    comma_before, comma_after = ("," if node.comma is None else ""), ("" if node.comma is None else ",")
    if "\n" not in text[node.start : node.end]:
        return f"{text[:behind]}{comma_before} {said}{comma_after}{text[behind:]}"
    match = _REST_OF_LINE.match(text, behind)
    at = match.end() if match else behind
    begins = text.rfind("\n", 0, last.start) + 1
    indent = text[begins : last.start] if not text[begins : last.start].strip() else _unit(text) * depth
    return f"{text[:behind]}{comma_before}{text[behind:at]}{end}{indent}{said}{comma_after}{text[at:]}"


def removed(text: str, path: Sequence[str]) -> str:
    """The text without what is at that path; as it is, where nothing is. Raises Unreadable."""
    node, member = scan(text), None
    for name in path:
        owner, member = node, node.member(name)
        if member is None:
            return text
        node = member.node
    assert member is not None
    start = len(text[: member.start].rstrip(" \t\r\n"))
    for begin in (start, member.start):  # the end of a comment's line may not go with it
        kept = _cut(text, owner, member, begin)
        try:
            scan(kept)
        except Unreadable:
            continue
        return kept
    raise Unreadable("the entry cannot be told from the comments around it")


def _cut(text: str, owner: Node, member: Member, start: int) -> str:
    """Without the member, its comma, and the blanks from `start` on."""
    end, comma = member.node.end, _past_space(text, member.node.end)
    if text.startswith(",", comma):
        if owner.members[0] is member and "\n" not in text[start : member.start]:
            return text[: member.start] + text[end:comma] + text[comma + 1 :].lstrip(" ")
        return text[:start] + text[end:comma] + text[comma + 1 :]
    if at := owner.members.index(member):
        before = _past_space(text, owner.members[at - 1].node.end)
        return text[:before] + text[before + 1 : max(start, before + 1)] + text[end:]
    if not text[end : owner.end - 1].strip() and not text[owner.start + 1 : start].strip():
        return text[: owner.start + 1] + text[owner.end - 1 :]
    return text[:start] + text[end:]


def _written(text: str, value: Any, depth: int) -> str:
    unit, end = _unit(text), _line_end(text)
    said = json.dumps(value, indent=unit, ensure_ascii=False) if "\n" in text or len(text) < 3 else json.dumps(value)
    return said.replace("\n", end + unit * depth)


def _line_end(text: str) -> str:
    first = text.find("\n")
    return "\r\n" if first > 0 and text[first - 1] == "\r" else "\n"


def _unit(text: str) -> str:
    """What a line is indented by."""
    match = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    return match[1] if match else "  "
