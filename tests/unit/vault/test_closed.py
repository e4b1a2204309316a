"""Which files of a source the configuration closes to assistants."""

from __future__ import annotations

import pytest

from vragd.vault.closed import ClosedPaths


@pytest.mark.parametrize(
    ("pattern", "closed", "open_"),
    [
        ("Private/", ["Private/a.md", "x/Private/deep/a.md", "private/a.md"], ["Private.md", "x/NotPrivate/a.md"]),
        ("/Private", ["Private/a.md", "Private"], ["x/Private/a.md"]),
        ("*.draft.md", ["a.draft.md", "x/b.DRAFT.md"], ["draft.md"]),
        ("Work/*/secret*", ["Work/x/secrets/a.md", "Work/x/secret.md"], ["Work/secret.md", "Work/x/y/secret.md"]),
        ("Caf\u00e9/", ["Cafe\u0301/a.md", "CAF\u00c9/a.md"], ["Cafe/a.md"]),
    ],
)
def test_patterns_are_those_of_gitignore_in_any_case(pattern: str, closed: list[str], open_: list[str]) -> None:
    rule = ClosedPaths((pattern,))
    assert [path for path in (*closed, *open_) if rule(path)] == closed


def test_a_source_is_closed_as_a_whole_or_not_at_all() -> None:
    assert ClosedPaths(whole=True)("a.md")
    assert not ClosedPaths()("a.md")
    said = {ClosedPaths().said, ClosedPaths(whole=True).said, ClosedPaths(("a",)).said, ClosedPaths(("b",)).said}
    assert (len(said), ClosedPaths().said) == (4, "")
