"""Embedders are made once, ahead if asked, and none is made once vragd stops."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.pool import Embedders
from vragd.errors import EmbedderUnavailable

SETTINGS = BuiltinEmbedder(threads=1)


class Slow:
    """Embedders that are made when `go` is set."""

    def __init__(self) -> None:
        self.begun, self.go, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.n_made = 0

    def make(self, *_: Any) -> Slow:
        self.begun.set()
        assert self.go.wait(30)
        self.n_made += 1
        return self

    def close(self) -> None:
        self.closed.set()


def test_one_that_is_expected_is_made_once_and_ahead() -> None:
    slow = Slow()
    embedders = Embedders(slow.make)
    for _ in range(2):
        embedders.expect(SETTINGS)
    assert slow.begun.wait(30)
    slow.go.set()
    assert embedders.get(SETTINGS) is slow  # type: ignore[comparison-overlap]
    assert slow.n_made == 1
    embedders.close()


def test_one_that_cannot_be_made_ahead_says_so_to_whoever_needs_it() -> None:
    def fail(*_: Any) -> Any:
        raise EmbedderUnavailable("out")

    embedders = Embedders(fail)
    embedders.expect(SETTINGS)
    with pytest.raises(EmbedderUnavailable, match="out"):
        embedders.get(SETTINGS)
    embedders.close()


def test_closing_waits_for_one_that_is_being_made_and_closes_it_and_none_is_made_later() -> None:
    slow = Slow()
    embedders = Embedders(slow.make)
    embedders.expect(SETTINGS)
    assert slow.begun.wait(30)
    closing = threading.Thread(target=embedders.close)
    closing.start()
    slow.go.set()
    closing.join(30)
    assert slow.closed.is_set()
    assert not any(thread.name == "embedder" for thread in threading.enumerate())
    with pytest.raises(EmbedderUnavailable, match="stopping"):
        embedders.get(SETTINGS)
