"""Which notes are related: by what they are about, not by what all notes have; never the note itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.graphs import Linked as Store
from vragd.catalog.graph import File
from vragd.errors import EmbedderUnavailable, UsageError
from vragd.search.asking import understood
from vragd.search.question import Place, Target
from vragd.search.similar import Answer, Wanted, similar

SKELETON = (
    "## Mood\nnone of it today\n## Weather\nclouds and a little rain over the hills\n## Plan\nwhatever comes up\n"
)
NOTES = {
    "Bread.md": "Sourdough bread: starter, flour, water, slow rise, hot oven.",
    "Starter.md": "Starter: flour, water; feed sourdough daily. [[Bread]]",
    "Oven.md": "Hot oven, stone, bread crust. [[Tax]]",
    "Tax.md": "Tax office: receipts, signed forms, deadlines.",
    "Templates/Recipe.md": "Sourdough bread: flour, water, starter, oven.",
    "Days/1.md": f"{SKELETON}## Notes\nThe walrus swims north in the cold sea.",
    "Days/2.md": f"{SKELETON}## Notes\nReceipts for the tax office are signed.",
    **{f"Days/{day}.md": f"{SKELETON}## Notes\nNothing happened at all." for day in (3, 4, 5)},
    "Walrus.md": "A walrus lives in the cold sea of the north.",
    "Empty.md": "",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    vault = tmp_path / "vault"
    for path, text in NOTES.items():
        (vault / path).parent.mkdir(parents=True, exist_ok=True)
        (vault / path).write_text(text)
    made = Store(vault, tmp_path / "store")
    made.look()
    yield made
    made.close()


def target(store: Store, hidden: tuple[str, ...] = (), **more: Any) -> Target:
    place = Place(
        store.source.uid, store.vault, in_obsidian=False, withheld=lambda path: path in hidden, templates=("Templates",)
    )
    made = store.store
    return Target(
        "notes", made.reader, made.backend, more.get("space", made.space), store.embedder.embed_query, {"vault": place}
    )


def asked(store: Store, path: str, hidden: tuple[str, ...] = (), *, unlinked: bool = False, **narrow: Any) -> Answer:
    question = understood(top_k=narrow.pop("top_k", 10), **narrow)
    return similar(target(store, hidden), Wanted(question, File("vault", path), unlinked=unlinked))


def paths(answer: Answer) -> list[str]:
    return [hit.note.path for hit in answer.hits]


def test_what_its_filters_name_and_no_note_has_is_told(store: Store) -> None:
    answer = asked(store, "Bread.md", where="tag:nowhere", folder="Nowhere")
    assert [(one.kind, one.name) for one in answer.unknown] == [("tag", "nowhere"), ("folder", "Nowhere")]
    assert asked(store, "Bread.md").unknown == ()


def test_what_is_about_the_same_comes_first_and_links_are_marked(store: Store) -> None:
    answer = asked(store, "Bread.md")
    assert set(paths(answer)[:2]) == {"Starter.md", "Oven.md"}
    assert answer.note is not None
    assert answer.note.path == "Bread.md"
    ways = {hit.note.path: hit.linked for hit in answer.hits}
    assert (ways["Starter.md"], ways["Oven.md"]) == (("back",), ())
    assert {hit.note.path: hit.linked for hit in asked(store, "Starter.md").hits}["Bread.md"] == ("out",)
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    assert answer.hits[0].id
    assert answer.hits[0].lines == (1, 1)


def test_unlinked_leaves_out_what_a_link_joins_in_either_direction(store: Store) -> None:
    assert "Starter.md" not in paths(asked(store, "Bread.md", unlinked=True))
    assert "Bread.md" not in paths(asked(store, "Starter.md", unlinked=True))
    assert "Oven.md" in paths(asked(store, "Bread.md", unlinked=True))


def test_neither_the_note_nor_a_copy_of_it_nor_a_template_is_related(store: Store) -> None:
    (store.vault / "Copies").mkdir()
    (store.vault / "Copies" / "Bread 2.md").write_text(NOTES["Bread.md"])
    store.look()
    found = paths(asked(store, "Bread.md"))
    assert not {"Bread.md", "Copies/Bread 2.md", "Templates/Recipe.md"} & set(found)
    text = similar(target(store), Wanted(understood(top_k=10), text=NOTES["Bread.md"]))
    assert not {"Bread.md", "Copies/Bread 2.md", "Templates/Recipe.md"} & set(paths(text))
    assert text.note is None
    assert "Starter.md" in paths(text)[:2]


def test_notes_that_are_equal_but_for_their_properties_are_one_answer(store: Store) -> None:
    properties = {"Oven 2": "", "Copies/Oven 3": "---\ntags: [hot]\n---\n", "Oven 4": "---\nrating: 5\n---\n"}
    for name, above in properties.items():
        (store.vault / f"{name}.md").parent.mkdir(exist_ok=True)
        (store.vault / f"{name}.md").write_text(above + NOTES["Oven.md"])
    store.look()
    same = {"Oven.md", "Oven 2.md", "Oven 4.md", "Copies/Oven 3.md"}
    typed = Wanted(understood(top_k=10), text="Hot oven, stone, bread crust, every day.")
    text = similar(target(store, space=None), typed)
    for answer in (asked(store, "Bread.md"), asked(store, "Bread.md", top_k=2), text):
        (one,) = [hit for hit in answer.hits if hit.note.path in same]
        assert {one.note.path, *(copy.path for copy in one.copies)} == same
        assert len(answer.texts) == len(answer.hits)
    assert len(asked(store, "Bread.md", top_k=2).hits) == 2
    (one, *_) = asked(store, "Bread.md", where="path:oven path:2 OR path:3").hits
    assert len(one.copies) == 1
    assert same & set(paths(asked(store, "Oven 2.md"))) == set()


def test_notes_without_text_are_no_copies_of_each_other(store: Store) -> None:
    for name in ("Bread of the oven", "Oven for bread"):
        (store.vault / f"{name}.md").write_text("---\nkind: oven\n---\n")
    store.look()
    found = {hit.note.path: hit.copies for hit in asked(store, "Oven.md").hits}
    assert found["Bread of the oven.md"] == found["Oven for bread.md"] == ()


def test_what_opens_a_related_note_comes_with_it(store: Store) -> None:
    (hit, *_) = asked(store, "Bread.md", where="file:oven").hits
    assert (hit.file, hit.uri) == (str(store.vault / "Oven.md"), (store.vault / "Oven.md").as_uri())


def test_what_all_notes_have_makes_none_related(store: Store) -> None:
    assert paths(asked(store, "Days/1.md"))[0] == "Walrus.md"
    assert paths(asked(store, "Days/2.md"))[0] == "Tax.md"


def test_it_is_narrowed_as_a_question_is(store: Store) -> None:
    assert set(paths(asked(store, "Bread.md", folder="Days"))) <= {f"Days/{i}.md" for i in range(1, 6)}
    assert paths(asked(store, "Bread.md", where="file:oven")) == ["Oven.md"]
    assert len(paths(asked(store, "Bread.md", top_k=1))) == 1
    assert paths(asked(store, "Bread.md", sources=frozenset({"vault"})))


def test_what_is_withheld_is_named_by_nothing(store: Store) -> None:
    assert "Starter.md" not in paths(asked(store, "Bread.md", hidden=("Starter.md",)))


def test_of_a_note_without_text_its_name_counts(store: Store) -> None:
    (store.vault / "Walrus in the north.md").write_text("---\nkind: animal\n---\n")
    store.look()
    assert paths(asked(store, "Walrus in the north.md"))[0] == "Walrus.md"
    asked(store, "Empty.md")


def test_without_vectors_words_alone_tell(store: Store) -> None:
    wanted = Wanted(understood(top_k=3), File("vault", "Bread.md"))
    answer = similar(target(store, space=None), wanted)
    assert not answer.semantic
    assert set(paths(answer)[:2]) == {"Starter.md", "Oven.md"}


def test_a_text_that_opts_out_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="opted_out"):
        similar(target(store), Wanted(understood(top_k=3), text="---\nvragd: false\n---\nx"))


def test_scores_do_not_depend_on_the_order_of_rows(store: Store) -> None:
    before = [(hit.note.path, hit.score) for hit in asked(store, "Oven.md").hits]
    (store.vault / "Starter.md").write_text("x")
    store.look()
    (store.vault / "Starter.md").write_text(NOTES["Starter.md"])
    store.look()
    after = [(hit.note.path, hit.score) for hit in asked(store, "Oven.md").hits]
    assert np.allclose([s for _, s in before], [s for _, s in after], atol=1e-3)
    assert json.dumps(sorted(p for p, _ in before)) == json.dumps(sorted(p for p, _ in after))


def test_a_note_that_consists_of_what_recurs_is_compared_as_it_is(store: Store) -> None:
    (store.vault / "Days/6.md").write_text(SKELETON)
    store.look()
    assert paths(asked(store, "Days/6.md"))[0].startswith("Days/")


def test_a_day_for_a_name_makes_no_days_related(store: Store) -> None:
    for day in range(1, 6):
        (store.vault / f"2026-01-0{day}.md").write_text(f"# 2026-01-0{day}\n\nwords{day}\n")
    (store.vault / "2026-01-06.md").write_text("# 2026-01-06\n\nThe cold sea of the walrus.\n")
    store.look()
    assert paths(asked(store, "2026-01-06.md"))[:2] == ["Walrus.md", "Days/1.md"]


def test_without_an_embedder_what_recurs_counts_little_in_words_and_vectors_are_those_there_are(store: Store) -> None:
    given = target(store)
    given = replace(given, embed_query=unreachable)
    answer = similar(given, Wanted(understood(top_k=3), File("vault", "Days/1.md")))
    assert not answer.semantic
    assert "Walrus.md" in paths(answer)


def unreachable(_: str) -> np.ndarray:
    raise EmbedderUnavailable("nobody answers")


@pytest.mark.parametrize("name", ["2026-01-05", "Big"])
def test_of_a_file_that_was_not_read_nothing_is_compared(store: Store, name: str) -> None:
    (store.vault / f"{name}.md").write_bytes(b"\0\1\2" * 100)
    store.look()
    assert asked(store, f"{name}.md").hits == ()
