"""Where in a text a filter found something, and what patterns may cost."""

from __future__ import annotations

import pytest

from vragd.errors import UsageError
from vragd.search.grammar.tree import And, Node, Not, Or, Pattern, Phrase, Scope, Tag, Within, Word
from vragd.search.textual import Look, Matcher

TEXT = "---\ntags: [a]\n---\n# Head\n\nalpha Beta\n\n- [ ] gamma\n- [x] delta\n\n## Next\n\nbeta gamma\n"


@pytest.mark.parametrize(
    ("node", "line"),
    [
        (Word("beta"), 5),
        (Phrase("beta gamma"), 12),
        (Pattern("g.mma$"), 7),
        (And((Word("delta"), Word("gamma"))), 7),
        (Or((Word("nothing"), Word("delta"))), 8),
        (Not(Word("beta")), None),
        (Tag("a"), None),
        (Within(Scope.TASK_TODO, Phrase("")), 7),
        (Within(Scope.TASK_DONE, Word("delta")), 8),
        (Within(Scope.TASK, Word("nothing")), None),
        (Within(Scope.SECTION, And((Word("next"), Word("gamma")))), 10),
        (Within(Scope.BLOCK, Word("beta")), 5),
        (Within(Scope.LINE, Word("delta")), 8),
        (Within(Scope.MATCH_CASE, Word("beta")), 12),
        (Within(Scope.IGNORE_CASE, Word("beta")), 5),
        (Within(Scope.CONTENT, Word("next")), 10),
        (Word("alpha Beta and more"), None),
    ],
    ids=str,
)
def test_what_was_found_is_told_by_its_line(node: Node, line: int | None) -> None:
    assert Matcher().first_line(node, Look(TEXT)) == line


def test_letters_count_where_that_is_asked_for_and_only_there() -> None:
    both = Within(Scope.LINE, And((Within(Scope.MATCH_CASE, Word("Beta")), Within(Scope.IGNORE_CASE, Word("ALPHA")))))
    assert Matcher().holds(both, Look(TEXT))
    assert not Matcher().holds(Within(Scope.MATCH_CASE, Word("ALPHA")), Look(TEXT))
    assert Matcher(lambda node: node == Tag("a")).holds(Within(Scope.LINE, And((Tag("a"), Word("delta")))), Look(TEXT))


def test_a_pattern_that_is_none_is_refused_and_one_that_took_its_time_is_not_tried_again() -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Matcher().holds(Pattern("("), Look("x"))
    slow = Matcher()
    for _ in range(2):
        with pytest.raises(UsageError, match="takes longer"):
            slow.holds(Pattern("^(?:a|aa|aaa)+$"), Look("a" * 60 + "!"))


@pytest.mark.parametrize("blanks", [" ", "  ", "   ", "    ", "\t", "\u3000", " \t "])
@pytest.mark.parametrize("scope", [Scope.BLOCK, Scope.SECTION, Scope.TASK])
def test_lines_of_blanks_are_blank(blanks: str, scope: Scope) -> None:
    text = f"{blanks}\n# A{blanks}\n- [ ] do{blanks}\n{blanks}\nmore\n{blanks}"
    plain = "\n".join(line.rstrip() for line in text.split("\n"))
    assert [(at, piece.text.split()) for at, piece in Look(text).pieces(scope)] == [
        (at, piece.text.split()) for at, piece in Look(plain).pieces(scope)
    ]


def test_a_task_has_all_its_own_text_and_nothing_below_it() -> None:
    text = "- [x] call dad\n  at home\n  - [ ] about mum\n    and tea\n  ```\n  code\n  ```\n- other\n"
    text += "\n> - [ ] quoted\n> on\n"
    found = [(at, piece.text) for at, piece in Look(text).pieces(Scope.TASK)]
    assert found == [(0, "call dad\n  at home"), (2, "about mum\n    and tea"), (9, "quoted\n> on")]
    (done,) = Look(text).pieces(Scope.TASK_DONE)
    assert done[1].has("home", case=False)
    assert not done[1].has("tea", case=False)
