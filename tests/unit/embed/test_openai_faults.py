"""Stores on an OpenAI-compatible server with every fault: what is kept, what is said of the notes, and what heals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends import keys, values
from tests.fakes.openai import FakeOpenAI
from tests.world import World
from vragd.catalog.model import FileRow
from vragd.embed.openai.embedder import OpenAI
from vragd.embed.probes import PROBES
from vragd.errors import EmbedderUnavailable
from vragd.sync.pace import Pace

Making = Callable[..., OpenAI]

OUT, PARTIAL, FINE = "out", "partial", "fine"
NOTES = {"a.md": "some apples", "b.md": "a yellow banana " * 8, "c.md": "cherries"}

MATRIX: dict[str, tuple[dict[str, Any], str]] = {
    "gone": ({}, OUT),
    "slow": ({"delay_s": 1.0}, OUT),
    "no key": ({"key": "another"}, OUT),
    "quota": ({"error_page": (429, b'{"error": {"code": "insufficient_quota"}}')}, OUT),
    "busy": ({"error_page": (429, b"{}"), "extra_headers": {"Retry-After": "60"}}, OUT),
    "another dimension": ({"dimension": 32}, OUT),
    "another model": ({"digest": "c" * 64}, OUT),
    "refuses all": ({"error_page": (422, b"{}")}, OUT),
    "every first vector NaN": ({"nan": True}, OUT),
    "every first vector zero": ({"zero": True}, OUT),
    "every first vector null": ({"null": True}, OUT),
    "a vector less": ({"wrong_count": True}, OUT),
    "broken off": ({"reset": True}, OUT),
    "half an answer": ({"truncated": True}, OUT),
    "redirected": ({"redirect_to": "http://127.0.0.1:1"}, OUT),
    "indexes twice": ({"index": "doubled"}, OUT),
    "no indexes": ({"index": "missing"}, OUT),
    "indexes as text": ({"index": "text"}, OUT),
    "one text makes a NaN": ({"poison": "banana"}, PARTIAL),
    "one text is too long": ({"context_chars": 60, "too_long": (500, "too large to process")}, FINE),
    "true order": ({"shuffled": "true"}, FINE),
    "untrue order": ({"shuffled": "false"}, FINE),
}

CODES = dict.fromkeys(("no key", "quota"), "embedder_refused") | dict.fromkeys(
    ("another dimension", "another model"), "embedder_space_mismatch"
)


@pytest.mark.parametrize("fault", MATRIX)
def test_a_fault_costs_no_note_its_words_and_heals(
    tmp_path: Path, making: Making, server: FakeOpenAI, fault: str
) -> None:
    knobs, outcome = MATRIX[fault]
    world = World(tmp_path, Pace(refused_for_s=0.0), making(timeout_s=0.5))
    world.write("before.md", "what was there before")
    world.apply("before.md")
    healthy = {name: getattr(server, name) for name in knobs}
    if fault == "gone":
        server.stop()
    for name, value in knobs.items():
        setattr(server, name, value)
    for path, text in NOTES.items():
        world.write(path, text)
    if outcome == OUT:
        with pytest.raises(EmbedderUnavailable) as caught:
            world.apply(*NOTES)
        assert caught.value.code == CODES.get(fault, "embedder_unavailable")
    else:
        world.apply(*NOTES)
    assert {path: row.state for path, row in files(world).items()} == {
        "before.md": "indexed",
        **({} if outcome == OUT else dict.fromkeys(NOTES, "indexed")),
        **({"b.md": "partial"} if outcome == PARTIAL else {}),
    }
    if outcome == PARTIAL:
        assert "refuses 1 of 1" in files(world)["b.md"].reason
    for name, value in healthy.items():
        setattr(server, name, value)
    if fault == "gone":
        server.start()
    assert right(world, server), "a vector was kept that is not its text's"
    if fault == "busy":
        world.other = making()  # a minute later
        world.restart()
    world.store.prepare()
    world.apply("before.md", *NOTES)
    assert {row.state for row in files(world).values()} == {"indexed"}
    assert len(world.texts()) == 4
    assert right(world, server)
    assert world.is_sound()
    world.store.close()


def files(world: World) -> dict[str, FileRow]:
    return {row.path: row for row in world.store.reader.files()}


def right(world: World, server: FakeOpenAI) -> bool:
    """Whether every chunk of the backend has the vector that the model makes of its text, or of its parts."""
    texts = dict(keyed(world))
    found = values(world.backend, world.collection, texts)
    return found.keys() == texts.keys() and all(
        float(found[key] @ np.array(server.vector(text), dtype=np.float32)) > 0.8 for key, text in texts.items()
    )


def keyed(world: World) -> list[tuple[str, str]]:
    return [(key, chunk.text) for key, chunk in world.store.reader.join(keys(world.backend, world.collection)).items()]


def test_a_swapped_model_is_another_space_and_the_first_one_comes_back_without_embedding(
    tmp_path: Path, making: Making, server: FakeOpenAI
) -> None:
    world = World(tmp_path, other=making())
    for path, text in NOTES.items():
        world.write(path, text)
    world.apply(*NOTES)
    first = world.store.space
    server.noise = 3e-4
    world.other = making()
    world.restart()
    world.store.prepare()
    assert world.store.space == first, "arithmetic that is not the same to the last bit is no other model"
    server.noise, server.digest = 0.0, "d" * 64
    world.other = making()
    world.restart()
    world.store.prepare()
    assert world.store.space != first
    assert world.store.rebuilding
    world.apply("a.md")
    server.digest = "a" * 64
    world.other = making()
    world.restart()
    world.store.prepare()
    assert world.store.space == first
    server.forget_requests()
    world.apply(*NOTES)
    assert [text for batch in server.embed_batches() for text in batch if text not in PROBES] == []
    assert right(world, server)
    world.store.close()
