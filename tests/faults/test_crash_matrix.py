"""
A process is ended between any two steps that leave something durable: a reader at that moment, and the next process,
find every note whole.

Not each of the some hundreds of points of a scenario is tried: of each place the first, the last, and on FAISS the
first after each other place; of those, what has nothing to do with the scenario or the backend is tried in one only.
How many points there are and how many were tried is printed.

A sixth, in a campaign a third, are kills, each of a life of its own, and then the restart crashes too. For the others
one life stands still at each: what is there then, which is byte for byte what a kill leaves, is read and started from.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.depth import at, deeper, more, of_each
from tests.fakes.lucene import FakeNode
from tests.faults.crash import Choice, FromTheEnd, Matrix, Tally, process_server
from tests.faults.crash_checks import Violated
from tests.faults.crash_halts import Point
from tests.faults.crash_life import SEGMENTS
from tests.faults.crash_plants import PLANTS
from tests.faults.crash_remote import OnBucket, OnFolder, OnLucene, OnPostgres, OnS3, OnSqlite, Remote
from tests.faults.crash_scenarios import ALL, WITHOUT_PROCESS, Scenario, edits
from tests.faults.places import places_in_source
from tests.servers.postgres.server import shared

IN_MEMORY = Path("/dev/shm")
EACH_PLACE = "each place"
PARTS = 2
"""Into so many tests all points of a scenario are cut, for a campaign."""
EVERYWHERE = ("sync.", "transaction.", "bulk.", "file.", "recover.")
SHARE = 3
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
    shutil.rmtree(path.with_name(f"{path.name}-beside"), ignore_errors=True)


def remote_for(scenario: Scenario, home: Path, request: pytest.FixtureRequest) -> Remote | None:
    """The emulator or the server, where the scenario has any use for it: to start it takes a second."""
    if scenario.backend == "s3":
        return OnS3(request.getfixturevalue("s3"))
    if scenario.backend == "pg":
        server = shared()
        if isinstance(server, str):
            pytest.skip(server)
        remote = OnPostgres(server)
        request.addfinalizer(remote.close)
        return remote
    if scenario.backend == "bucket":
        return OnBucket(request.getfixturevalue("fake_s3"))
    if scenario.backend == "lucene":
        node = FakeNode("opensearch").start()
        request.addfinalizer(node.stop)
        return OnLucene(node)
    if scenario.backend in ("sqlite", "file"):
        kind = OnSqlite if scenario.backend == "sqlite" else OnFolder
        return kind(home.with_name(f"{home.name}-beside"))
    return None


def of_each_place(points: list[Point]) -> list[Point]:
    """Of each place one."""
    return of_each(points, lambda point: point[0])


def told_apart(scenario: Scenario) -> Choice:
    """
    Of each place one; of those that every scenario comes by a third, of the next scenario another: in that of edits,
    on either kind of backend, all.
    """
    shift = list(BY_NAME).index(str(scenario)) % SHARE

    def choose(points: list[Point]) -> list[Point]:
        found = of_each_place(points)
        often = [] if scenario.play is edits else [point for point in found if point[0].startswith(EVERYWHERE)]
        left_out = {*often} - {*often[shift::SHARE]}
        return [point for point in found if point not in left_out]

    return choose


def enough(points: list[Point]) -> list[Point]:
    """Of each place one, in a campaign all."""
    return at(of_each_place(points), points)


def tell(what: str, tally: Tally, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\ncrash matrix {what}: {tally}")


@pytest.mark.timeout(600)  # a part is some dozens of lives, each in a process of its own
@pytest.mark.parametrize("part", [EACH_PLACE, *more(*range(PARTS))])
@pytest.mark.parametrize("name", BY_NAME)
def test_a_crash_anywhere_leaves_every_note_whole(
    name: str, part: Any, home: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = BY_NAME[name]
    matrix = Matrix(home, scenario, remote_for(scenario, home, request))
    tally = matrix.run(told_apart(scenario) if part == EACH_PLACE else lambda points: points[part::PARTS])
    assert tally.n_kills > 1
    assert tally.n_fired == tally.n_kills + tally.n_restart_kills
    tell(f"{name}, {part if part == EACH_PLACE else f'part {part + 1} of {PARTS}'}", tally, capsys)


@pytest.mark.parametrize(
    "name",
    [
        *("edits-faiss", "checkpoint-faiss", "replica-faiss", "edits-s3"),
        *(f"everything-{kind}" for kind in WITHOUT_PROCESS),
    ],
)
def test_what_a_kill_leaves_was_there_while_the_process_stood_still(
    name: str, home: Path, request: pytest.FixtureRequest
) -> None:
    scenario = BY_NAME[name]
    matrix = Matrix(home, scenario, remote_for(scenario, home, request))
    assert matrix.prove(lambda points: points[3::12]).n_halts > 1


RECOVERIES: dict[str, tuple[FromTheEnd, ...]] = {
    "edits-faiss": (("sync.put", 2),),
    "checkpoint-faiss": (("sync.cleared", 2),),
    "named_model-faiss": (("sync.put", 3),),
    "edits-s3": (("sync.put", 1),),
}
"""Where a first crash leaves much to be mended."""
SWEPT: dict[str, tuple[FromTheEnd, ...]] = {
    **{f"everything-{kind}": (("segments.put", 1),) for kind in SEGMENTS},
    "reindexed-s3": (("space.registered", 1),),
}
"""Where it leaves what nobody names, and a collection whose heir was not chosen yet."""


RECOVERED = [("edits-faiss", False), ("checkpoint-faiss", False), ("edits-s3", True)]
"""Each kind of them once, and one that was undone; in a campaign the others, too."""
OTHER_RECOVERED = [("named_model-faiss", False), ("edits-s3", False)]


@deeper
@pytest.mark.parametrize(("name", "undo"), [*RECOVERED, *more(*OTHER_RECOVERED)])
def test_a_crash_anywhere_in_the_recovery_of_a_crash_loses_nothing(
    name: str, undo: bool, home: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = BY_NAME[name]
    matrix = Matrix(home, scenario, remote_for(scenario, home, request))
    tally = matrix.run_restarts(RECOVERIES[name], enough, undo=undo)
    assert tally.n_restart_kills > 5
    tell(f"{name}, recoveries{' of what was undone' if undo else ''}", tally, capsys)


NOTHING_THERE = {"bucket.probed"}
"""Where a store has not begun to be: only its first life comes by, and it is crashed later."""


def test_every_place_in_the_code_is_reached_and_all_but_a_few_are_crashed_at(
    home: Path, request: pytest.FixtureRequest
) -> None:
    """
    By some scenario left to live, or by the restart after a crash of one; without a PostgreSQL not its own. No campaign
    crashes at a place that is not crashed at without one.
    """
    reached, crashed_at = set[str](), set[str]()
    missing = {place for place in places_in_source() if place.startswith("pg.") and isinstance(shared(), str)}
    for name, scenario in BY_NAME.items():
        if scenario.backend != "pg" or not missing:
            crashes = (RECOVERIES | SWEPT).get(name, ())
            found = Matrix(home, scenario, remote_for(scenario, home, request)).see(crashes, told_apart(scenario))
            reached, crashed_at = reached | found[0], crashed_at | found[1]
    assert places_in_source() - reached == missing
    assert reached & places_in_source() - crashed_at == NOTHING_THERE


UNDONE = ("undone",)
"""What was interrupted is taken back before the restart."""
FINDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "write: put before intent": ("edits-s3", "too much", ()),
    "write: commit before put": ("edits-s3", "answers without", ("sync.committed",)),
    "write: delete before commit": ("edits-s3", "too much", ("sync.cleared",)),
    "write: clear before delete": ("edits-s3", "too much", ("sync.cleared",)),
    "recover: clear before put": ("edits-s3", "the restart at .*recover.cleared.* payloads", UNDONE),
    "fill: remember before put": ("move-s3", "missing", ("filling.remembered",)),
    "sweep: remember before delete": ("lost-s3", "too much", ("sweep.remembered",)),
    "delete_before_put": ("edits-s3", "answers without", ("s3.deleted", "sync.deleted")),
    "forget_refused": ("refused-s3", "too much", ("sync.cleared", "sync.deleted")),
    "no_intents": ("edits-s3", "too much", ()),
    "commit_in_halves": ("edits-faiss", "(neither its old nor its new|too much)", ("transaction.committed",)),
    "clear_before_all": ("edits-s3", "the restart at .* too much", ()),
    "forget_before_leaving": ("named_model-s3", "too much", ("space.forgotten",)),
    "never_withhold": ("edits-faiss", "assistants are shown", ("sync.intended",)),
    "version_apart": ("migration-faiss", "schema", ("migration.applied",)),
    "switch_at_once": ("named_model-faiss", "answers without", ("space.switched",)),
}
"""In which scenario a wrong order is found, by what, and by crashes at which places; without, at those of a restart."""
HARMLESS: dict[str, tuple[str, tuple[str, ...]]] = {
    "recover: put before delete": ("edits-s3", ()),
    "leave: clear before leave": ("named_model-s3", ("space.",)),
    "leave: forget before clear": ("named_model-s3", ("space.",)),
    "feed: delete before put": ("replica-faiss", ("feed.",)),
    "feed: remember before delete": ("replica-faiss", ("feed.",)),
}
"""Neighbours that may stand either way: neither needs what the other leaves."""


def test_every_wrong_order_is_looked_for() -> None:
    assert FINDS.keys() | HARMLESS.keys() == PLANTS.keys()


def crashed(
    plant: str, name: str, places: tuple[str, ...], home: Path, request: pytest.FixtureRequest, choose: Choice = list
) -> Tally:
    scenario = BY_NAME[name]
    matrix = Matrix(home, scenario, remote_for(scenario, home, request), plant)
    if not places or places == UNDONE:
        return matrix.run_restarts(RECOVERIES[name], choose, undo=places == UNDONE)
    return matrix.run(lambda points: choose([point for point in points if point[0].startswith(places)]))


@pytest.mark.parametrize("plant", FINDS)
def test_a_wrong_order_is_found(plant: str, home: Path, request: pytest.FixtureRequest) -> None:
    name, said, places = FINDS[plant]
    with pytest.raises(Violated, match=f"killed at .*{said}"):
        crashed(plant, name, places, home, request)


def test_a_wrong_order_is_found_in_a_database_too(home: Path, request: pytest.FixtureRequest) -> None:
    with pytest.raises(Violated, match=r"killed at .*answers without"):
        crashed("delete_before_put", "everything-pg", ("pg.deleted", "sync.deleted"), home, request)


SAME_LISTS = ("leave: forget before clear", "feed: remember before delete")
"""Of lists of which another two are tried in `make test`."""


@deeper
@pytest.mark.parametrize("plant", [*(name for name in HARMLESS if name not in SAME_LISTS), *more(*SAME_LISTS)])
def test_neighbours_that_may_stand_either_way_lose_nothing(
    plant: str, home: Path, request: pytest.FixtureRequest
) -> None:
    name, places = HARMLESS[plant]
    assert crashed(plant, name, places, home, request, enough).n_kills


def test_a_crash_that_does_not_happen_is_a_failure(home: Path) -> None:
    matrix = Matrix(home, BY_NAME["delete-faiss"], None)
    with pytest.raises(AssertionError, match="did not happen"):
        matrix.run(lambda _: [("collection.removed", 99)])
