"""
A process is ended between any two steps that leave something durable: a reader at that moment, and the next process,
find every note whole.

Not each of the some hundreds of points of a scenario is tried: of each place the first, the last, and on FAISS the
first after each other place; of those, what has nothing to do with the scenario or the backend is tried in one only.
Every third time the restart crashes too. How many points there are and how many were tried is printed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.crash import FromTheEnd, Matrix, Tally, places_in_source, process_server
from tests.faults.crash_checks import Violated
from tests.faults.crash_plants import PLANTS
from tests.faults.crash_scenarios import ALL, Scenario

if TYPE_CHECKING:
    from tests.fakes.s3vectors import FakeS3Vectors

IN_MEMORY = Path("/dev/shm")
PARTS = 2
"""Into so many tests a scenario is cut."""
BY_NAME = {str(scenario): scenario for scenario in ALL}


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with process_server():
        yield


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder in memory where there is one: it is processes that die here, not disks."""
    path = Path(tempfile.mkdtemp(prefix="vragd-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
    yield path
    shutil.rmtree(path)


def s3_for(scenario: Scenario, request: pytest.FixtureRequest) -> FakeS3Vectors | None:
    """The emulator, where the scenario has any use for it: to import it takes a second."""
    return request.getfixturevalue("s3") if scenario.backend == "s3" else None


def tell(what: str, tally: Tally, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\ncrash matrix {what}: {tally}")


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", BY_NAME)
def test_a_crash_anywhere_leaves_every_note_whole(
    name: str, part: int, home: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = BY_NAME[name]
    matrix = Matrix(home, scenario, s3_for(scenario, request))
    tally = matrix.run(lambda points: points[part::PARTS])
    assert tally.n_kills > 1
    assert tally.n_fired == tally.n_kills + tally.n_restart_kills
    tell(f"{name}, part {part + 1} of {PARTS}", tally, capsys)


RECOVERIES: dict[str, tuple[FromTheEnd, ...]] = {
    "edits-faiss": (("sync.put", 2),),
    "checkpoint-faiss": (("sync.cleared", 2),),
    "named_model-faiss": (("sync.put", 3),),
    "edits-s3": (("sync.put", 1),),
}
"""Where a first crash leaves much to be mended."""


@pytest.mark.parametrize("name", RECOVERIES)
def test_a_crash_anywhere_in_the_recovery_of_a_crash_loses_nothing(
    name: str, home: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = BY_NAME[name]
    matrix = Matrix(home, scenario, s3_for(scenario, request))
    tally = matrix.run_restarts(RECOVERIES[name])
    assert tally.n_restart_kills > 5
    tell(f"{name}, recoveries", tally, capsys)


def test_every_place_in_the_code_is_reached(home: Path, s3: FakeS3Vectors) -> None:
    """By some scenario left to live, or by the restart after a crash of one."""
    reached: set[str] = set()
    for name, scenario in BY_NAME.items():
        matrix = Matrix(home, scenario, s3 if scenario.backend == "s3" else None)
        reached |= matrix.see(RECOVERIES.get(name, ()))
    assert places_in_source() - reached == set()


FINDS = {
    "commit_before_put": ("edits-s3", "answers without"),
    "delete_before_put": ("edits-s3", "answers without"),
    "no_intents": ("edits-s3", "too much"),
    "commit_in_halves": ("edits-faiss", "neither its old nor its new"),
    "clear_before_delete": ("edits-s3", "the restart at .* too much"),
    "remember_before_put": ("move-s3", "missing"),
    "version_apart": ("migration-faiss", "schema"),
    "switch_at_once": ("named_model-faiss", "answers without"),
}
"""In which scenario a wrong order is to be found, and by what."""
TELLING = {
    "commit_before_put": ("sync.committed",),
    "delete_before_put": ("s3.deleted", "sync.deleted"),
    "commit_in_halves": ("transaction.committed",),
    "remember_before_put": ("filling.remembered",),
    "version_apart": ("migration.applied",),
    "switch_at_once": ("space.switched",),
}
"""Between which steps a crash shows it; the others show in what becomes of a crash."""


def test_every_wrong_order_is_looked_for() -> None:
    assert FINDS.keys() == PLANTS.keys()


@pytest.mark.parametrize("plant", FINDS)
def test_a_wrong_order_is_found(plant: str, home: Path, request: pytest.FixtureRequest) -> None:
    name, said = FINDS[plant]
    scenario = BY_NAME[name]
    matrix = Matrix(home, scenario, s3_for(scenario, request), plant)
    with pytest.raises(Violated, match=f"killed at .*{said}"):
        if plant in TELLING:
            matrix.run(lambda points: [point for point in points if point[0] in TELLING[plant]])
        else:
            matrix.run_restarts(RECOVERIES[name])


def test_a_crash_that_does_not_happen_is_a_failure(home: Path) -> None:
    matrix = Matrix(home, BY_NAME["delete-faiss"], None)
    with pytest.raises(AssertionError, match="did not happen"):
        matrix.run(lambda _: [("collection.removed", 99)])
