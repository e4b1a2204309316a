"""A copy costs no embedding, goes on where it broke off, and is whole only once it was looked at."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends import keys, put
from tests.fakes.lucene import FakeNode
from tests.moved import indexed, says
from tests.world import WordEmbedder, without
from vragd.backends.base import Batch, Entry, VectorBackend
from vragd.backends.memory.backend import MemoryBackend
from vragd.backends.registry import create_backend
from vragd.backends.settings import BackendSettings
from vragd.cli.moving import outcome
from vragd.config.load import Loaded
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.errors import (
    AGAIN,
    BackendRefused,
    BackendUnavailable,
    CollectionMismatch,
    DiskFull,
    StoreMismatch,
    UsageError,
    VectorsRefused,
    VragdError,
)
from vragd.store.exported import Shape
from vragd.store.opening import open_store
from vragd.stores.elsewhere import Place
from vragd.stores.moves import places, sound, transfer

SPACE = WordEmbedder().space("")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return indexed(tmp_path_factory.mktemp("notes"))


@contextmanager
def origin_of(loaded: Loaded) -> Iterator[sound.Sound]:
    with places.origin_of(loaded, "notes") as origin:
        yield sound.Sound(origin)


def copied(loaded: Loaded, backend: VectorBackend, name: str = "copy") -> transfer.Moved:
    with origin_of(loaded) as origin:
        shape = origin.shape
        backend.create_collection(name, shape.dimension, "cosine", space=shape.space, model=shape.model)
        return transfer.transfer(origin, backend, name)


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_a_copy_made_again_with_its_text_or_without_it_is_so(loaded: Loaded, tmp_path: Path, kind: str) -> None:
    for with_text in (False, True, True, False):
        with Place.named(f"{kind}:{tmp_path}/x?remote_text={str(with_text).lower()}", {}) as place:
            with origin_of(loaded) as origin:
                transfer.make(place, "copy", origin.shape)
                moved = transfer.transfer(origin, place.backend, "copy", with_text=with_text)
            held = place.backend.get("copy", keys(place.backend, "copy"), values=False, metadata=True)
        assert moved.is_whole
        assert {bool(one.payload.get("content")) for one in held.values()} == {with_text}
    assert (moved.n_put, moved.n_there) == (len(held), 0)


class Faulty(MemoryBackend):
    """Fails, loses, changes or refuses what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.n_put = 0
        self.before: Callable[[Batch], Batch] = lambda batch: batch

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        batch = self.before(batch)
        super().put_vectors(name, batch, visible=visible)
        self.n_put += len(batch)


@pytest.mark.parametrize("url", ["file:{}/x?remote_text=true", "sqlite:{}/x.db?remote_text=true", "sqlite:{}/y.db"])
def test_a_copy_is_whole_and_made_again_puts_nothing(loaded: Loaded, tmp_path: Path, url: str) -> None:
    with Place.named(url.format(tmp_path), {}) as place, origin_of(loaded) as origin:
        transfer.check(place, "copy", origin.shape, origin.count)
        assert transfer.make(place, "copy", origin.shape).space == SPACE.meaning
        seen = list[int]()
        moved = transfer.transfer(origin, place.backend, "copy", seen.append)
        assert moved.is_whole
        assert (moved.n_put, moved.n_there, moved.n_compared, seen[-1]) == (origin.count, 0, origin.count, origin.count)
        assert keys(place.backend, "copy") == sorted(record.entry.key for record in origin.records())
        (match,) = place.backend.query("copy", WordEmbedder().embed_query("x"), 1, payload=True).items
        assert bool(match.payload.get("content")) == ("remote_text" in url)
        again = transfer.transfer(origin, place.backend, "copy")
        assert (again.n_put, again.n_there, again.is_whole) == (0, moved.n_put, True)
        on = places.Collection(place.backend, place.backend.collection_info("copy"), place.where())
        other = MemoryBackend()
        other.create_collection("onward", 32, "cosine")
        assert transfer.transfer(on, other, "onward").is_whole
        assert keys(other, "onward") == keys(place.backend, "copy")


def test_one_that_broke_off_goes_on(loaded: Loaded) -> None:
    backend = Faulty()

    def breaks(batch: Batch) -> Batch:
        backend.before = lambda batch: batch
        some = without(batch, range(len(batch) // 2, len(batch)))
        MemoryBackend.put_vectors(backend, "copy", some)
        backend.n_put += len(some)
        raise BackendUnavailable("gone")

    backend.before = breaks
    with pytest.raises(BackendUnavailable):
        copied(loaded, backend)
    n_first = backend.n_put
    moved = copied(loaded, backend)
    assert n_first
    assert moved.is_whole
    assert (moved.n_there, moved.n_put) == (n_first, backend.n_put - n_first)


def test_what_is_lost_changed_refused_or_too_much_is_not_whole_and_said(
    loaded: Loaded, capsys: pytest.CaptureFixture[str]
) -> None:
    def loses(batch: Batch) -> Batch:
        return without(batch, {0})

    def turns(batch: Batch) -> Batch:
        assert batch.values is not None
        return replace(batch, values=batch.values[:, ::-1].copy())

    def refuses(batch: Batch) -> Batch:
        first = min(batch.keys)
        if len(batch) > 3:
            raise VectorsRefused("too long", keys=(first,), part="payload")
        return batch

    for before, words in ((loses, "1 not there"), (turns, "with another vector"), (refuses, "refused")):
        backend = Faulty()
        backend.before = before
        moved = copied(loaded, backend)
        assert not moved.is_whole
        with pytest.raises(VragdError, match=words):
            outcome(moved, "copy", "there")
    assert "refused: " in capsys.readouterr().err
    backend = Faulty()
    copied(loaded, backend)
    key = next(iter(keys(backend, "copy")))
    backend.put_vectors(
        "copy",
        Batch.of([Entry(f"{key[:-1]}x", np.ones(32, np.float32)), Entry("b" * 12 + "-1", np.ones(32, np.float32))]),
    )
    moved = copied(loaded, backend)
    assert (moved.extra, moved.is_whole) == (1, False)
    with pytest.raises(VragdError, match="1 there that the origin does not hold") as caught:
        outcome(moved, "copy", "there")
    assert "vragd store delete --backend URL copy" in says(caught.value)


def test_a_refusal_that_names_nothing_is_not_tried_for_ever(loaded: Loaded) -> None:
    def refuses(batch: Batch) -> Batch:
        raise VectorsRefused("no", keys=("other",), part="payload")

    backend = Faulty()
    backend.before = refuses
    with pytest.raises(VectorsRefused):
        copied(loaded, backend)


@pytest.mark.parametrize(
    ("url", "name", "change", "error"),
    [
        ("s3vectors://my-vectors", "copy", {"metric": "dot"}, CollectionMismatch),
        ("s3vectors://my-vectors", "copy", {"dimension": 5_000}, CollectionMismatch),
        ("file:{}/x", "No Name", {}, UsageError),
        ("file:{}/x", "ab", {}, UsageError),
    ],
)
def test_what_the_other_end_cannot_hold_is_refused_before_anything_is_asked_of_it(
    tmp_path: Path, url: str, name: str, change: dict[str, Any], error: type[VragdError]
) -> None:
    shape = replace(Shape(32, "cosine", SPACE.meaning, SPACE.title), **change)
    with Place.named(url.format(tmp_path), {}) as place, pytest.raises(error):
        transfer.check(place, name, shape, 10)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_refused_before_the_first_put(tmp_path: Path) -> None:
    with Place.named(f"sqlite:{tmp_path}/x.db", {}) as place:
        transfer.check(place, "copy", Shape(768, "cosine"), None)
        with pytest.raises(DiskFull, match=r"needs about [\d,]+ MiB, and [\d,]+ are free"):
            transfer.check(place, "copy", Shape(768, "cosine"), 10**12)


def test_an_index_of_another_model_stays_as_it_is(tmp_path: Path) -> None:
    with Place.named(f"sqlite:{tmp_path}/x.db", {}) as place:
        transfer.make(place, "copy", Shape(8, "cosine"))
        with pytest.raises(CollectionMismatch, match="holds 8-d cosine vectors, asked for 32-d") as caught:
            transfer.make(place, "copy", Shape(32, "cosine"))
        assert "another name" in says(caught.value)
        with pytest.raises(CollectionMismatch, match="holds 8-d cosine vectors, asked for 32-d"):
            transfer.check(place, "copy", Shape(32, "cosine"), 10)
        assert "delete" not in says(caught.value)  # it would take a store on notes of that name
        place.backend.delete_collection("copy", identity=place.backend.collection_info("copy").identity)
        transfer.make(place, "copy", Shape(32, "cosine", SPACE.meaning, SPACE.title))
        with pytest.raises(StoreMismatch, match="holds vectors of test/words"):
            transfer.make(place, "copy", Shape(32, "cosine", "a" * 32, "other"))
        for refuse in (transfer.make, lambda *what: transfer.check(*what, 10)):
            with pytest.raises(StoreMismatch, match="these are of one nobody knows"):
                refuse(place, "copy", Shape(32, "cosine"))
        transfer.check(place, "copy", Shape(32, "cosine", SPACE.meaning, SPACE.title), 10)
        transfer.check(place, "other", Shape(8, "cosine"), 10)


def test_an_index_of_a_model_that_nobody_knows_gets_none_of_a_known_one(tmp_path: Path) -> None:
    with Place.named(f"sqlite:{tmp_path}/x.db", {}) as place:
        place.backend.create_collection("copy", 8, "cosine")
        transfer.check(place, "copy", Shape(8, "cosine", "abc", "a model"), 10)  # it is empty
        put(place.backend, "copy", [Entry("theirs", np.ones(8, dtype=np.float32))])
        with pytest.raises(StoreMismatch, match="of a model that nobody knows"):
            transfer.check(place, "copy", Shape(8, "cosine", "abc", "a model"), 10)
        transfer.check(place, "copy", Shape(8, "cosine"), 10)


def test_a_file_in_a_vault_is_refused_before_the_first_put(tmp_path: Path) -> None:
    (tmp_path / "vault/.obsidian").mkdir(parents=True)
    for url in (f"sqlite:{tmp_path}/vault/x.db", f"file:{tmp_path}/vault/x"):
        with Place.named(url, {}) as place, pytest.raises(BackendRefused, match="inside the vault"):
            transfer.check(place, "copy", Shape(8, "cosine"), 10)


def test_a_store_whose_backend_is_another_in_the_configuration_moves_without_embedding(tmp_path: Path) -> None:
    def settings(url: str) -> StoreSettings:
        source = SourceSettings(path=tmp_path / "vault")
        return StoreSettings(sources=(source,), backend=Place.named(url, {}).settings)

    indexed(tmp_path)
    folder, embedder, held = tmp_path / "data/stores/notes", WordEmbedder(), list[list[str]]()
    for url in (f"file:{tmp_path}/f", f"sqlite:{tmp_path}/s.db", f"file:{tmp_path}/f"):
        made: list[VectorBackend] = []

        def make(kind: str, given: BackendSettings, data: Path, made: list[VectorBackend] = made) -> VectorBackend:
            made.append(create_backend(kind, given, data))
            return made[0]

        store = open_store(
            "notes", settings(url), folder, LimitSettings(min_free_mib=0), lambda: embedder, make_backend=make
        )  # fmt: skip
        try:
            store.prepare()
            while store.behind:
                store.fill()
            (collection,) = made[0].list_collections()
            held.append(keys(made[0], collection))
        finally:
            store.close()
    assert held[0]
    assert held[0] == held[1] == held[2]
    assert embedder.texts == []


def test_a_folder_of_somebody_else_is_found_before_the_first_put(loaded: Loaded, tmp_path: Path) -> None:
    theirs = tmp_path / "x" / "copy"
    theirs.mkdir(parents=True)
    with Place.named(f"file:{tmp_path}/x", {}) as place, origin_of(loaded) as origin:
        transfer.check(place, "copy", origin.shape, origin.count)
        (theirs / "0123456789abcdef.segment").touch()
        transfer.check(place, "copy", origin.shape, origin.count)  # what a killed deletion left is ours
        (theirs / "letter.txt").write_text("of somebody else")
        with pytest.raises(BackendRefused, match="holds what vragd did not make"):
            transfer.check(place, "copy", origin.shape, origin.count)
    assert [file.name for file in theirs.iterdir() if file.suffix == ".txt"] == ["letter.txt"]


@pytest.mark.parametrize("kind", ["file", "sqlite"])
@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (lambda path: path.symlink_to(path.parent / "nowhere"), "is a link"),
        (lambda path: path.write_text("a letter"), "is not a directory|is damaged"),
        (lambda path: path.with_name("odd.lock").symlink_to("x"), "cannot write .*odd.lock"),
    ],
)
def test_what_a_copy_would_refuse_of_a_path_a_dry_run_refuses_and_neither_leaves_anything(
    tmp_path: Path, kind: str, odd: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "odd"
    odd(path)
    before = sorted(tmp_path.iterdir())
    with Place.named(f"{kind}:{path}", {}) as place:
        with pytest.raises((BackendRefused, BackendUnavailable), match=said):
            transfer.check(place, "copy", Shape(4, "cosine"), 10)
        assert sorted(tmp_path.iterdir()) == before
        with pytest.raises((BackendRefused, BackendUnavailable)):
            transfer.make(place, "copy", Shape(4, "cosine"))
        assert {*before, path} >= set(tmp_path.iterdir()), "no lock"


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_a_link_above_the_path_that_leads_nowhere_is_found(tmp_path: Path, kind: str) -> None:
    (tmp_path / "odd").symlink_to(tmp_path / "nowhere")
    with (
        Place.named(f"{kind}:{tmp_path}/odd/deeper", {}) as place,
        pytest.raises(BackendRefused, match="leads nowhere"),
    ):
        transfer.check(place, "copy", Shape(4, "cosine"), 10)


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_a_dry_run_finds_that_another_process_writes_there(tmp_path: Path, kind: str) -> None:
    lock = tmp_path / "odd.lock"
    lock.write_text("4711\n")
    with lock.open() as other, Place.named(f"{kind}:{tmp_path}/odd", {}) as place:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BackendUnavailable, match=r"another process \(pid 4711\) writes"):
            transfer.check(place, "copy", Shape(4, "cosine"), 10)
        fcntl.flock(other, fcntl.LOCK_UN)
        transfer.check(place, "copy", Shape(4, "cosine"), 10)
        assert list(tmp_path.iterdir()) == [lock]
        assert lock.read_text() == "4711\n"
        transfer.make(place, "copy", Shape(4, "cosine"))
        transfer.check(place, "copy", Shape(4, "cosine"), 10)  # whoever holds it is this process


def test_a_folder_that_cannot_be_written_is_found_by_a_dry_run(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("no folder")
    with Place.named(f"file:{tmp_path}/letter/odd", {}) as place, pytest.raises(BackendRefused, match="not a direct"):
        transfer.check(place, "copy", Shape(4, "cosine"), 10)
    if os.geteuid():  # who is root writes anywhere
        tmp_path.chmod(0o500)
        with Place.named(f"file:{tmp_path}/odd", {}) as place, pytest.raises(BackendUnavailable, match="cannot be"):
            transfer.check(place, "copy", Shape(4, "cosine"), 10)
        tmp_path.chmod(0o700)


def test_a_command_that_ended_promises_no_further_try(tmp_path: Path) -> None:
    with FakeNode("opensearch") as node:
        url = f"opensearch+http://{node.host}"
    with pytest.raises(BackendUnavailable, match="cannot be reached") as error, Place.named(url, {}) as place:
        place.backend.list_collections()
    assert error.value.hint.endswith("; then give the command again")
    assert AGAIN not in says(error.value)
