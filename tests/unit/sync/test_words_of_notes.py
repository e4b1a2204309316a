"""What finds a note beside its text: names, folders, values of properties, comments; also a note that has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.world import World, sql
from vragd.search.ask import Mode, Question, Target, ask


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def found(world: World, text: str, mode: Mode = "keyword") -> list[str]:
    store = world.store
    target = Target(store.name, store.reader, store.backend, store.space, store.embedder.embed_query, {})
    return [hit.path for hit in ask(target, Question(text=text, mode=mode, top_k=20)).hits]


NOTES = {
    "Zanzibar.md": "",
    "Bolivia.md": "---\n---\n",
    "Film.md": "---\ndirector: Kurosawa\ntags: [cinema]\n---\n",
    "Outline.md": "# Kitchen\n## Tiles\n",
    "Dentist 2024.md": "---\ntitle: Appointment\naliases: [Toothday]\n---\nTuesday at nine.\n",
    "Cellar/Wine/Red.md": "---\ngrape: Nebbiolo\n---\n# Barolo\n\nOpen early.\n\n%%\nbought from Giacomo\n%%\n",
    "Query.md": "```dataview\nTABLE xylophone\n```\n",
    "Other.md": "Nothing of it.\n",
}
ASKED = {
    "zanzibar": "Zanzibar.md", "bolivia": "Bolivia.md", "film": "Film.md", "kurosawa": "Film.md", "cinema": "Film.md",
    "outline": "Outline.md", "tiles": "Outline.md", "dentist": "Dentist 2024.md", "appointment": "Dentist 2024.md",
    "toothday": "Dentist 2024.md", "cellar": "Cellar/Wine/Red.md", "nebbiolo": "Cellar/Wine/Red.md",
    "giacomo": "Cellar/Wine/Red.md", "barolo": "Cellar/Wine/Red.md", "xylophone": "Query.md",
}  # fmt: skip


def test_every_note_is_found_by_its_names_and_by_what_is_in_no_chunk(world: World) -> None:
    for path, text in NOTES.items():
        world.write(path, text)
    world.apply(*NOTES, patient=False)
    assert {word: found(world, word) for word in ASKED} == {word: [path] for word, path in ASKED.items()}
    assert all(text for _, text in world.texts()), "what has no text has no vector"
    assert world.is_sound()


@pytest.mark.parametrize("asked", [*ASKED, "cellar/wine/red", "film.md"])
def test_a_hybrid_question_has_it_first(world: World, asked: str) -> None:
    for path, text in NOTES.items():
        world.write(path, text)
    world.apply(*NOTES, patient=False)
    path = ASKED.get(asked) or next(path for path in NOTES if path.lower().startswith(asked))
    assert found(world, asked, "hybrid")[:1] == [path]


def test_it_goes_with_an_edit_and_with_the_note(world: World) -> None:
    world.write("a.md", "---\naliases: [Alpha]\nplace: Oslo\n---\nThe text stays.\n")
    world.apply("a.md")
    world.write("a.md", "---\naliases: [Beta]\nplace: Bergen\n---\nThe text stays.\n")
    world.apply("a.md")
    assert [found(world, word) for word in ("alpha", "oslo", "beta", "bergen")] == [[], [], ["a.md"], ["a.md"]]
    assert world.embedder.texts == ["The text stays."]
    world.write("a.md", "---\nplace: Bergen\n---\n# New\n\nAnother beginning.\n\n# Old\n\nThe text stays.\n")
    world.apply("a.md")
    assert (found(world, "beta"), found(world, "bergen")) == ([], ["a.md"])
    world.write("a.md", "")
    world.apply("a.md", patient=False)
    assert (found(world, "bergen"), found(world, "a"), world.texts()) == ([], ["a.md"], [])
    world.write("a.md", "Text again.")
    world.apply("a.md")
    assert (found(world, "again"), world.is_sound()) == (["a.md"], True)
    (world.vault / "a.md").unlink()
    world.scan()
    world.apply("a.md")
    assert (found(world, "a"), sql(world.folder, "select count(*) from chunk")) == ([], [(0,)])


def test_marks_that_change_are_shown_and_embed_nothing(world: World) -> None:
    world.write("a.md", "See [the garden](roses.md) there.\n")
    world.apply("a.md")
    world.write("a.md", "See [the garden](tulips.md) there.\n")
    world.apply("a.md")
    assert [text for _, text in world.texts()] == ["See [the garden](tulips.md) there."]
    assert (found(world, "tulips"), found(world, "roses"), len(world.embedder.texts)) == (["a.md"], [], 1)
    assert world.is_sound()


def test_a_catalog_that_is_mended_still_has_them(world: World) -> None:
    for path, text in NOTES.items():
        world.write(path, text)
    world.apply(*NOTES, patient=False)
    world.store.catalog.mend()
    assert {word: found(world, word) for word in ASKED} == {word: [path] for word, path in ASKED.items()}
