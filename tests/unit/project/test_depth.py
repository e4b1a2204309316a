"""Whatever there is to run, `make test` or `make test-campaign` runs it, and CI both."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.depth import COLLECTED, chosen, deeper, of_each

ROOT = Path(__file__).parents[3]


def ids(items: list[pytest.Item]) -> set[str]:
    return {item.nodeid for item in items}


def claim(nodeid: str) -> str:
    """A test without which of its cases it is."""
    return nodeid.partition("[")[0]


@deeper
def test_each_test_is_in_one_of_the_two_and_each_claim_in_make_test(request: pytest.FixtureRequest) -> None:
    """Of all that this run has found, whichever it is."""
    found = list(request.config.stash[COLLECTED])
    usual, campaign = (ids(chosen(found, is_campaign=which)) for which in (False, True))
    assert usual | campaign == ids(found)
    assert {claim(nodeid) for nodeid in usual} == {claim(item.nodeid) for item in found}
    again = {item.nodeid for item in found if item.get_closest_marker("deeper")}
    assert usual & campaign == again - {item.nodeid for item in found if item.get_closest_marker("campaign")}
    running = ids(request.session.items)
    assert running <= (campaign if request.config.getoption("--campaign") else usual)


def test_which_cases_there_are_does_not_hang_on_which_of_the_two_asks() -> None:
    """`at` tells how much a test does; who asked it for cases would have some that neither run has."""
    asking = [
        file for file in (ROOT / "tests").rglob("test_*.py") if "tests.depth import at" in file.read_text("utf-8")
    ]
    assert asking
    for file in asking:
        for decorator in decorators(file):
            assert not (decorator.startswith("pytest.mark.parametrize") and " at(" in decorator), (file, decorator)


def decorators(file: Path) -> list[str]:
    tree = ast.parse(file.read_text("utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [ast.unparse(decorator) for function in functions for decorator in function.decorator_list]


def test_ci_runs_both_and_real_servers() -> None:
    """The same tests, all there are, with and without the option."""
    lines = (ROOT / ".ci/run").read_text().splitlines()
    made = [word for line in lines for word in line.split("make ")[1:] if not line.startswith("#")]
    assert made == ["lint", "test", "test-campaign", "test-servers"]
    rules = (ROOT / "Makefile").read_text().split("\n\n")
    (usual,) = (rule for rule in rules if rule.startswith("test:"))
    (campaign,) = (rule for rule in rules if "test-campaign:" in rule and "pytest" in rule)
    (command,) = (line.split("-m pytest")[1] for line in usual.splitlines() if "pytest" in line)
    assert f"{command} --campaign" in campaign
    assert "tests/" not in command, "all of them"


def test_of_each_kind_one_is_taken_and_not_always_the_first() -> None:
    assert of_each(["a1", "b1", "a2", "c1", "b2", "c2", "c3"], lambda text: text[0]) == ["a1", "b2", "c3"]
    assert of_each(["a1", "b1"], lambda text: text[0]) == ["a1", "b1"]
    assert of_each([], str) == []
