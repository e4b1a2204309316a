r"""
A JavaScript pattern as one of the library `regex`, which means the same wherever that can be had exactly.

Only whether a pattern matches counts, not what it captures. What cannot be had exactly becomes "anything", so that
the translation matches at least whatever the pattern might.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations

import regex

from vragd.vault.javascript.parse import NotJavaScript, Parser
from vragd.vault.javascript.tree import (
    Char,
    Choice,
    Dot,
    Edge,
    Group,
    Look,
    Node,
    Property,
    Reference,
    Repeat,
    Sequence,
    Set,
    children,
)

FLAGS = frozenset("dgimsuvy")
_ANYTHING = r"(?s:.*)"
_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_LINE_ENDS = r"\n\r\u2028\u2029"
_KINDS = {
    "d": "0-9",
    "w": "0-9A-Za-z_",
    "s": r"\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff",
}
_CATEGORY = re.compile(r"(C[cfnos]?|L[CMlmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?)$")
_CATEGORY_NAMES = frozenset(
    [
        "Letter",
        "Cased_Letter",
        "Uppercase_Letter",
        "Lowercase_Letter",
        "Titlecase_Letter",
        "Modifier_Letter",
        "Other_Letter",
        "Mark",
        "Nonspacing_Mark",
        "Spacing_Mark",
        "Enclosing_Mark",
        "Number",
        "Decimal_Number",
        "Letter_Number",
        "Other_Number",
        "Punctuation",
        "Connector_Punctuation",
        "Dash_Punctuation",
        "Open_Punctuation",
        "Close_Punctuation",
        "Initial_Punctuation",
        "Final_Punctuation",
        "Other_Punctuation",
        "Symbol",
        "Math_Symbol",
        "Currency_Symbol",
        "Modifier_Symbol",
        "Other_Symbol",
        "Separator",
        "Space_Separator",
        "Line_Separator",
        "Paragraph_Separator",
        "Other",
        "Control",
        "Format",
        "Surrogate",
        "Private_Use",
        "Unassigned",
    ]
)
_BINARY = frozenset(
    [
        "Alphabetic",
        "Alpha",
        "Lowercase",
        "Lower",
        "Uppercase",
        "Upper",
        "White_Space",
        "Emoji",
        "Ideographic",
        "ID_Start",
    ]
)
_MOST = 65_535  # characters of a path, and far more than any has


@dataclass(frozen=True, slots=True)
class Translation:
    """
    `pattern` for `regex`; where `problem` says why it is not exact, it matches more.

    `grows`: what it matches it matches with anything behind it. `units`: it is for text in UTF-16 units.
    """

    pattern: str
    problem: str
    grows: bool
    units: bool


def translate(source: str, flags: str = "") -> Translation:
    """`source` as `new RegExp(source, flags)` reads it. Never raises."""
    unicode = "u" in flags or "v" in flags
    text = source if unicode else units(source)
    try:
        if set(flags) - FLAGS or len(set(flags)) < len(flags) or {"u", "v"} <= set(flags):
            raise NotJavaScript("unknown flags")
        parser = Parser(text, unicode=unicode, sets="v" in flags)
        writer = _Writer(parser.parse(), flags)
        for indices in parser.names.values():
            writer.refuse_together(indices)
        pattern = writer.written()
        regex.compile(pattern)
    except NotJavaScript as error:
        return Translation(_beginning(source), str(error), grows=False, units=False)
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        return Translation(
            _beginning(source), f"it cannot be compiled ({type(error).__name__})", grows=False, units=False
        )
    return Translation(pattern, writer.problem, grows=writer.grows, units=not unicode)


def units(text: str) -> str:
    """`text` as JavaScript counts it: a character beyond the sixteenth bit is two."""
    if text.isascii() or not _BEYOND.search(text):
        return text
    return "".join(
        char if char <= "\uffff" else chr(0xD7C0 + (ord(char) >> 10)) + chr(0xDC00 + (ord(char) & 0x3FF))
        for char in text
    )


def _beginning(source: str) -> str:
    """What a pattern that cannot be read matches at most: what begins as it does, if it says so plainly."""
    if "|" in source or not source.startswith("^"):
        return ""
    plain = re.match(r"(?:[\w /-]|\\/)*", source[1:])
    assert plain is not None
    literal, rest = plain[0], source[1 + plain.end() :]
    if rest[:1] in ("?", "*", "{"):
        literal = re.sub(r"(?:\\/|[\w /-])$", "", literal)  # its last character may be missing
    return r"\A" + "".join(_char(ord(char)) for char in literal.replace("\\/", "/"))


class _Writer:
    """Writes one tree. `problem` is the first thing that could not be written exactly."""

    def __init__(self, tree: Node, flags: str) -> None:
        self.problem, self.grows = "", True
        self._tree, self._unicode = tree, "u" in flags or "v" in flags
        self._flags = {flag for flag in "ims" if flag in flags}
        self._sticky = "y" in flags
        self._paths: dict[int, list[Node]] = {}  # from the root to each group that captures, itself last
        self._remember([tree])

    def written(self) -> str:
        body = self._write(self._tree, self._flags, [])
        return (r"\A" if self._sticky else "") + (f"(?i:{body})" if "i" in self._flags else f"(?:{body})")

    def refuse_together(self, indices: list[int]) -> None:
        """Raise NotJavaScript if two of these groups, which have one name, could both take part."""
        for one, other in combinations(indices, 2):
            paths = self._paths[one], self._paths[other]
            if not isinstance(paths[0][_shared(*paths) - 1], Choice):
                raise NotJavaScript("two groups of one name")

    def _remember(self, path: list[Node]) -> None:
        node = path[-1]
        if isinstance(node, Group) and node.index is not None:
            self._paths[node.index] = path
        for child in children(node):
            self._remember([*path, child])

    def _write(self, node: Node, flags: set[str], above: list[Node]) -> str:
        path = [*above, node]
        match node:
            case Char(code):
                return _char(code)
            case Dot():
                return "(?s:.)" if "s" in flags else f"[^{_LINE_ENDS}]"
            case Set():
                return self._set(node)
            case Property():
                return self._set(Set([], [node]))
            case Edge(kind):
                return self._edge(kind, flags)
            case Sequence(parts):
                return "".join(self._write(part, flags, path) for part in parts)
            case Choice(options):
                return "(?:" + "|".join(self._write(option, flags, path) for option in options) + ")"
            case Group(index, inside, on, off):
                changed = (flags | set(on)) - set(off)
                body = self._write(inside, changed, path)
                if ("i" in changed) != ("i" in flags):
                    body = f"(?{'' if 'i' in changed else '-'}i:{body})"
                return f"(?:{body})" if index is None else f"({body})"
            case Look():
                return self._look(node, flags, path)
            case Reference(indices):
                return self._reference(indices, path)
            case Repeat():
                return self._repeat(node, flags, path)
        raise AssertionError(node)

    def _inexact(self, why: str) -> str:
        self.problem = self.problem or why
        return _ANYTHING

    def _look(self, node: Look, flags: set[str], path: list[Node]) -> str:
        self.grows = self.grows and not node.ahead
        before, self.problem = self.problem, ""
        body = self._write(node.inside, flags, path)
        vague, self.problem = bool(self.problem), before or self.problem
        if vague and node.negated:
            return ""  # of what is not to follow nothing can be said for sure
        return f"(?{'' if node.ahead else '<'}{'!' if node.negated else '='}{body})"

    def _repeat(self, node: Repeat, flags: set[str], path: list[Node]) -> str:
        most = "" if node.most is None or node.most > _MOST else str(node.most)
        body = self._write(node.inside, flags, path)
        return f"(?:{body}){{{min(node.least, _MOST)},{most}}}{'?' if node.lazy else ''}"

    def _edge(self, kind: str, flags: set[str]) -> str:
        if kind == "^":
            return rf"(?:\A|(?<=[{_LINE_ENDS}]))" if "m" in flags else r"\A"
        self.grows = False
        if kind == "$":
            return rf"(?:\Z|(?=[{_LINE_ENDS}]))" if "m" in flags else r"\Z"
        word = f"[{_KINDS['w']}]"
        pairs = ("=", "!", "!", "=") if kind == "b" else ("=", "=", "!", "!")
        return "(?-i:(?<{}{w})(?{}{w})|(?<{}{w})(?{}{w}))".format(*pairs, w=word)

    # -- sets --------------------------------------------------------------------------------------

    def _set(self, node: Set) -> str:
        plain = "".join(f"{_char(low)}-{_char(high)}" if high > low else _char(low) for low, high in node.ranges)
        others = []
        for kind in node.kinds:
            if isinstance(kind, Property):
                others.append(self._property(kind))
            elif kind in _KINDS:
                plain += _KINDS[kind]
            else:
                others.append(f"[^{_KINDS[kind.lower()]}]")
        if _ANYTHING in others:
            return "(?s:.)"
        if not others:
            if not plain:
                return "(?s:.)" if node.negated else "(?!)"
            return f"[{'^' if node.negated else ''}{plain}]"
        either = "|".join([*([f"[{plain}]"] if plain else []), *others])
        return f"(?:(?!{either})(?s:.))" if node.negated else f"(?:{either})"

    def _property(self, node: Property) -> str:
        name, value = node.name, node.value
        sign = "P" if node.negated else "p"
        if name in ("Script", "sc", "Script_Extensions", "scx") and re.fullmatch(r"[A-Z][A-Za-z_]+", value):
            kind = "Script" if name in ("Script", "sc") else "Script_Extensions"
            return rf"\{sign}{{{kind}={value}}}"
        if name in ("General_Category", "gc"):
            name, value = value, ""
        if not value and (_CATEGORY.match(name) or name in _CATEGORY_NAMES or name in _BINARY):
            return rf"\{sign}{{{name}}}"
        if name == "Any" and not value:
            return "(?!)" if node.negated else "(?s:.)"
        if name == "ASCII" and not value:
            return r"[^\x00-\x7f]" if node.negated else r"[\x00-\x7f]"
        return self._inexact(f"the property {node.name} is not known here")

    # -- references ----------------------------------------------------------------------------------

    def _reference(self, indices: list[int], path: list[Node]) -> str:
        """
        What a group captured, nothing where it took no part. JavaScript forgets what is captured in a repeated part
        whenever that begins again; Python does not.
        """
        written = ""
        for index in reversed(indices):
            group = self._paths[index]
            if any(isinstance(node, Look) and not node.ahead for node in [*group, *path]):
                return self._inexact("a reference within a look behind")
            if any(node is group[-1] for node in path) or not _is_before(group, path):
                continue  # it has captured nothing yet
            shared = _shared(group, path)
            apart = group[shared:]
            if any(isinstance(node, Look) and node.negated for node in apart):
                continue
            loops = [node for node in group if isinstance(node, Repeat) and (node.most is None or node.most > 1)]
            outside = [node for node in loops if not any(node is other for other in path)]
            if outside or (loops and not _always(apart)):
                return self._inexact("a reference to a group that is repeated")
            written = rf"(?({index})\{index}{f'|{written}' if written else ''})"
        return f"(?:{written})"


def _shared(one: list[Node], other: list[Node]) -> int:
    count = 0
    while count < min(len(one), len(other)) and one[count] is other[count]:
        count += 1
    return count


def _is_before(group: list[Node], path: list[Node]) -> bool:
    """Whether the group is over when that point is reached."""
    shared = _shared(group, path)
    if shared == min(len(group), len(path)):
        return False
    around = group[shared - 1]
    if not isinstance(around, Sequence):
        return False  # in another option of a choice
    places = [next(i for i, part in enumerate(around.parts) if part is path_[shared]) for path_ in (group, path)]
    return places[0] < places[1]


def _always(nodes: list[Node]) -> bool:
    """Whether what is inside all of these takes part whenever the first does."""
    return not any(isinstance(node, Choice) or (isinstance(node, Repeat) and not node.least) for node in nodes)


def _char(code: int) -> str:
    char = chr(code)
    if char.isascii() and (char.isalnum() or char == "_"):
        return char
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
