"""The examples of docs/questions.md are read, and as it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from vragd.errors import Mistyped
from vragd.search.grammar.expression import expression
from vragd.search.grammar.parse import MAX_CONDITIONS, MAX_DEPTH, joined, parse
from vragd.search.grammar.pointed import pointed
from vragd.search.grammar.tree import And, Word
from vragd.search.grammar.where import filters
from vragd.terms.bounds import MAX_WHERES

TEXT = (Path(__file__).parents[3] / "docs/questions.md").read_text("utf-8")
COMMANDS = [shlex.split(line, comments=True)[2:] for line in re.findall(r"^vragd query .*$", TEXT, re.MULTILINE)]
EXPRESSIONS = TEXT[TEXT.index("## Expressions") : TEXT.index("## What is looked into")]


def typed(text: str) -> list[str]:
    """What stands in the first column of tables."""
    rows = re.findall(r"^\| (`.*?) \| ", text, re.MULTILINE)
    return [one.replace("\\|", "|") for row in rows for one in re.findall(r"`([^`]+)`", row)]


TYPED = typed(TEXT.replace(EXPRESSIONS, ""))
HOLD, VALUES = map(typed, EXPRESSIONS.split("| value | is |"))
WORDS = re.findall(r"`([^`]+)`", TEXT[TEXT.index("What is no grammar") : TEXT.index("are words.\n")])


@pytest.mark.parametrize("args", COMMANDS, ids=joined)
def test_commands_are_read(args: list[str]) -> None:
    assert parse(joined(args)) != And(())


@pytest.mark.parametrize("text", HOLD)
def test_what_is_in_the_table_of_expressions_is_one(text: str) -> None:
    assert expression(text) == (filters(text), True)


@pytest.mark.parametrize("value", VALUES)
def test_what_is_in_the_table_of_values_is_one(value: str) -> None:
    assert filters(f"x == {value}") == expression(f"x == {value}")[0]


def test_examples_of_what_is_an_expression_and_what_is_not_are_read_so() -> None:
    one, mistake, others = re.findall(r"(?ms)^\d\. (.*?)(?=^\d\. |^$)", EXPRESSIONS)
    for text in re.findall(r"`([^`]+)`", one.partition("is one:")[2]):
        assert expression(text) == (filters(text), True)
    for text in re.findall(r"`([^`]+)`", others):
        assert filters(text) == parse(text)
    with pytest.raises(Mistyped):
        filters(re.findall(r"`([^`]+)`", mistake)[-1])
    refused = EXPRESSIONS[EXPRESSIONS.index("**Not there**") :]
    for text in ("formula.x", '["a", "b"]', "x[0]", "/a/.matches(x)", "file.backlinks", "file.properties", "file.file"):
        assert f"`{text}`" in refused or f"`{text};" in refused or f"`{text}`;" in refused
        for whole in (text, f"{text} == true"):
            with pytest.raises(Mistyped):
                filters(whole)
    for text in re.findall(r"--where '([^']+)'$", EXPRESSIONS, re.MULTILINE):
        assert expression(text)[1]
    assert f"up to {MAX_WHERES} that all must hold" in TEXT


@pytest.mark.parametrize("question", TYPED)
def test_what_is_in_a_table_is_read_as_grammar(question: str) -> None:
    tree = parse(question)
    assert question == "coffee press" or tree != And(tuple(map(Word, question.split())))


def test_what_is_said_to_be_words_is_words() -> None:
    assert len(WORDS) > 10
    for text in WORDS:
        tree = parse(text)
        assert all(isinstance(part, Word) for part in (tree.parts if isinstance(tree, And) else (tree,))), text


def test_the_mistake_is_shown_as_it_is() -> None:
    with pytest.raises(Mistyped) as caught:
        parse('plans file:"to be')
    assert pointed(caught.value.text, caught.value.span) in TEXT


def test_the_limits_are_as_they_are() -> None:
    assert f"at most {MAX_CONDITIONS:,} conditions and groups {MAX_DEPTH} deep" in TEXT


def test_what_is_the_same_is_read_as_the_same() -> None:
    assert parse("a b OR c d") == parse("(a b) OR (c d)")
    assert parse(joined(["meeting", "file:to be"])) == parse('meeting file:"to be"')
