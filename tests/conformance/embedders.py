"""How to make each embedder under test: a new one is a line here. And broken ones that the checks must notice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests.fakes.ollama import FakeOllama
from tests.fakes.openai import FakeOpenAI
from tests.folders import bundled
from vragd.embed.base import Embedder
from vragd.embed.registry import create_embedder
from vragd.terms.embedders import TYPES


def local(kind: str, **given: Any) -> Callable[[ExitStack], Embedder]:
    """An embedder that needs nothing but these settings."""
    settings = TYPES.settings(kind).model_validate({"type": kind, **given})
    return lambda stack: create_embedder(kind, settings)


def _ollama(stack: ExitStack) -> Embedder:
    return local("ollama", model="fake-embed", url=stack.enter_context(FakeOllama()).url)(stack)


def _openai(stack: ExitStack) -> Embedder:
    return local("openai", model="fake-embed", url=stack.enter_context(FakeOpenAI()).base)(stack)


def _onnx(stack: ExitStack) -> Embedder:
    folder = Path(stack.enter_context(TemporaryDirectory())) / "bundled"
    return local("onnx", path=str(bundled(folder)), threads=1)(stack)


# What else must run for an embedder is left on the stack.
FACTORIES: dict[str, Callable[[ExitStack], Embedder]] = {
    "builtin": local("builtin", threads=1),
    "ollama": _ollama,
    "onnx": _onnx,
    "openai": _openai,
}


class Right:
    """An embedder that keeps the contract; each of `BROKEN` breaks it in one way."""

    caught_by = ""
    batch_size = 16

    def __init__(self) -> None:
        self._it = create_embedder("builtin", TYPES.settings("builtin")(threads=1))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._it, name)


class LosesOrder(Right):
    caught_by = "check_a_text_gives_a_unit_row_in_its_place"

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        return self._it.embed_documents(sorted(texts))


class NoUnits(Right):
    caught_by = "check_a_question_gives_one_unit_row"

    def embed_query(self, text: str) -> np.ndarray:
        return self._it.embed_query(text) * 2


class LosesItsShape(Right):
    caught_by = "check_no_text_gives_no_row"

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        return self._it.embed_documents(texts) if texts else np.zeros((0, 0), dtype=np.float32)


class TakesAnySpaceForItsOwn(Right):
    caught_by = "check_another_space_is_told_from_its_own"

    def still_makes(self, space: object) -> bool:
        return True


class HasNoDigest(Right):
    caught_by = "check_the_space_is_the_same_for_every_instance"

    def space(self, chunker: str) -> Any:
        return replace(self._it.space(chunker), digest="")


class FailsInItsOwnWords(Right):
    caught_by = "check_odd_texts_are_embedded_or_refused_by_the_right_error"

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        "".join(texts).encode()
        return self._it.embed_documents(texts)


class CannotBeShared(Right):
    caught_by = "check_it_may_be_asked_from_several_threads"

    def __init__(self) -> None:
        super().__init__()
        self._n_inside = 0

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        self._n_inside += 1
        try:
            rows = self._it.embed_documents(texts)
            return rows if self._n_inside == 1 else rows[::-1]
        finally:
            self._n_inside -= 1


class TakesNothing(Right):
    caught_by = "check_it_says_how_many_texts_to_hand_over"
    batch_size = 0


BROKEN = [LosesOrder, NoUnits, LosesItsShape, TakesAnySpaceForItsOwn, HasNoDigest, FailsInItsOwnWords, CannotBeShared,
          TakesNothing]  # fmt: skip
