"""Every check on every backend, on small stores and on layouts that only large stores have; and on broken ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.broken import BROKEN
from tests.conformance.factories import FACTORIES, REAL
from tests.depth import at, deeper
from vragd.backends.conformance.checks import CHECKS
from vragd.backends.conformance.holding import check_queries_run_beside_changes
from vragd.backends.faiss.backend import FaissBackend
from vragd.backends.faiss.collection import Tuning
from vragd.terms.backends import REGISTRY

OTHERS = [check for check in CHECKS if check is not check_queries_run_beside_changes]
"""All but the one in which three threads ask without a pause for as long as the changes take."""


@pytest.mark.parametrize("check", OTHERS, ids=lambda fn: fn.__name__)
def test_contract(check: Callable[..., None], backend_name: str, tmp_path: Path) -> None:
    check(lambda: (FACTORIES | REAL)[backend_name](tmp_path))


@deeper
def test_contract_of_queries_beside_changes(backend_name: str, tmp_path: Path) -> None:
    n_changes = at(30, 300) if backend_name in FACTORIES else 300
    check_queries_run_beside_changes(lambda: (FACTORIES | REAL)[backend_name](tmp_path), n_changes)


@pytest.mark.parametrize("check", CHECKS, ids=lambda fn: fn.__name__)
@pytest.mark.parametrize("index", ["auto", "ivf"])
def test_contract_where_large_layouts_begin_early(check: Callable[..., None], index: str, tmp_path: Path) -> None:
    early = Tuning(scan_from=40, ivf_from=40, compact_at_least=20)
    check(lambda: FaissBackend(index, tmp_path, early))


@pytest.mark.parametrize("broken", BROKEN, ids=lambda cls: cls.__name__)
def test_the_suite_catches(broken: type) -> None:
    instance = broken()
    (check,) = (check for check in CHECKS if check.__name__ == broken.caught_by)
    with pytest.raises((Exception, pytest.fail.Exception)):  # pytest.raises fails with its own
        check(lambda: instance)


def test_every_registered_backend_is_under_test() -> None:
    assert {name.partition("-")[0] for name in FACTORIES} == set(REGISTRY)
    assert {name.partition("-")[0] for name in REAL} <= set(REGISTRY)


@pytest.mark.slow
def test_a_typo_in_the_backend_fails_the_run() -> None:
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--backend", "fais", "tests/conformance"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 4
    assert "invalid choice: 'fais'" in run.stderr
