"""In a small store, too, a model whose cosines are all near to each other answers as the one the floor was made for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.world import World
from vragd.embed.base import Embedder, Space
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.openai.settings import OpenAIEmbedder
from vragd.embed.registry import create_embedder
from vragd.search.ask import ask
from vragd.search.question import Place, Question, Target
from vragd.store.idle import while_idle

NOTES = {
    "Sourdough.md": "Feed the starter twice a day, and let the dough prove overnight in the cold.",
    "Bicycle.md": "The chain wears out after a few thousand kilometres; a worn one ruins the cassette.",
    "Taxes.md": "The annual return is due at the end of May, with receipts for the office.",
    "Tomatoes.md": "Pinch out side shoots, water the roots, and never the leaves.",
    "Backup.md": "Three copies, on two kinds of media, one of them in another place.",
    "Chess.md": "Develop knights before bishops, and castle early.",
    "Violin.md": "Rosin the bow sparingly; loosen it when you are done playing.",
    "Glaciers.md": "Ice flows downhill under its own weight and carves valleys.",
    "Passport.md": "Renewal takes six weeks, and needs two photographs.",
    "Beehives.md": "In spring the colony grows, and a second box keeps it from swarming.",
}


class Narrow:
    """The builtin model, of whose cosines c is made 0.8 + 0.2 c."""

    def __init__(self, model: Embedder) -> None:
        self._model, self.batch_size, self.close = model, model.batch_size, model.close

    def space(self, chunker: str) -> Space:
        return Space("test", "narrow", "1", self._model.space(chunker).dimension + 1, "", chunker)

    def still_makes(self, space: Space) -> bool:
        return self.space("").meaning == space.meaning

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        rows = self._model.embed_documents(texts)
        whole = np.hstack([np.full((len(rows), 1), np.sqrt(0.8)), np.sqrt(0.2) * rows])
        return np.ascontiguousarray(whole, dtype=np.float32)

    def embed_query(self, text: str) -> np.ndarray:
        return np.asarray(self.embed_documents([text])[0])


@pytest.fixture
def narrow() -> Iterator[Narrow]:
    model = Narrow(create_embedder("builtin", BuiltinEmbedder()))
    yield model
    model.close()


def found(home: Path, model: Embedder, notes: dict[str, str], *questions: str) -> list[list[str]]:
    """The good hits to each question."""
    home.mkdir()
    world = World(home, other=model, settings=OpenAIEmbedder(type="openai", model="m", url="http://127.0.0.1:1/v1"))
    try:
        for path, text in notes.items():
            world.write(path, text)
        world.apply(*notes)
        while while_idle(world.store):
            pass
        places = {world.source.label: Place(world.source.uid, world.source.path, in_obsidian=True, templates=())}
        store = world.store
        target = Target(
            store.name, store.reader, store.backend, store.space, model.embed_query, places, (store.reader,)
        )
        return [[hit.path for hit in ask(target, Question(text)).hits] for text in questions]
    finally:
        world.store.close()


def test_what_is_near_to_nothing_is_not_answered_and_what_is_meant_is_found(tmp_path: Path, narrow: Narrow) -> None:
    nonsense, meant, other = found(
        tmp_path / "ten",
        narrow,
        NOTES,
        "quantum chromodynamics gluon",
        "how do I make bread rise",
        "when is my tax declaration due",
    )
    assert nonsense == []
    assert meant[0] == "Sourdough.md"
    assert other[0] == "Taxes.md"
    assert len(meant) < len(NOTES) / 2


def test_a_title_beside_its_own_passage_hardly_moves_what_is_measured_of_few(tmp_path: Path, narrow: Narrow) -> None:
    with_eight = dict(list(NOTES.items())[:8])
    nonsense, meant = found(
        tmp_path / "eight", narrow, with_eight, "quantum chromodynamics gluon", "how do I make bread rise"
    )
    assert (nonsense, meant[:1]) == ([], ["Sourdough.md"])
