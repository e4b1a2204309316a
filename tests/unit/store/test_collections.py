"""Whose collection it is: several catalogs on one remote index, models that change, moves with edits in between."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.s3vectors import FakeS3Vectors
from tests.world import WordEmbedder, sql
from vragd.backends.faiss.settings import FaissBackend
from vragd.backends.s3vectors.settings import S3VectorsBackend
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.errors import StoreMismatch
from vragd.store.opening import open_store
from vragd.sync.pace import PACE, Pace
from vragd.sync.prepared import Visit

BUCKET = "shared"


class Machine:
    """A store `notes` with vaults of its own, and the steps its worker would take."""

    pace = PACE

    def __init__(self, s3: FakeS3Vectors, home: Path, digest: str = "1", vaults: tuple[str, ...] = ("vault",)) -> None:
        self.s3, self.home, self.vaults = s3, home, vaults
        self.embedder = WordEmbedder()
        self.embedder.digest = digest
        self.bucket: str | None = BUCKET
        for name in vaults:
            (home / name).mkdir(parents=True)
        self.open()

    def open(self) -> Machine:
        backend: Any = FaissBackend()
        if self.bucket:
            backend = S3VectorsBackend(type="s3vectors", bucket=self.bucket, endpoint_url=self.s3.url)
        sources = tuple(SourceSettings(path=self.home / name) for name in self.vaults)
        settings = StoreSettings(sources=sources, backend=backend)
        limits = LimitSettings(min_free_mib=0)
        self.store = open_store("notes", settings, self.home / "store", limits, lambda: self.embedder, pace=self.pace)
        return self

    def reopen(self, **changes: Any) -> Machine:
        self.store.close()
        for name, value in changes.items():
            setattr(self, name, value)
        return self.open()

    def write(self, path: str, text: str) -> Machine:
        (self.home / path).write_text(text)
        return self

    def work(self) -> Machine:
        """Until there is nothing to do."""
        self.store.prepare()
        while self.store.behind:
            self.store.fill()
        visits = []
        for source in self.store.sources.values():
            self.store.connect(source)
            visits += [Visit(source, path) for path in self.store.scan_source(source)[0]]
            visits += [Visit(source, path) for path in self.store.scan_source(source)[0]]
        while visits:
            visits = self.store.apply(visits).deferred
        self.store.prepare()
        while self.store.behind:
            self.store.fill()
        self.store.sweep()
        return self

    @property
    def live(self) -> set[str]:
        assert self.store.space is not None
        return self.store.catalog.live_keys(self.store.space.id)

    @property
    def collection(self) -> str:
        assert self.store.space is not None
        return self.store.space.collection


@pytest.fixture
def one(s3: FakeS3Vectors, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(s3, tmp_path / "one")
    machine.write("vault/a.md", "# One\n\nfirst\n\n# Two\n\nsecond\n").write("vault/b.md", "third\n").work()
    yield machine
    machine.store.close()


@pytest.fixture
def two(one: Machine, s3: FakeS3Vectors, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(s3, tmp_path / "two").write("vault/c.md", "fourth\n").work()
    yield machine
    machine.store.close()


def key_of(machine: Machine, path: str) -> str:
    """The key of a note's one chunk."""
    ((key,),) = sql(machine.home / "store", "select key from chunk join note on note.id = note_id where path = ?",
                    path.encode())  # fmt: skip
    return str(key)


def there(s3: FakeS3Vectors, index: str = "notes", bucket: str = BUCKET) -> set[str]:
    return s3.keys(bucket, index)


def test_an_index_deleted_and_made_again_by_one_is_filled_again_by_both(
    s3: FakeS3Vectors, one: Machine, two: Machine
) -> None:  # fmt: skip
    s3.moto.delete_index(BUCKET, "notes", "")
    one.work()
    two.work()
    assert there(s3) == one.live | two.live
    assert (len(one.live), len(two.live)) == (3, 1)


def test_an_index_whose_making_was_not_answered_is_filled(s3: FakeS3Vectors, one: Machine) -> None:
    s3.moto.delete_index(BUCKET, "notes", "")
    s3.drop_operations = frozenset({"CreateIndex"})
    s3.apply_then_drop = 1
    one.work()
    assert there(s3) == one.live


def test_a_refused_writer_that_takes_the_right_model_joins_the_index(
    s3: FakeS3Vectors, one: Machine, tmp_path: Path
) -> None:  # fmt: skip
    other = Machine(s3, tmp_path / "other", digest="2").write("vault/d.md", "fifth\n")
    with pytest.raises(StoreMismatch, match="test-words"):
        other.work()
    other.embedder.digest = "1"
    other.work()
    assert there(s3) == one.live | other.live
    assert s3.moto.get_vector_bucket(BUCKET).indexes.keys() == {
        f"arn:aws:s3vectors:us-east-1:123456789012:bucket/{BUCKET}/index/notes"
    }
    other.store.close()


def test_a_store_that_had_another_model_elsewhere_joins_the_index(
    s3: FakeS3Vectors, one: Machine, tmp_path: Path
) -> None:  # fmt: skip
    other = Machine(s3, tmp_path / "other", digest="2")
    other.reopen(bucket=None).write("vault/d.md", "fifth\n").work()
    other.embedder.digest = "1"
    other.reopen(bucket=BUCKET).work()
    assert there(s3) == one.live | other.live
    assert other.collection == "notes"
    other.store.close()


def test_another_model_takes_a_place_beside_and_the_old_one_goes(s3: FakeS3Vectors, one: Machine) -> None:
    one.embedder.digest = "2"
    one.reopen().work()
    assert one.collection != "notes"
    assert there(s3, one.collection) == one.live
    assert [name.rpartition("/")[2] for name in s3.moto.get_vector_bucket(BUCKET).indexes] == [one.collection]


def test_a_second_machine_with_the_new_model_finds_where_the_first_went(
    s3: FakeS3Vectors, one: Machine, tmp_path: Path
) -> None:  # fmt: skip
    one.embedder.digest = "2"
    one.reopen().work()
    other = Machine(s3, tmp_path / "other", digest="2").write("vault/d.md", "fifth\n").work()
    assert other.collection == one.collection
    assert there(s3, one.collection) == one.live | other.live
    other.store.close()


def test_one_of_several_writers_is_refused_another_model(s3: FakeS3Vectors, one: Machine, two: Machine) -> None:
    one.embedder.digest = "2"
    one.reopen()
    with pytest.raises(StoreMismatch, match="others feed"):
        one.store.prepare()
    assert len(there(s3)) == 4


def test_back_and_forth_with_edits_and_a_source_removed_in_between_leaves_what_is_live(
    s3: FakeS3Vectors, tmp_path: Path
) -> None:  # fmt: skip
    it = Machine(s3, tmp_path / "it", vaults=("vault", "private"))
    it.write("vault/a.md", "first\n").write("private/p.md", "secret\n").work()
    it.reopen(bucket=None, vaults=("vault",)).write("vault/a.md", "second\n").work()
    it.reopen(bucket=BUCKET).work()
    assert there(s3) == it.live
    assert len(it.live) == 1
    it.reopen(bucket="another").write("vault/a.md", "third\n").work()
    it.reopen(bucket=BUCKET).work()
    assert there(s3) == it.live
    it.store.forget()
    assert not s3.moto.get_vector_bucket(BUCKET).indexes
    it.store.close()


def test_a_copied_data_directory_becomes_a_machine_of_its_own(
    s3: FakeS3Vectors, one: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    embedded = len(one.embedder.texts)
    shutil.copytree(one.home, tmp_path / "copy", symlinks=True)
    monkeypatch.setattr("vragd.store.collections.machine_id", lambda: "another machine")
    monkeypatch.setattr("vragd.system.machine._machine", lambda: "another machine")
    copy = Machine.__new__(Machine)
    copy.s3, copy.home, copy.vaults, copy.bucket = s3, tmp_path / "copy", ("vault",), BUCKET
    copy.embedder = one.embedder
    copy.open()
    (copy.home / "vault/b.md").write_text("---\nvragd: false\n---\nWithdrawn here, not there.\n")
    copy.work()
    assert there(s3) == one.live | copy.live
    assert (len(one.live), len(copy.live), len(one.live & copy.live)) == (3, 2, 0)
    assert len(one.embedder.texts) == embedded
    copy.store.close()


def test_a_put_that_was_never_committed_leaves_no_trace_in_the_metadata(
    s3: FakeS3Vectors, one: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    before = s3.metadata(BUCKET, "notes")
    original = (one.home / "vault/a.md").read_text()
    one.write("vault/a.md", "\n\n# Secret plan\n\n" + original)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(one.store.catalog, "commit", killed)
        with pytest.raises(KeyboardInterrupt):
            one.work()
    assert s3.metadata(BUCKET, "notes") != before
    one.write("vault/a.md", original)
    one.reopen().work()
    assert s3.metadata(BUCKET, "notes") == before


def test_one_vector_aws_finds_fault_with_keeps_nobody_out(s3: FakeS3Vectors, one: Machine) -> None:
    one.reopen(bucket=None).write("vault/bad.md", "# Cursed heading\n\nsixth\n").work()
    s3.poison = "Cursed"
    one.reopen(bucket=BUCKET).work()
    assert there(s3) == one.live
    assert len(one.live) == 4
    assert not any("Cursed" in str(metadata) for metadata in s3.metadata(BUCKET, "notes").values())


def test_one_vector_aws_refuses_whatever_is_told_of_it_is_set_aside_and_taken_later(
    s3: FakeS3Vectors, one: Machine
) -> None:
    one.write("vault/bad.md", "sixth\n").write("vault/moved.md", "seventh\n").work()
    (bad, moved) = (key_of(one, name) for name in ("bad.md", "moved.md"))
    s3.poison, s3.refuses = "", lambda vectors, _: any(vector["key"] in (bad, moved) for vector in vectors)
    one.write("vault/moved.md", "\n\nseventh\n").work()  # what is there of it tells other lines
    assert there(s3) == one.live
    assert len(one.live) == 4
    one.reopen(bucket="another").work()
    assert there(s3, bucket="another") == one.live
    assert len(one.live) == 3
    assert {row.path for row in one.store.reader.files(["partial"])} == {"bad.md", "moved.md"}
    s3.poison = None
    for source in one.store.sources.values():
        one.store.apply([Visit(source, path) for path in ("bad.md", "moved.md")])
    assert there(s3, bucket="another") == one.live
    assert len(one.live) == 5
    assert one.store.reader.files(["partial"]) == []
    assert s3.violations == []


def test_an_index_of_another_dimension_by_now_is_no_fault_of_any_note(s3: FakeS3Vectors, one: Machine) -> None:
    s3.moto.delete_index(BUCKET, "notes", "")
    s3.moto.create_index(BUCKET, "", "notes", "float32", 7, "cosine")
    one.write("vault/c.md", "eighth\n")
    (source,) = one.store.sources.values()
    with pytest.raises(StoreMismatch, match="7"):
        one.store.apply([Visit(source, "c.md")])
    assert one.store.reader.files(["partial"]) == []


def test_filling_reads_the_catalog_once_and_goes_on_after_a_restart(s3: FakeS3Vectors, one: Machine) -> None:
    one.reopen(bucket="another", pace=Pace(fill_slice=1))
    one.store.prepare()
    one.store.fill()
    s3.forget_calls()
    one.reopen()
    one.store.attach()
    assert one.store.filling.n_left == 2
    one.embedder.down = True
    while one.store.behind:
        one.store.fill()
    assert s3.calls == {"GetIndex": 1, "PutVectors": 2}
    assert there(s3, bucket="another") == one.live
