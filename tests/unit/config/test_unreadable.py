"""What is no YAML is told in words of whoever wrote it, with its line and a way out."""

from __future__ import annotations

import pytest

from vragd.config.load import parse
from vragd.errors import ConfigError

OF_THE_PARSER = (
    "<block",
    "<stream",
    "token",
    "mapping",
    "sequence",
    "alias",
    "unhashable",
    "constructor",
    "None",
    "str",
)
IN_QUOTES = "expected a text; in quotes, if it looks like a number, a date, yes, no, on or off"


def said_of(text: str) -> tuple[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "c.yaml")
    return caught.value.message, caught.value.hint


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("stores:\n  notes:\n sources: 1\n", "c.yaml:3: not valid YAML: this line is indented otherwise"),
        ("stores:\n  notes:\n    - a: 1\n   - a: 2\n", "c.yaml:4: not valid YAML: this line is indented otherwise"),
        ("stores:\n\tnotes: {}\n", "c.yaml:2: not valid YAML: a tab where blanks are expected"),
        ("stores: {notes: {include: [*.md]}}\n", "c.yaml:1: not valid YAML: what begins with * or & is no text there"),
        ("a: *x\n", "c.yaml:1: not valid YAML: what begins with * or & is no text there"),
        ("a: b: c\n", "c.yaml:1: not valid YAML: a second ': ' in a line"),
        ("a: 'x\nb: 1\n", "c.yaml:3: not valid YAML: the file ends in the middle of a value"),
        ("a: {\n", "c.yaml:2: not valid YAML: the file ends in the middle of a value"),
        ("a: [1\nb: 2\n", "c.yaml:2: not valid YAML: what stands in brackets has no end"),
        ("a: @b\n", "c.yaml:1: not valid YAML: a value cannot begin with @"),
        ("? [a]\n: 1\n", "c.yaml:1: not valid YAML: a list or keys in the place of a key"),
        ('a: "\\y"\n', "c.yaml:1: not valid YAML: a \\ in double quotes that begins no escape"),
        ("a: 1\n---\nb: 1\n", "c.yaml:2: not valid YAML: a second document begins here"),
        ("a: !secret x\n", "c.yaml:1: not valid YAML: !secret means nothing here"),
        ("- a\n", "c.yaml:1: expected keys like 'stores:', found a list"),
        ("words\n", "c.yaml:1: expected keys like 'stores:', found a text"),
        ("7\n", "c.yaml:1: expected keys like 'stores:', found a number"),
        ("yes\n", "c.yaml:1: expected keys like 'stores:', found true or false"),
        ("stores: yes\n", "c.yaml:1: stores: expected keys with values below it, found true"),
        ("log: {}\nlog: {}\n", "c.yaml:2: log is given twice"),
        ("stores:\n  no: {}\n", f"c.yaml:2: stores: {IN_QUOTES}, found the key false"),
        ("stores:\n  2026: {}\n", f"c.yaml:2: stores: {IN_QUOTES}, found the key 2026"),
        ("7: {}\n", f"c.yaml:1: the file: {IN_QUOTES}, found the key 7"),
    ],
)
def test_it_is_said_in_words_with_its_line_and_a_way_out(text: str, what: str) -> None:
    message, hint = said_of(text)
    assert message.startswith(what)
    assert not [word for word in OF_THE_PARSER if word in message.partition(": ")[2]]
    assert hint
