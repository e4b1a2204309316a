"""
Whatever is done to a vault, and wherever the process dies: the index is what a dictionary of the notes says.

`VRAGD_MODEL_EXAMPLES=2000 python -m pytest tests/faults/test_model.py` tries other examples, and shrinks what it finds.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import vragd.backends.faiss
import vragd.bulk
import vragd.compare
import vragd.refill
import vragd.vault.source
from tests.faults.model import TICK_S, Model
from tests.faults.model_lives import COUNTS
from vragd.failpoints import reach
from vragd.prepare import Prepared
from vragd.sync import Report, Syncer
from vragd.vault.source import Source
from vragd.vectors import to_vector

LONGER = int(os.environ.get("VRAGD_MODEL_EXAMPLES", "0"))
"""So many examples, other ones in each run; without it the same few in each."""
SETTINGS = settings(
    max_examples=LONGER or 60,
    stateful_step_count=30,
    derandomize=not LONGER,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink) if LONGER else (Phase.generate,),  # to shrink takes minutes
)
FINDS = settings(SETTINGS, max_examples=200, derandomize=True, phases=(Phase.generate,))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Thresholds so low that a handful of notes passes them, and silence."""
    COUNTS.clear()
    for name, value in {"FLUSH_AT_LEAST": 3, "FLUSH_SHARE": 0.01, "COMPACT_AT_LEAST": 4, "SCAN_FROM": 16}.items():
        monkeypatch.setattr(vragd.backends.faiss, name, value)
    monkeypatch.setattr(vragd.compare, "GUARD_AT_LEAST", 3)
    monkeypatch.setattr(vragd.compare, "GUARD_CONFIRM_S", 0.0)
    monkeypatch.setattr(vragd.bulk, "ROUND_S", 0.0)  # one batch a round: long notes take several
    monkeypatch.setattr(vragd.vault.source, "stamp_resolution_s", lambda _: TICK_S * 0.9)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.mark.timeout(0 if LONGER else 600)
def test_the_index_is_what_a_dictionary_of_the_notes_says(capsys: pytest.CaptureFixture[str]) -> None:
    run_state_machine_as_test(Model, settings=SETTINGS)
    crashes = {name: n for name, n in COUNTS.items() if name.startswith("crash ")}
    with capsys.disabled():
        print(f"\nmodel: {COUNTS['steps']} steps, {sum(crashes.values())} crashes at {len(crashes)} places,", end=" ")
        print(f"{COUNTS['meddled']} changes in the middle of a step, {COUNTS['compared notes']} notes compared at rest")
        print("; ".join(f"{name} {n}" for name, n in sorted(COUNTS.items())))
    rules = [name.replace("_", " ") for name in vars(Model) if not name.startswith("_") and name != "begin"]
    silent = [name for name in rules if not any(happened.startswith(f"rule {name}") for happened in COUNTS)]
    assert len(rules) > 25
    assert not silent, f"never happened: {silent}"
    assert sum(crashes.values()) >= 100
    assert len(crashes) >= 15
    assert all(COUNTS[f"meddled {what}"] >= 10 for what in ("vanish", "delete", "write"))
    died_in = Counter(name.removeprefix("crash ").partition(".")[0] for name in crashes)
    assert died_in.keys() >= {"sync", "bulk", "space", "checkpoint", "collection", "refill", "between steps"}
    assert COUNTS["compared notes"] >= 100


# -- what it must find -----------------------------------------------------------------------------------


def found() -> str:
    """What the model finds wrong."""
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(Model, settings=FINDS)
    return str(caught.value)


def delete_first(self: Syncer, ready: Sequence[Prepared], report: Report) -> None:
    """What a note had is deleted before what it is to have is put: all the rest is as it should be."""
    catalog, backend, collection = self._catalog, self._backend, self._space.collection
    wanted = [(item, chunk) for item in ready for chunk in item.fresh]
    values = catalog.embeddings(self._space.id, {chunk.text_hash for _, chunk in wanted})
    vectors = [
        to_vector(item.job.source.uid, item.job.source.label, item.job.path, "", chunk, values[chunk.text_hash])
        for item, chunk in wanted
    ]
    changes = [item.change for item in self._proven(ready, report)]
    known = [catalog.known_note(change.source_id, change.path) for change in changes]
    had = {key for note in known if note for key in catalog.embedded_chunks(note.note_id)}
    stay = {chunk.key for change in changes for chunk in getattr(change, "chunks", ()) or ()}
    catalog.save(self._space.id, (), collection, [*(vector.key for vector in vectors), *(had - stay)])
    backend.delete_vectors(collection, had - stay)
    reach("sync.deleted")
    backend.put_vectors(collection, vectors)
    reach("sync.put")
    done = catalog.commit(collection, changes)
    reach("sync.committed")
    catalog.clear(collection, [*done.dead, *had, *(vector.key for vector in vectors)])
    report.n_changed = len(changes)


def test_the_model_finds_a_delete_before_the_put(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Syncer, "_write", delete_first)
    assert "by vector" in found()


def test_the_model_finds_a_recovery_that_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vragd.refill, "recover", lambda *_: 0)
    assert "is still intended" in found()


def test_the_model_finds_a_deletion_without_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Source, "healthy", lambda _: True)
    monkeypatch.setattr(Source, "vouches", lambda *_: True)
    assert "is answered: ()" in found()
