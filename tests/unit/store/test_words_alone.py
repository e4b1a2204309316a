"""A store of words alone: nothing is embedded, nothing is alarmed; a model is chosen later, and left again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.backends import keys
from tests.world import World, sql
from vragd.config.settings import no_embedder
from vragd.embed.registry import create_embedder
from vragd.errors import EmbedderRefused, UsageError
from vragd.search.ask import Place, Question, Target, ask
from vragd.search.similar import Wanted, similar
from vragd.store.titles import embed_titles
from vragd.store.verify import compare_backend, mend_backend
from vragd.vault.read import Outcome
from vragd.vault.source import Source

NOTES = {"bread.md": "# Bread\n\nKnead the **dough** slowly.", "bike.md": "Oil the chain of the bike."}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    words = create_embedder(no_embedder().type, no_embedder())
    world = World(tmp_path, other=words)
    for path, text in NOTES.items():
        world.write(path, text)
    world.apply(*NOTES)
    settle(world)
    yield world
    world.store.close()


def settle(world: World) -> None:
    """As if the notes had not been written just now."""
    sql(world.folder, "update note set racy = 0")


def target(world: World) -> Target:
    answering = world.store.answering
    assert answering is not None
    places = {world.source.label: Place(world.source.uid, world.source.path, in_obsidian=False)}
    return Target("sss", world.store.reader, world.backend, answering.space, answering.embed_query, places)


@dataclass(slots=True)
class Counted:
    """A source that counts what is read of it."""

    it: Source
    n_read: int = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.it, name)

    def read(self, path: str) -> Outcome:
        self.n_read += 1
        return self.it.read(path)


def choose_model(world: World) -> None:
    world.other = None
    world.store.close()
    world.backend = type(world.backend)()
    world.open()
    world.store.prepare()


def test_notes_are_whole_and_nothing_is_embedded_or_put(world: World) -> None:
    assert world.embedder.texts == []
    assert world.backend.list_collections() == []
    assert world.store.reader.counts().states == {"indexed": 2}
    assert world.store.reader.counts().embeddings == 0
    assert not embed_titles(world.store)
    assert compare_backend(world.store) == []
    mend_backend(world.store, [])
    world.write("bread.md", "Let it rest.")
    (world.vault / "bike.md").unlink()
    world.apply("bread.md", "bike.md")
    assert [hit.path for hit in ask(target(world), Question("rest")).hits] == ["bread.md"]
    assert ask(target(world), Question("chain")).hits == ()
    settle(world)
    world.restart()
    assert world.scan() == []
    assert [hit.path for hit in ask(target(world), Question("rest")).hits] == ["bread.md"]


def test_a_question_is_answered_by_words_without_an_alarm_and_one_for_vectors_is_an_error(world: World) -> None:
    for mode in ("hybrid", "keyword"):
        answer = ask(target(world), Question("dough", mode=mode))
        assert [hit.path for hit in answer.hits] == ["bread.md"]
        assert (answer.degraded, answer.semantic) == ((), True)
    for question in (Question("dough", mode="vector"), Question("", vector=(1.0, 0.0))):
        with pytest.raises(UsageError, match="keeps words alone") as raised:
            ask(target(world), question)
        assert "--mode" in raised.value.hint


def test_related_are_notes_that_share_words(world: World) -> None:
    world.write("cake.md", "Knead the dough, and sugar it.")
    world.apply("cake.md")
    found = similar(target(world), Wanted(Question("-", top_k=5), text="How to knead a dough"))
    assert {hit.note.path for hit in found.hits} == {"bread.md", "cake.md"}
    assert found.semantic


def test_who_asks_nothing_to_be_embedded_all_the_same_is_told() -> None:
    nobody = create_embedder(no_embedder().type, no_embedder())
    assert nobody.embed_documents([]).shape == (0, 0)
    for call in (lambda: nobody.embed_documents(["text"]), lambda: nobody.embed_query("text")):
        with pytest.raises(EmbedderRefused, match="words alone"):
            call()
    nobody.close()


def test_a_model_is_chosen_later_and_no_note_is_read_again(world: World) -> None:
    choose_model(world)
    assert world.store.rebuilding
    answer = ask(target(world), Question("dough"))
    assert [hit.path for hit in answer.hits] == ["bread.md"], "words answer until all notes have vectors"
    world.source = counted = Counted(world.source)  # type: ignore[assignment]
    world.apply(*NOTES)
    assert counted.n_read == 0  # type: ignore[attr-defined]
    assert not world.store.rebuilding
    assert sorted(world.embedder.texts) == ["Bread\nKnead the dough slowly.", "Oil the chain of the bike."]
    assert world.texts() == [("bike.md", NOTES["bike.md"]), ("bread.md", NOTES["bread.md"])]
    assert world.is_sound()
    assert compare_backend(world.store) == []
    assert world.scan() == []
    assert [hit.path for hit in ask(target(world), Question("dough", mode="vector")).hits]


def test_a_note_that_was_changed_meanwhile_is_read(world: World) -> None:
    choose_model(world)
    world.write("bread.md", "Another text.")
    world.apply(*NOTES)
    assert "Another text." in world.embedder.texts
    assert "Bread\nKnead the dough slowly." not in world.embedder.texts
    assert world.is_sound()


def test_a_note_whose_passage_does_not_tell_what_is_embedded_of_it_is_read(world: World) -> None:
    sql(world.folder, "update chunk set text = 'other' where text like 'Oil%'")
    choose_model(world)
    world.source = counted = Counted(world.source)  # type: ignore[assignment]
    world.apply(*NOTES)
    assert counted.n_read == 1  # type: ignore[attr-defined]
    assert "Oil the chain of the bike." in world.embedder.texts
    assert world.is_sound()


def test_vectors_are_switched_off_again_and_their_collection_goes(world: World) -> None:
    choose_model(world)
    world.apply(*NOTES)
    collection = world.collection
    assert len(keys(world.backend, collection)) == 2
    world.other = create_embedder(no_embedder().type, no_embedder())
    world.restart()
    world.store.prepare()
    assert world.store.rebuilding
    world.apply(*NOTES)
    assert not world.store.rebuilding
    assert world.backend.list_collections() == []
    assert world.store.reader.counts().states == {"indexed": 2}
    assert world.store.reader.counts().embeddings == 0
    answer = ask(target(world), Question("dough"))
    assert ([hit.path for hit in answer.hits], answer.degraded) == (["bread.md"], ())
    n_embedded = len(world.embedder.texts)
    choose_model(world)
    world.apply(*NOTES)
    assert world.is_sound()
    assert len(world.texts()) == 2
    assert len(world.embedder.texts) == n_embedded, "its vectors were kept"
    assert len(keys(world.backend, world.collection)) == 2
    assert compare_backend(world.store) == []
