"""What the parser says of a file that is no YAML, in words of whoever wrote it, and the way out."""

from __future__ import annotations

import re

COLUMNS = "keys of one level begin in one column, and so do the dashes of a list"
QUOTES = "put it in quotes"
_SAID = (
    (r"'\\t'", "a tab where blanks are expected; indent with spaces", "put spaces in its place"),
    (r"character '(.)' that cannot", "a value cannot begin with {0}", QUOTES),
    (r"an (?:alias|anchor)|undefined alias", "what begins with * or & is no text there", 'put it in quotes: "*.md"'),
    (r"expected <block end>", "this line is indented otherwise than those it belongs to", COLUMNS),
    (
        r"mapping values are not allowed",
        "a second ': ' in a line, or a line indented otherwise than those it belongs to",
        f"put a value that has ': ' in quotes; {COLUMNS}",
    ),
    (r"end of stream|<stream end>", "the file ends in the middle of a value", "is a quote or a bracket not closed?"),
    (r"expected ',' or", "what stands in brackets has no end", "close the bracket, and put commas between"),
    (r"expected ':'", "a line that is no key with a value", f"write KEY: VALUE; {COLUMNS}"),
    (r"another document", "a second document begins here", "leave out its line ---"),
    (r"a constructor for the tag '(.*)'", "{0} means nothing here", QUOTES),
    (r"unhashable key", "a list or keys in the place of a key", "write KEY: VALUE, with a word as the key"),
    (r"escape", "a \\ in double quotes that begins no escape", "put it in single quotes"),
)
"""What is found in what the parser says; as it is said here, and the way out."""


def in_words(context: str | None, problem: str | None) -> tuple[str, str]:
    """What is wrong, and the way out: of what the parser met, and while doing what."""
    said = f"{context or ''}: {problem or ''}"
    for pattern, words, way in _SAID:
        if found := re.search(pattern, said):
            return words.format(*found.groups()), way
    return problem or "it cannot be read", "look at its indentation, quotes and brackets; vragd init writes a new one"


def kind_of(value: object) -> str:
    """What stands where keys are expected."""
    if isinstance(value, bool):
        return "true or false"
    kinds = ((str, "a text"), (list, "a list"), ((int, float), "a number"))
    return next((said for kind, said in kinds if isinstance(value, kind)), "a value")
