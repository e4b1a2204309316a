"""
Every embedder with every fault: what is kept, what is said of the notes, and what heals.

`MATRIX` has a cell for each; a cell that is a sentence says why that cannot happen to that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends import keys, values
from tests.fakes.openai import FakeOpenAI
from tests.folders import WORDS, table
from tests.unit.embed.rigs import Late, Server, rig_of
from tests.world import World
from vragd.catalog.model import FileRow
from vragd.embed.probes import PROBES
from vragd.errors import EmbedderUnavailable
from vragd.sync.pace import Pace

NOTES = {"a.md": "one apple", "b.md": "a yellow three banana " * 8 + "三 " * 280, "c.md": "two cherries"}
REFUSES = "refuses 1 of 1"


@dataclass(frozen=True)
class Out:
    """
    Nothing of what is answered is kept, and that is said. The notes are found by their words, and `files` names each as
    pending, with `said`.
    """

    said: str
    knobs: Mapping[str, Any] = field(default_factory=dict)
    code: str = "embedder_unavailable"


@dataclass(frozen=True)
class Partial:
    """These notes have no vector and are found by their words, and `files` says so of them; the rest is whole."""

    knobs: Mapping[str, Any]
    paths: tuple[str, ...] = ("b.md",)


@dataclass(frozen=True)
class Fine:
    """It is none to us; without knobs, text of `NOTES` alone is one."""

    knobs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Other:
    """It is another space, and the first one comes back without embedding."""

    knobs: Mapping[str, Any]


Cell = Out | Partial | Fine | Other | str
HERE = "runs in this process: nobody is asked"
OURS = "its file is the package's, and its digest in the program"
UNNUMBERED = "its answers have no indexes: they are taken to be in order"
CHANGED = "embedder_space_mismatch"
REFUSED = "embedder_refused"


def altered(*words: str, to: float, ends: bool = False) -> np.ndarray:
    """The vectors of a tiny model, with those of `words` (and of a text's `ends`) made of one number."""
    rows = table()
    rows[[WORDS.index(word) for word in words] + [1, 2] * ends] = to
    return rows


BUSY = {"error_page": (429, b'{"error": "busy"}'), "extra_headers": {"Retry-After": "60"}}
NO_QUOTA = b'{"error": {"code": "insufficient_quota"}}'
ALL = tuple(NOTES)

MATRIX: dict[str, dict[str, Cell]] = {
    "gone": {
        "openai": Out("no embedder answers at"),
        "ollama": Out("Ollama does not answer at"),
        "onnx": Out("there is no such folder"),
        "builtin": Out("the builtin model cannot be loaded"),
    },
    "damaged": {
        "openai": Out("cannot embed|not OpenAI's JSON|broke off", {"truncated": True}),
        "ollama": Out("not Ollama's JSON", {"truncated": True}),
        "onnx": Out("cannot be loaded", {"model": b"no model"}),
        "builtin": Out("the builtin model cannot be loaded", {"model": b"no model"}),
    },
    "slow": {
        "openai": Out("did not answer within", {"delay_s": 1.0}),
        "ollama": Out("did not answer within", {"delay_s": 1.0}),
        "onnx": HERE, "builtin": HERE,
    },
    "broken off": {
        "openai": Out("broke off", {"reset": True}), "ollama": Out("broke off", {"reset": True}),
        "onnx": HERE, "builtin": HERE,
    },
    "redirected": {
        "openai": Out("sends us elsewhere", {"redirect_to": "http://127.0.0.1:1"}),
        "ollama": Out("failed with status 307", {"redirect_to": "http://127.0.0.1:1"}),
        "onnx": HERE, "builtin": HERE,
    },
    "wrong dimension": {
        "openai": Out("another model answers", {"dimension": 32}, CHANGED),
        "ollama": Out("32-d vectors, its space has 64", {"dimension": 32}, CHANGED),
        "onnx": Other({"rows": table()[:, :8]}), "builtin": OURS,
    },
    "another model": {
        "openai": Out("another model answers", {"digest": "c" * 64}, CHANGED),
        "ollama": Out("another model answers", {"digest": "c" * 64}, CHANGED),
        "onnx": Other({"rows": table()[::-1]}), "builtin": OURS,
    },
    "NaN": {
        "openai": Partial({"poison": "banana"}), "ollama": Partial({"poison": "banana"}),
        "onnx": Partial({"rows": altered("three", to=np.nan)}), "builtin": OURS,
    },
    "NaN always": {
        "openai": Out("cannot embed", {"nan": True}), "ollama": Partial({"nan": True}, ALL),
        "onnx": Out("cannot embed", {"rows": np.full_like(table(), np.nan)}), "builtin": OURS,
    },
    "zero vector": {
        "openai": Out("cannot embed", {"zero": True}), "ollama": Partial({"zero": True}, ALL),
        "onnx": Out("cannot embed", {"rows": np.zeros_like(table())}), "builtin": OURS,
    },
    "null": {
        "openai": Out("cannot embed", {"null": True}), "ollama": Partial({"null": True}, ALL),
        "onnx": HERE, "builtin": HERE,
    },
    "a vector less": {
        "openai": Out("refuses every text", {"wrong_count": True}), "ollama": Partial({"wrong_count": True}, ALL),
        "onnx": HERE, "builtin": HERE,
    },
    "too long": {
        "openai": Fine({"context_chars": 60, "too_long": (500, "too large to process")}),
        "ollama": Fine({"context_chars": 60}), "onnx": Fine(), "builtin": Fine(),
    },
    "refused key": {
        "openai": Out("refuses us", {"key": "another"}, REFUSED),
        "ollama": Out("refuses us", {"error_page": (401, b'{"error": "unauthorized"}')}, REFUSED),
        "onnx": HERE, "builtin": HERE,
    },
    "exhausted quota": {
        "openai": Out("quota is used up", {"error_page": (429, NO_QUOTA)}, REFUSED),
        "ollama": Out("quota is used up", {"error_page": (402, b'{"error": "payment required"}')}, REFUSED),
        "onnx": HERE, "builtin": HERE,
    },
    "busy": {
        "openai": Out("is busy", BUSY), "ollama": Out("is busy", BUSY), "onnx": HERE, "builtin": HERE,
    },
    "refuses all": {
        "openai": Out("cannot embed|refuses every text", {"error_page": (422, b"{}")}),
        "ollama": Out("refuses every text", {"error_page": (422, b'{"error": "no"}')}),
        "onnx": HERE, "builtin": HERE,
    },
    "shuffled, index true": {
        "openai": Fine({"shuffled": "true"}), "ollama": UNNUMBERED, "onnx": HERE, "builtin": HERE,
    },
    "shuffled, index false": {
        "openai": Fine({"shuffled": "false"}), "ollama": UNNUMBERED, "onnx": HERE, "builtin": HERE,
    },
    "index doubled": {
        "openai": Out("which vector is of which text", {"index": "doubled"}),
        "ollama": UNNUMBERED, "onnx": HERE, "builtin": HERE,
    },
    "index missing": {
        "openai": Out("says of no vector whose it is", {"index": "missing"}),
        "ollama": UNNUMBERED, "onnx": HERE, "builtin": HERE,
    },
    "index no number": {
        "openai": Out("which vector is of which text", {"index": "text"}),
        "ollama": UNNUMBERED, "onnx": HERE, "builtin": HERE,
    },
}  # fmt: skip
KINDS = ("openai", "ollama", "onnx", "builtin")
CELLS = [
    pytest.param(kind, fault, marks=[pytest.mark.slow] * (kind == "builtin"))  # its model is loaded four times
    for fault, row in MATRIX.items() for kind in KINDS if not isinstance(row[kind], str)
]  # fmt: skip


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_each_fault_has_a_cell_for_each_embedder() -> None:
    assert [fault for fault, row in MATRIX.items() if set(row) != set(KINDS)] == []


@pytest.mark.parametrize(("kind", "fault"), CELLS, ids=lambda it: it)
def test_a_fault_costs_no_note_its_words_and_heals(tmp_path: Path, opened: ExitStack, kind: str, fault: str) -> None:
    cell, rig = MATRIX[fault][kind], rig_of(kind, tmp_path, opened)
    assert not isinstance(cell, str)
    late = Late(rig.make)
    opened.callback(late.drop)
    world = World(tmp_path, Pace(refused_for_s=0.0), late)  # type: ignore[arg-type]  # it has what it needs when asked
    opened.callback(lambda: world.store.close())  # noqa: PLW0108  it is another by then
    world.write("before.md", "two, which was there before")
    world.apply("before.md")
    first = world.store.space
    mend = (lambda: None) if cell == Fine() else rig.spoil(cell.knobs)
    if rig.restarts:
        late.drop()
        world.restart()
    for path, text in NOTES.items():
        world.write(path, text)
    _go_wrong(world, cell)
    _say(world, cell)
    mend()
    assert world.store.rebuilding or right(world, rig.vectors), "a vector was kept that is not its text's"
    if rig.restarts or fault == "busy":
        late.drop()  # for the busy one: a minute later
        world.restart()
    world.store.prepare()
    world.apply("before.md", *NOTES)
    assert world.store.space == first
    assert {row.state for row in files(world).values()} == {"indexed"}
    assert len(world.texts()) == 4
    assert right(world, rig.vectors)
    assert world.is_sound()


def _go_wrong(world: World, cell: Out | Partial | Fine | Other) -> None:
    if isinstance(cell, Out):
        with pytest.raises(EmbedderUnavailable, match=cell.said) as caught:
            world.apply(*NOTES)
        assert caught.value.code == cell.code
        assert (caught.value.retry_after_s is not None) is ("busy" in cell.said), "a text is blamed for a busy server"
        return
    before = world.store.space
    if isinstance(cell, Other) or "rows" in cell.knobs:  # another file is another model
        world.store.prepare()
        assert world.store.space != before
        assert world.store.rebuilding
    world.apply(*NOTES)


def _say(world: World, cell: Out | Partial | Fine | Other) -> None:
    """What is known of the notes, which is what `vragd files` says of them."""
    known = files(world)
    assert known.pop("before.md").state == "indexed"
    bad = cell.paths if isinstance(cell, Partial) else ()
    whole = "pending" if isinstance(cell, Out) else "indexed"
    assert {path: row.state for path, row in known.items()} == {
        path: "partial" if path in bad else whole for path in NOTES
    }
    assert all(REFUSES in (known[path].reason or "") for path in bad)
    found = {row.path for word in ("apple", "banana", "cherries") for row in world.store.reader.keyword(word, 5)}
    assert found == set(NOTES), "words find all of them"


def files(world: World) -> dict[str, FileRow]:
    return {row.path: row for row in world.store.reader.files()}


def right(world: World, vectors: Callable[[Sequence[str]], np.ndarray]) -> bool:
    """Whether every chunk of the backend has the vector that the model makes of its text, or of its parts."""
    found = world.store.reader.join(keys(world.backend, world.collection))
    texts = {key: chunk.text for key, chunk in found.items()}
    rows = values(world.backend, world.collection, texts)
    made = np.stack([rows[key] for key in texts])  # a key without a row is an error, too
    return bool((np.sum(made * vectors(list(texts.values())), axis=1) > 0.8).all())


def test_a_swapped_model_is_another_space_and_the_first_one_comes_back_without_embedding(
    tmp_path: Path, opened: ExitStack
) -> None:
    rig = rig_of("openai", tmp_path, opened)
    assert isinstance(rig, Server)
    server = rig.fake
    assert isinstance(server, FakeOpenAI)
    late = Late(rig.make)
    opened.callback(late.drop)
    world = World(tmp_path, other=late)  # type: ignore[arg-type]
    for path, text in NOTES.items():
        world.write(path, text)
    world.apply(*NOTES)
    first = world.store.space
    server.noise = 3e-4
    late.drop()
    world.restart()
    world.store.prepare()
    assert world.store.space == first, "arithmetic that is not the same to the last bit is no other model"
    server.noise, server.digest = 0.0, "d" * 64
    late.drop()
    world.restart()
    world.store.prepare()
    assert world.store.space != first
    assert world.store.rebuilding
    world.apply("a.md")
    server.digest = "a" * 64
    late.drop()
    world.restart()
    world.store.prepare()
    assert world.store.space == first
    server.forget_requests()
    world.apply(*NOTES)
    assert [text for batch in server.embed_batches() for text in batch if text not in PROBES] == []
    assert right(world, rig.vectors)
    world.store.close()
