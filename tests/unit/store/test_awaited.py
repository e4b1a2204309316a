"""A primary that could not be made is made by the call that can."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends import keys
from tests.unit.store.test_replica import settings_of
from vragd.backends.base import VectorBackend, remembering
from vragd.backends.registry import create_backend
from vragd.errors import BackendRefused, BackendUnavailable, ConfigError, DiskFull, UnknownCollection, VragdError
from vragd.store.awaited import made_or_awaited


class Driver:
    """What makes a backend once it is installed; how often it was asked."""

    def __init__(self, home: Path, error: VragdError) -> None:
        self.home, self.n_asked = home, 0
        self.error: VragdError | None = error

    def make(self) -> VectorBackend:
        self.n_asked += 1
        if self.error is not None:
            raise self.error
        return create_backend("sqlite", settings_of("sqlite", self.home), self.home)


def test_it_is_refused_until_it_can_be_made_and_then_is_what_was_made(tmp_path: Path) -> None:
    driver = Driver(tmp_path, ConfigError("needs psycopg 3", hint="pip install it"))
    backend = made_or_awaited(driver.make, "notes", replicated=True)
    with pytest.raises(BackendRefused, match="needs psycopg 3") as refused:
        backend.list_collections()
    assert refused.value.hint == "pip install it"
    assert backend.traits.networked, "it is attached late"
    driver.error = None
    backend.create_collection("notes", 4, "cosine")
    assert keys(backend, "notes") == []
    assert not backend.traits.networked
    assert driver.n_asked == 3, "made once"
    backend.close()
    with pytest.raises(BackendUnavailable, match="closed"):
        backend.list_collections()


def test_what_it_has_besides_is_had_through_it_too(tmp_path: Path) -> None:
    driver = Driver(tmp_path, ConfigError("not yet"))
    backend = made_or_awaited(driver.make, "notes", replicated=True)
    driver.error = None
    backend.create_collection("notes", 4, "cosine")
    files = remembering(backend)
    assert files is not None
    files.look_at_files("notes")
    with pytest.raises(UnknownCollection):
        files.look_at_files("others")
    backend.close()


@pytest.mark.parametrize("error", [DiskFull("no room"), BackendUnavailable("busy")])
def test_what_may_pass_is_told_as_it_is(tmp_path: Path, error: VragdError) -> None:
    backend = made_or_awaited(Driver(tmp_path, error).make, "notes", replicated=True)
    with pytest.raises(type(error)) as said:
        backend.list_collections()
    assert said.value is error
    backend.close()


def test_without_replicas_it_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        made_or_awaited(Driver(tmp_path, ConfigError("no")).make, "notes", replicated=False)
