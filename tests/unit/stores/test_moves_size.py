"""What is imported takes at most half of what it was, however little it is."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.depth import more
from tests.foreign import llamaindex, node
from vragd.backends.sqlite.file import LITTLE, PAGE, SMALL_PAGE
from vragd.stores.elsewhere import Place
from vragd.stores.moves import foreign, sound, transfer
from vragd.system.files import bytes_below

DIMENSION = 768
TEXTS = ("A heron stands at the pond. ", "A heron stands at the pond, and thinks of fish. " * 80)
"""A note of a line, and a passage as long as LlamaIndex cuts them."""


def written(folder: Path, n: int, text: str) -> Path:
    nodes = {f"node-{i}": node(i, f"{i} {text}") for i in range(n)}
    rows = np.random.default_rng(n).normal(size=(n, DIMENSION)).astype(np.float32)
    return llamaindex(folder, {name: row.tolist() for name, row in zip(nodes, rows, strict=True)}, nodes)


def imported(folder: Path, to: Path, *, name: str = "imported") -> None:
    with (
        closing(foreign.open_as("llamaindex", folder)) as found,
        Place.named(f"sqlite:{to}?remote_text=true", {}) as place,
    ):
        origin = sound.Sound(found)
        info = transfer.make(place, name, origin.shape)
        assert transfer.transfer(origin, place.backend, info.name).is_whole


def page_of(file: Path) -> int:
    return int.from_bytes(file.read_bytes()[16:18], "big")


@pytest.mark.parametrize("text", TEXTS, ids=["short", "long"])
@pytest.mark.parametrize("n", [1, 10, 100, pytest.param(300, marks=pytest.mark.slow), *more(1_000)])
def test_an_import_takes_half_of_the_json_at_most(tmp_path: Path, n: int, text: str) -> None:
    folder = written(tmp_path / "storage", n, text)
    (tmp_path / "to").mkdir()
    imported(folder, tmp_path / "to" / "vectors.db")
    took, was = bytes_below(tmp_path / "to"), bytes_below(folder)
    assert took <= was / (2 if n > 1 else 1), f"{took:,} of {was:,} bytes"


def test_pages_are_small_ones_of_little_alone_and_are_not_changed_once_there_is_something(tmp_path: Path) -> None:
    few = written(tmp_path / "few", 3, TEXTS[0])
    many = written(tmp_path / "many", LITTLE // (4 * DIMENSION), TEXTS[0])
    for name, order, page in (("a.db", (few, many), SMALL_PAGE), ("b.db", (many, few), PAGE)):
        for i, folder in enumerate(order):
            imported(folder, tmp_path / name, name=f"number-{i}")
            assert page_of(tmp_path / name) == page
