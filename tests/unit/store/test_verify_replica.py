"""Verification of a replica: what somebody else changed in it is found, and mended without embedding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.backends import keys
from tests.unit.store.test_replica import Rig, opened, settings_of, write
from vragd.backends.base import Batch, Entry
from vragd.errors import BackendRefused, BackendUnavailable
from vragd.store.verify import Problem, compare_replica, mend_replica
from vragd.sync.pace import Pace


def never() -> bool:
    return False


def found(rig: Rig) -> list[tuple[str, str]]:
    problems = compare_replica(rig.replica, rig.told(), rig.on_writer, never)
    assert all(problem.replica == "second" for problem in problems)
    return [(problem.kind, problem.detail) for problem in problems]


def mend(rig: Rig) -> None:
    problems = compare_replica(rig.replica, rig.told(), rig.on_writer, never)
    mend_replica(rig.replica, rig.told(), rig.on_writer, never, problems)


def entry(rig: Rig, key: str) -> Entry:
    held = rig.counting.get(rig.fed, [key], metadata=True)[key]
    return Entry(key, held.values, held.metadata, held.payload, held.version)


def put(rig: Rig, one: Entry) -> None:
    rig.counting.put_vectors(rig.fed, Batch.of([one]))


def other_values(rig: Rig, key: str) -> None:
    one = entry(rig, key)
    assert one.values is not None
    put(rig, Entry(key, np.roll(one.values, 1), one.metadata, one.payload, one.version))


def other_metadata(rig: Rig, key: str) -> None:
    one = entry(rig, key)
    put(rig, Entry(key, one.values, {**one.metadata, "folder": ("elsewhere",)}, {}, "0" * 16))


@pytest.fixture(params=["faiss", "sqlite"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    for rig in opened(tmp_path, settings_of(request.param, tmp_path)):
        write(rig, "a.md", "b.md")
        yield rig


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (other_values, "wrong_vector"),
        (other_metadata, "wrong_metadata"),
        (lambda rig, key: rig.counting.delete_vectors(rig.fed, [key]), "missing_vector"),
    ],
)
def test_what_is_wrong_with_a_vector_is_found_and_mended(
    rig: Rig, change: Callable[[Rig, str], None], kind: str
) -> None:
    assert found(rig) == [], "it is fed first"
    n_embedded = rig.store.n_embedded
    key, *_ = sorted(keys(rig.counting, rig.fed))
    before = entry(rig, key)
    change(rig, key)
    assert found(rig) == [(kind, key)]
    mend(rig)
    assert found(rig) == []
    after = entry(rig, key)
    assert np.allclose(after.values, before.values, atol=1e-3)  # type: ignore[arg-type]
    assert (after.metadata, after.version) == (before.metadata, before.version)
    assert rig.store.n_embedded == n_embedded
    assert rig.feed() == (0, 0), "each was told once"


def test_two_faults_at_once_are_mended_by_one_repair(rig: Rig) -> None:
    assert found(rig) == []
    first, second, *_ = sorted(keys(rig.counting, rig.fed))
    other_values(rig, first)
    rig.counting.delete_vectors(rig.fed, [second])
    assert sorted(found(rig)) == sorted([("wrong_vector", first), ("missing_vector", second)])
    mend(rig)
    assert found(rig) == []


def test_a_key_of_ours_that_nobody_knows_is_found_and_deleted(rig: Rig) -> None:
    assert found(rig) == []
    key = sorted(keys(rig.counting, rig.fed))[0]
    stranger = key[:-4] + "ffff"
    put(rig, Entry(stranger, np.ones(32, dtype=np.float32), {"source": rig.source.uid}, {}, "0" * 16))
    assert found(rig) == [("orphan_vector", stranger)]
    assert compare_replica(rig.replica, rig.told(all_known=False), rig.on_writer, never) == [], "a note may be unread"
    mend(rig)
    assert found(rig) == []
    assert rig.is_equal()


def test_one_restored_from_an_old_backup_is_found_key_by_key(rig: Rig) -> None:
    assert found(rig) == []
    old = [entry(rig, key) for key in keys(rig.counting, rig.fed)]
    (rig.vault / "b.md").unlink()
    write(rig, "a.md", text="# One\n\nNo heron any more.\n")
    rig.apply("b.md")
    rig.feed()
    live = set(keys(rig.counting, rig.fed))
    rig.counting.delete_vectors(rig.fed, live)
    rig.counting.put_vectors(rig.fed, Batch.of(old))
    n_embedded = rig.store.n_embedded
    problems = found(rig)
    had = {one.key for one in old}
    assert {detail for kind, detail in problems if kind == "missing_vector"} == live - had
    assert {detail for kind, detail in problems if kind == "orphan_vector"} == had - live
    mend(rig)
    assert found(rig) == []
    assert rig.is_equal()
    assert rig.store.n_embedded == n_embedded


def test_a_collection_that_is_gone_is_found_and_made_again(rig: Rig) -> None:
    assert found(rig) == []
    rig.counting.delete_collection(rig.fed, identity=rig.counting.collection_info(rig.fed).identity)
    ((kind, _),) = found(rig)
    assert kind == "missing_collection"
    mend(rig)
    assert found(rig) == []
    assert rig.is_equal()


def test_what_it_was_not_told_yet_is_no_difference(rig: Rig) -> None:
    assert found(rig) == []
    (rig.vault / "b.md").unlink()
    write(rig, "a.md", text="# One\n\nSomething else.\n")
    rig.apply("b.md")
    assert found(rig) == []
    assert rig.behind[0] > 0


def test_a_note_that_moved_to_another_folder_is_told(rig: Rig) -> None:
    assert found(rig) == []
    (rig.vault / "deep").mkdir()
    (rig.vault / "a.md").rename(rig.vault / "deep/a.md")
    rig.apply("a.md", "deep/a.md")
    rig.feed()
    assert found(rig) == []


def test_one_that_is_late_or_cannot_be_reached_is_not_checked(rig: Rig) -> None:
    rig.begin(pace=Pace(fill_slice=1))
    assert compare_replica(rig.replica, rig.told(), rig.on_writer, lambda: True) == [
        Problem("not_checked", detail=f"{rig.behind[0]} vectors are still on their way to it", replica="second")
    ]
    assert found(rig) == []
    rig.counting.away = True
    assert found(rig) == [("not_checked", "out of reach")]
    with pytest.raises(BackendUnavailable):
        mend_replica(rig.replica, rig.told(), rig.on_writer, never, [])


def test_a_folder_that_the_note_is_not_in_is_a_difference(rig: Rig) -> None:
    (rig.vault / "deep").mkdir()
    write(rig, "deep/c.md")
    assert found(rig) == []
    key = next(key for key in keys(rig.counting, rig.fed) if entry(rig, key).metadata["folder"])
    one = entry(rig, key)
    put(rig, Entry(key, one.values, {**one.metadata, "folder": ("hidden",)}, one.payload, one.version))
    assert found(rig) == [("wrong_metadata", key)]
    mend(rig)
    assert found(rig) == []


@pytest.mark.parametrize("of", ["segment", "manifest"])
def test_files_that_are_damaged_while_nobody_runs_are_mended_by_the_next_step(tmp_path: Path, of: str) -> None:
    for rig in opened(tmp_path, settings_of("file", tmp_path)):
        write(rig, "a.md", "b.md")
        rig.feed()
        put(rig, Entry("theirs-1", np.ones(32, dtype=np.float32), {"source": "theirs"}))
        n_embedded = rig.store.n_embedded
        ours = max(tmp_path.rglob("*.segment"), key=lambda file: file.stat().st_size)
        (file,) = [ours] if of == "segment" else tmp_path.rglob("manifest.json")
        file.write_bytes(file.read_bytes()[:-1])
        rig.again()
        rig.feed()
        assert found(rig) == []
        assert set(keys(rig.counting, rig.fed)) == rig.store.catalog.live_keys(1) | {"theirs-1"}
        assert rig.store.n_embedded == n_embedded


def test_what_is_damaged_of_somebody_elses_is_left_as_it_is_and_said(tmp_path: Path) -> None:
    for rig in opened(tmp_path, settings_of("file", tmp_path)):
        write(rig, "a.md")
        theirs = tmp_path / "beside.file/sss"
        theirs.mkdir(parents=True)
        (theirs / "manifest.json").write_text('{"format": 1}')
        for _ in range(2):
            assert [kind for kind, _ in found(rig)] == ["damaged_files"]
            with pytest.raises(BackendRefused, match="is damaged"):
                mend(rig)
        assert (theirs / "manifest.json").read_text() == '{"format": 1}'


@pytest.mark.parametrize("kind", ["file", "faiss", "sqlite"])
def test_a_file_that_is_gone_or_cut_under_an_open_replica_is_found(tmp_path: Path, kind: str) -> None:
    for rig in opened(tmp_path, settings_of(kind, tmp_path)):
        write(rig, "a.md", "b.md")
        assert found(rig) == []
        rig.again()
        assert found(rig) == []
        files = [*tmp_path.rglob("*.segment"), *tmp_path.rglob("vectors.faiss"), *tmp_path.glob("*.sqlite")]
        assert files
        for file in files:
            file.write_bytes(file.read_bytes()[:200])
        assert [kind for kind, _ in found(rig)] == ["damaged_files"]
        mend(rig)
        assert found(rig) == []
        assert rig.is_equal()
