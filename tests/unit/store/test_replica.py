"""A replica follows the catalog: by what changed, exactly, and without embedding anything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends import keys, put
from tests.world import World, sql
from vragd.backends.base import Batch, Entry, VectorBackend
from vragd.backends.registry import create_backend
from vragd.backends.settings import BackendSettings
from vragd.catalog.replicas import rows_of
from vragd.config.settings import StoreSettings
from vragd.errors import BackendUnavailable, UnknownCollection, VectorsRefused
from vragd.store.replica import Replica, Told
from vragd.sync.pace import Pace
from vragd.system.failpoints import install, kill_at
from vragd.terms.backends import TYPES

NOTE = "# One\n\nA heron by the river.\n\n# Two\n\nThe ledger of the mill.\n"


class Counting:
    """A backend, and how many vectors were put into it and deleted; out of reach while `away`."""

    def __init__(self, inner: VectorBackend) -> None:
        self._inner = inner
        self.n_put = self.n_deleted = 0
        self.away = False
        self.refuses = ""

    def __getattr__(self, name: str) -> Any:
        if self.away and name not in ("traits", "close"):
            raise BackendUnavailable("out of reach")
        return getattr(self._inner, name)

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        if self.away:
            raise BackendUnavailable("out of reach")
        bad = [
            key
            for key, told in zip(batch.keys, batch.payload, strict=True)
            if self.refuses in str(told.get("content", ""))
        ]
        if self.refuses and bad:
            raise VectorsRefused("cursed", keys=tuple(bad), part="values")
        self.n_put += len(batch)
        self._inner.put_vectors(name, batch, visible=visible)

    def delete_vectors(self, name: str, wanted: Collection[str]) -> None:
        if self.away:
            raise BackendUnavailable("out of reach")
        self.n_deleted += len(wanted)
        self._inner.delete_vectors(name, wanted)


class Rig(World):
    """A store, and a replica of it."""

    def __init__(self, home: Path, settings: BackendSettings) -> None:
        super().__init__(home)
        self.settings = settings
        self.begin()

    def begin(self, pace: Pace | None = None) -> None:
        """The replica as it is after a start."""
        self.replica = Replica(
            "second",
            "sss",
            StoreSettings(replicas={"second": self.settings}),
            self.folder,
            make_backend=self._make,
            pace=pace or Pace(),
        )

    def _make(self, kind: str, settings: Any, folder: Path) -> Any:
        self.counting = Counting(create_backend(kind, settings, folder))
        return self.counting

    def again(self) -> None:
        """The process ended, and began again."""
        self.replica.close()
        self.begin()

    def told(self, **what: bool) -> Told:
        assert self.store.space is not None
        return Told(self.store.reader, self.store.space, **what)

    def step(self, **what: bool) -> bool:
        return self.replica.step(self.told(**what), self.on_writer)

    def on_writer(self, write: Callable[[Any], Any]) -> Any:
        return write(self.store.catalog)

    def feed(self) -> tuple[int, int]:
        """Until it has all; how many were put and deleted."""
        before = (self.counting.n_put, self.counting.n_deleted) if self.replica.backend else (0, 0)
        while self.step():
            pass
        return self.counting.n_put - before[0], self.counting.n_deleted - before[1]

    @property
    def behind(self) -> tuple[int, int]:
        assert self.store.space is not None
        return self.replica.behind(self.store.reader, self.store.space)

    @property
    def fed(self) -> str:
        assert self.replica.held is not None
        return self.replica.held.space.collection

    def is_equal(self) -> bool:
        assert self.store.space is not None
        return set(keys(self.counting, self.fed)) == self.store.catalog.live_keys(self.store.space.id)


def settings_of(kind: str, home: Path) -> BackendSettings:
    given: dict[str, Any] = {"type": kind}
    if "path" in TYPES.settings(kind).model_fields:
        given["path"] = str(home / f"beside.{kind}")
    found: BackendSettings = TYPES.settings(kind).model_validate(given)
    return found


@pytest.fixture(params=["memory", "faiss", "sqlite", "file"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    yield from opened(tmp_path, settings_of(request.param, tmp_path))


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Rig]:
    """With a replica in a folder that others may use, too."""
    yield from opened(tmp_path, settings_of("file", tmp_path))


def opened(home: Path, settings: BackendSettings) -> Iterator[Rig]:
    rig = Rig(home, settings)
    yield rig
    install(None)
    rig.replica.close()
    rig.store.close()


def write(rig: Rig, *names: str, text: str = NOTE) -> None:
    for name in names:
        rig.write(name, text.replace("heron", f"heron of {name}"))
    rig.apply(*names)


def test_it_is_filled_and_then_told_what_changed_and_how_far_behind_it_is_is_known(rig: Rig) -> None:
    write(rig, "a.md", "b.md")
    n_all = len(rig.store.catalog.live_keys(1))
    assert rig.behind == (n_all, 0), "it was never reached"
    embedded = rig.store.n_embedded
    assert rig.feed() == (n_all, 0)
    assert rig.behind == (0, 0)
    assert rig.is_equal()
    assert rig.feed() == (0, 0), "there was nothing to do"

    rig.write("a.md", NOTE.replace("heron", "bittern"))
    rig.apply("a.md")
    n_changed, n_dead = rig.behind
    (rig.vault / "b.md").unlink()
    rig.apply("b.md")
    assert rig.behind[0] > n_changed
    assert rig.behind[1] > n_dead
    n_put, n_deleted = rig.feed()
    assert (n_put, rig.is_equal()) == (1, True)
    assert n_deleted == n_all - len(rig.store.catalog.live_keys(1)) + n_put, "each that died, and no other"
    assert rig.behind == (0, 0)
    assert sql(rig.folder, "select * from tombstone") == [], "there is nobody left to be told"
    assert rig.store.n_embedded == embedded + 1, "what was embedded for the primary"


def test_changes_that_cancel_cost_nothing(rig: Rig) -> None:
    write(rig, "a.md")
    rig.feed()
    rig.write("a.md", "# Other\n\nSomething else.\n")
    rig.apply("a.md")
    write(rig, "a.md")
    write(rig, "gone.md")
    (rig.vault / "gone.md").unlink()
    rig.apply("gone.md")
    assert rig.behind[0] > 0
    assert rig.feed() == (0, 0)
    assert rig.is_equal()


def test_one_that_was_away_catches_up_by_itself(rig: Rig) -> None:
    write(rig, "a.md", "b.md")
    rig.feed()
    rig.counting.away = True
    write(rig, "a.md", text="# New\n\nAll of it.\n")
    (rig.vault / "b.md").unlink()
    rig.apply("b.md")
    with pytest.raises(BackendUnavailable):
        rig.step()
    behind = rig.behind
    assert behind[0] > 0 < behind[1]
    rig.counting.away = False
    rig.feed()
    assert rig.is_equal()
    assert rig.behind == (0, 0)


@pytest.mark.parametrize("what", ["emptied", "deleted", "another's", "older"])
def test_it_is_equal_again_whatever_became_of_it(rig: Rig, what: str) -> None:
    write(rig, "a.md", "b.md")
    rig.feed()
    embedded, live, name = rig.store.n_embedded, rig.store.catalog.live_keys(1), rig.fed
    backend, own = rig.counting, sorted(live)
    n_lost, n_extra = len(live), 0
    if what == "emptied":
        backend.delete_vectors(name, own)
    elif what == "deleted":
        backend.delete_collection(name, identity=backend.collection_info(name).identity)
    elif what == "another's":  # a passage of ours that is no more, and one is missing
        source = own[0].partition("-")[0]
        put(
            backend,
            name,
            [Entry(f"{source}-{'0' * 32}", np.ones(dimension(backend, name), dtype=np.float32), {"source": source})],
        )
        backend.delete_vectors(name, own[:1])
        n_lost, n_extra = 1, 1
    else:
        write(rig, "b.md", text="# Later\n\nThan the backup.\n")
        live = rig.store.catalog.live_keys(1)
        embedded, n_lost, n_extra = rig.store.n_embedded, len(live - set(own)), len(set(own) - live)
    if rig.settings.type == "memory":  # what it has dies with it
        n_lost, n_extra = len(live), 0
    rig.again()
    assert rig.feed() == (n_lost, n_extra)
    assert rig.is_equal()
    assert rig.store.n_embedded == embedded


def dimension(backend: Any, name: str) -> int:
    return int(backend.collection_info(name).dimension)


def test_keys_of_others_live_on(beside: Rig) -> None:
    write(beside, "a.md")
    beside.feed()
    theirs = Entry("theirs-1", np.ones(dimension(beside.counting, beside.fed), dtype=np.float32), {"source": "theirs"})
    put(beside.counting, beside.fed, [theirs])
    (beside.vault / "a.md").unlink()
    beside.apply("a.md")
    beside.again()
    beside.feed()
    assert keys(beside.counting, beside.fed) == ["theirs-1"]
    beside.replica.forget(beside.store.reader, beside.on_writer)
    assert keys(beside.counting, "sss") == ["theirs-1"], "the collection is not ours alone"
    assert rows_of(beside.store.reader) == []


def test_one_that_is_another_collection_by_now_is_filled_by_the_next_look(beside: Rig) -> None:
    write(beside, "a.md")
    beside.feed()
    for made_again in (False, True):
        info = beside.counting.collection_info(beside.fed)
        beside.counting.delete_collection(beside.fed, identity=info.identity)
        if made_again:
            beside.counting.create_collection(
                info.name, info.dimension, info.metric, space=info.space, model=info.model
            )
            beside.feed()
        else:
            with pytest.raises(UnknownCollection):
                beside.step()
            beside.feed()
        assert beside.is_equal()


def test_a_vector_that_is_refused_keeps_no_other_out(beside: Rig) -> None:
    write(beside, "a.md")
    beside.feed()
    beside.counting.refuses = "ledger of the marsh"
    write(beside, "a.md", text=NOTE.replace("mill", "marsh"))
    write(beside, "b.md")
    beside.feed()
    assert len(beside.replica.refused) == 1
    assert set(keys(beside.counting, beside.fed)) == beside.store.catalog.live_keys(1) - beside.replica.refused
    assert beside.behind == (0, 0), "it was told all"
    beside.counting.refuses = ""
    write(beside, "a.md", text=NOTE)
    beside.feed()
    assert (beside.replica.refused, beside.is_equal()) == (frozenset(), True)


def test_a_title_that_changed_is_told_where_payloads_are_kept(beside: Rig) -> None:
    write(beside, "a.md", text="---\ntitle: Before\n---\n" + NOTE)
    beside.feed()
    write(beside, "a.md", text="---\ntitle: After\n---\n" + NOTE)
    n_put, n_deleted = beside.feed()
    assert n_put > 0 == n_deleted
    held = beside.counting.get(beside.fed, keys(beside.counting, beside.fed), values=False, metadata=True)
    assert {one.payload["title"] for one in held.values()} == {"After"}


@pytest.mark.parametrize("place", ["replica.opened", "replica.followed", "feed.put", "feed.deleted", "feed.remembered"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_kill_anywhere_leaves_repeated_puts_at_most(beside: Rig, place: str, nth: int) -> None:
    rig = beside

    class Killed(BaseException):
        pass

    def end(_: int) -> None:
        raise Killed

    install(kill_at(place, nth, end))
    rig.begin(Pace(fill_slice=2))
    n_killed = 0
    for text in (NOTE, NOTE.replace("heron", "bittern"), "# Left\n\nOne.\n"):
        write(rig, "a.md", "b.md", text=text)
        try:
            rig.feed()
        except Killed:
            n_killed += 1
            rig.again()
            rig.feed()
        assert rig.is_equal()
        assert rig.behind == (0, 0)
    assert n_killed == (1 if nth == 1 or place.startswith("feed") else 0)


def test_a_kill_while_a_space_is_left_leaves_it_to_the_next_feed(beside: Rig) -> None:
    write(beside, "a.md")
    beside.feed()
    for place in ("replica.left", "replica.forgotten"):
        before = rows_of(beside.store.reader)

        def end(_: int) -> None:
            raise InterruptedError

        beside.store.catalog.follow("second", "file", beside.replica.where, f"old-{place}", 1, "gone")
        install(kill_at(place, 1, end))
        with pytest.raises(InterruptedError):
            beside.feed()
        install(None)
        beside.again()
        beside.feed()
        assert rows_of(beside.store.reader) == before


def test_what_the_catalog_may_not_know_yet_is_deleted_when_all_is_known(beside: Rig) -> None:
    write(beside, "a.md", "b.md")
    beside.feed()
    beside.store.close()
    (beside.folder / "catalog.db").unlink()
    (beside.vault / "b.md").unlink()
    beside.open()
    beside.store.prepare()
    beside.again()
    while beside.step(all_known=False):
        pass
    n_before = len(keys(beside.counting, beside.fed))
    assert n_before > 0
    assert beside.replica.unswept
    beside.apply("a.md")
    beside.feed()
    assert (beside.counting.n_put, beside.is_equal(), beside.replica.unswept) == (0, True, False)


def test_a_new_model_reaches_it_and_the_old_space_leaves_it(rig: Rig) -> None:
    write(rig, "a.md", "b.md")
    rig.feed()
    old = rig.fed
    rig.embedder.digest = "2"
    rig.store.prepare()
    assert rig.store.rebuilding
    while rig.step(rebuilding=True):
        pass
    assert rig.fed != old
    assert old in rig.counting.list_collections(), "another space answers still"
    rig.apply("a.md", "b.md")
    assert not rig.store.rebuilding
    rig.feed()
    assert rig.is_equal()
    assert rig.counting.list_collections() == [rig.fed]
    assert [row.collection for row in rows_of(rig.store.reader)] == [rig.fed]
