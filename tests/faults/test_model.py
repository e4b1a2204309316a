"""
Whatever is done to a vault, and wherever the process dies: the index is what a dictionary of the notes says.

`VRAGD_MODEL_EXAMPLES=2000 python -m pytest tests/faults/test_model.py` tries other examples, and shrinks what it finds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from tests.faults import crash_plants
from tests.faults.model import PLACES, Model
from tests.faults.model_lives import COUNTS, RUNS, Lives, Run, rule
from vragd.sync import order
from vragd.sync.proof.proof import Proof

LONGER = int(os.environ.get("VRAGD_MODEL_EXAMPLES", "0"))
"""So many examples, other ones in each run; without it the same few in each."""
SETTINGS = settings(
    max_examples=LONGER or 50,
    stateful_step_count=30,
    derandomize=not LONGER,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink) if LONGER else (Phase.generate,),  # to shrink takes minutes
)
FINDS = settings(SETTINGS, max_examples=200, derandomize=True, phases=(Phase.generate,))

RULES = [name for name in vars(Model) if not name.startswith("_") and name != "begin"]
SHORT, OTHER = ("plain", ["h1", "chair"]), ("titled", ["clock", "h2", "stove", "long"])
TOUR: list[tuple[str, dict[str, Any]]] = [
    ("write", {"path": "D/E/a.md", "document": OTHER, "how": "in_place"}),
    ("save", {"path": "D/a.md", "document": SHORT, "plan": []}),
    ("rewrite", {"pick": 0, "document": OTHER, "how": "in_place"}),
    ("rewrite_in_secret", {"pick": 1}),
    ("append", {"pick": 1, "document": SHORT}),
    ("truncate", {"pick": 1, "to_nothing": False}),
    ("truncate", {"pick": 2, "to_nothing": True}),
    ("grow_too_large", {"pick": 3}),
    ("chmod", {"pick": 0, "mode": 0o444}),
    ("rename", {"pick": 0, "to": "F/a.md"}),
    ("swap", {"pick": 0, "step": 1}),
    ("copy", {"pick": 0, "to": "Private/a.md"}),
    ("hide_a_folder", {}),
    ("hide_a_folder", {}),
    ("link", {"path": "b.md", "to": "secret.md"}),
    ("link", {"path": "D/E", "to": "Hers"}),
    ("make_folder", {"path": "G"}),
    ("folder_comes", {"folder": "G", "name": "Hers"}),
    ("folder_goes", {"pick": 1, "how": "inside", "to": "F"}),
    ("folder_goes", {"pick": 1, "how": "out", "to": "F"}),
    ("folder_comes", {"folder": "D", "name": "Taken out"}),
    ("folder_goes", {"pick": 1, "how": "delete", "to": "F"}),
    *(("write", {"path": path, "document": OTHER, "how": "renamed"}) for path in ("a.md", "b.md", "D/a.md", "D/b.md")),
    ("delete", {"pick": 0}),
    ("vault_is_restored", {"pick": 0}),
    *(
        step
        for leaving in ("nothing", "folder", "vault", "file")
        for step in (("vault_goes", {"leaving": leaving, "plan": []}), ("vault_comes_back", {}))
    ),
    ("lose_the_cache", {"how": "no folder"}),
    ("lose_the_cache", {"how": "cut"}),
    ("change_the_embedder", {"state": "down"}),
    ("change_the_embedder", {"state": "model 3"}),
    ("look_and_work", {"limit": 1, "plan": []}),
    ("hint_and_work", {"pick": 0, "plan": []}),
    ("work", {"limit": 64, "plan": []}),
    *(("do_a_chore", {"what": what, "folder": "D", "plan": []}) for what in ("heartbeat", "folder scan", "time")),
    ("do_a_chore", {"what": "checkpoint", "folder": "D", "plan": []}),
    ("kill", {}),
    ("restart", {"plan": []}),
]
"""Every rule, at least once, so that it has something to do."""


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    COUNTS.clear()
    RUNS.clear()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


def silent() -> list[str]:
    """The rules that did nothing."""
    return [name for name in RULES if not any(said.startswith(f"rule {name.replace('_', ' ')}") for said in COUNTS)]


def unlike(runs: Sequence[Run]) -> str:
    """What the last run did and how it ended, beside the earlier one it shares most of its steps with."""
    *earlier, last = runs

    def shared(run: Run) -> int:
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(run.steps, last.steps, strict=False)))

    first = max(earlier, key=shared)
    return "\n\n".join(
        f"{name} run, {shared(first)} steps of {len(run.steps)} as in the other:\n" + "\n".join(run.steps) + f"\n{how}"
        for name, run in (("first", first), ("second", last))
        for how in (run.ended or "it ended well",)
    )


def examples(tried: settings, machine: type[Lives] = Model) -> None:
    """Run the model. Hypothesis keeps to itself what went wrong if the same steps went otherwise before: not here."""
    try:
        run_state_machine_as_test(machine, settings=tried)
    except Flaky as flaky:
        raise RuntimeError(f"the same steps had two outcomes ({flaky})\n\n{unlike(RUNS)}") from flaky


@pytest.mark.timeout(0 if LONGER else 600)
def test_the_index_is_what_a_dictionary_of_the_notes_says(capsys: pytest.CaptureFixture[str]) -> None:
    examples(SETTINGS)
    crashes = {name: n for name, n in COUNTS.items() if name.startswith("crash ")}
    with capsys.disabled():
        print(f"\nmodel: {COUNTS['steps']} steps, {sum(crashes.values())} crashes at {len(crashes)} places,", end=" ")
        print(f"{COUNTS['meddled']} changes in the middle of a step, {COUNTS['compared notes']} notes compared at rest")
        print("; ".join(f"{name} {n}" for name, n in sorted(COUNTS.items())))
    assert len(silent()) <= 5, f"never happened: {silent()}"
    assert sum(crashes.values()) >= 40
    assert len(crashes) >= 8  # each place has its own test below
    assert all(COUNTS[f"meddled {what}"] >= 5 for what in ("vanish", "delete", "write"))
    assert COUNTS["compared notes"] >= 100
    assert COUNTS["waited for vectors"] >= 20


@pytest.mark.parametrize("obsidian", [True, False])
def test_every_change_comes_to_rest(obsidian: bool) -> None:
    model = Model()
    try:
        model.begin(obsidian=obsidian, plan=[], notes={"a.md": SHORT, "b.md": OTHER})
        model.rest(plan=[])
        for name, drawn in TOUR:
            getattr(model, name)(**drawn)
            model.holds()
            if name != "vault_goes":  # a rest would bring it back
                model.rest(plan=[])
    finally:
        model.teardown()
    assert silent() == ([] if obsidian else ["hide_a_folder"])


OF_REMOTE_BACKENDS = {"recover.put", "refused.set_aside"}


@pytest.mark.parametrize("place", [place for place in PLACES if place not in OF_REMOTE_BACKENDS])
def test_a_death_at_each_place_is_survived(place: str) -> None:
    """The same days of a vault each time; on the way every place is reached."""
    model = Model()
    try:
        model.begin(obsidian=True, plan=[(place, 1, "crash")], notes={"a.md": SHORT, "b.md": OTHER})
        model.rest(plan=[])
        model.do_a_chore(what="checkpoint", folder="D", plan=[])
        model.delete(pick=0)
        model.look_and_work(limit=64, plan=[])
        model.kill()  # the cache file still has what was deleted
        model.restart(plan=[])
        model.save(path="a.md", document=("plain", ["h2", "stove"]), plan=[("sync.put", 1, "crash")])
        model.rest(plan=[])
        model.lose_the_cache(how="flipped")
        model.change_the_embedder(state="model 2")
        model.rest(plan=[])
    finally:
        model.teardown()
    assert COUNTS[f"crash {place}"], "it never got there"


@pytest.mark.parametrize("place", ["sync.intended", "sync.committed", "sync.cleared"])
@pytest.mark.parametrize("new", [True, False])
def test_a_death_while_a_note_waits_for_the_embedder_is_survived(place: str, new: bool) -> None:
    model = Model()
    try:
        model.begin(obsidian=True, plan=[], notes={"a.md": SHORT, "b.md": OTHER})
        if new:
            model.change_the_embedder(state="down")
        else:
            model.rest(plan=[])
            model.change_the_embedder(state="down")
            model.save(path="b.md", document=("titled", ["h2", "long", "stove"]), plan=[])
        model.save(path="a.md", document=("plain", ["h1", "stove"]), plan=[(place, 1, "crash")])
        model.look_and_work(limit=64, plan=[])
        model.holds()
        assert COUNTS["waited for vectors"] >= 2
        model.kill()
        model.restart(plan=[])
        model.holds()
        model.rest(plan=[])
    finally:
        model.teardown()
    assert COUNTS[f"crash {place}"], "it never got there"


class Wavering(Lives):
    """Goes wrong in its first example, and not when that is tried again."""

    @rule()
    def go(self) -> None:
        assert len(RUNS) > 1, "only once"

    def holds(self) -> None:
        """There is no vault."""


def test_the_same_steps_with_two_outcomes_are_told_with_both() -> None:
    with pytest.raises(RuntimeError, match="the same steps had two outcomes") as caught:
        examples(SETTINGS, Wavering)
    first, second = str(caught.value).partition("second run")[::2]
    assert "AssertionError: only once" in first
    assert "go()" in second
    assert "it ended well" in second


# -- what it must find -----------------------------------------------------------------------------------


@seed(1)
class Early(Model):
    """The same rules; of the seeds tried, one whose examples come early to what is planted here."""


def found() -> str:
    """What the model finds wrong."""
    with pytest.raises(AssertionError) as caught:
        examples(FINDS, Early)
    return str(caught.value)


def test_the_model_finds_a_delete_before_the_put(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "WRITE", order.WRITE)  # to have it back afterwards
    crash_plants.delete_before_put()
    assert "live but not held" in found()


def test_the_model_finds_a_recovery_that_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "recover", lambda *_: 0)
    assert "is still intended" in found()


@pytest.mark.timeout(600)
def test_the_model_finds_a_deletion_without_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Proof, "gone", lambda _self, paths: set(paths))
    assert "is answered: ()" in found()
