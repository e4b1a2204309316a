"""The picture of stores that run: who is in it, what moves when something changes, and what goes wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.closed import InProcess, Vault, running
from tests.fakes.ollama import FakeOllama
from vragd.errors import UnknownStore, UsageError
from vragd.search.picture.asked import Layout
from vragd.search.picture.kept import Kept
from vragd.search.picture.layout import laid_out
from vragd.search.picture.picture import Picture
from vragd.server.list_schemas import MapAnswer
from vragd.stores.audience import Audience
from vragd.stores.pictures import Pictures
from vragd.stores.questions import target_of
from vragd.system.child import ChildEnded
from vragd.terms.settings import McpSettings

ABOUT = {
    "bread": "sourdough flour oven crust starter loaf",
    "trees": "oak bark leaf root forest moss",
    "ships": "mast sail harbour anchor tide rudder",
}


def notes(n: int = 8) -> dict[str, str]:
    """Of each matter so many; each links to the next of its own."""
    return {
        f"{what}/{what} {i}.md": f"# {what} {i}\n#{what}\n{words} {what} number{i} [[{what} {i + 1}]]\n"
        for what, words in ABOUT.items()
        for i in range(n)
    }


class Here(Layout):
    """Lays out in this process."""

    def __init__(self, vectors: np.ndarray) -> None:
        super().__init__(vectors)
        self.vectors = vectors

    def ask(self) -> np.ndarray:
        return laid_out(self.vectors)


class Fails(Here):
    def ask(self) -> np.ndarray:
        raise ChildEnded("too_slow")


class Breaks(Here):
    def ask(self) -> np.ndarray:
        raise ZeroDivisionError


class Full(Here):
    def ask(self) -> np.ndarray:
        raise OSError("no process")


def drawn(daemon: InProcess, pictures: Pictures, *, assistant: bool = False, wait: bool = True) -> Picture:
    """The picture of the only store, once it is laid out."""
    audience = Audience(daemon.stores, assistant)
    (indexer,) = audience.chosen(())
    found = pictures.picture(target_of(audience, indexer), indexer.store.folder)
    if wait and found.state == "computing":
        pictures.close()  # waits for it
        found = pictures.picture(target_of(audience, indexer), indexer.store.folder)
    return found


def places(picture: Picture) -> dict[str, tuple[float, float]]:
    return {note.path: (note.x, note.y) for note in picture.notes}


def test_every_note_is_in_it_with_its_facts_links_and_regions(tmp_path: Path, fake: FakeOllama) -> None:
    files = {**notes(), "alone.md": "nothing like it"}
    with running(tmp_path, {"notes": {"v": Vault(files)}}, fake) as daemon:
        found = drawn(daemon, Pictures(Here))
        assert (found.store, found.state, found.without, found.reason) == ("notes", "ready", 0, "")
        assert [note.path for note in found.notes] == sorted(files)
        assert all(abs(note.x) <= 1 and abs(note.y) <= 1 for note in found.notes)
        bread = next(note for note in found.notes if note.path == "bread/bread 3.md")
        assert (bread.title, bread.source, bread.folder, bread.tags) == ("bread 3", "v", "bread", ("bread",))
        assert next(note for note in found.notes if note.path == "alone.md").folder == ""
        at = [note.path for note in found.notes]
        links = {(at[one], at[other]) for one, other in found.links}
        assert ("bread/bread 2.md", "bread/bread 3.md") in links
        assert len(links) == 3 * 7
        known = {word for words in ABOUT.values() for word in words.split()} | set(ABOUT)
        assert found.regions
        assert all(set(region.name.split(", ")) <= known for region in found.regions)
        assert sum(region.notes for region in found.regions) <= len(files)


def test_an_edit_moves_only_the_edited_note_and_a_new_one_comes_among_its_like(
    tmp_path: Path, fake: FakeOllama
) -> None:
    with running(tmp_path, {"notes": {"v": Vault(notes())}}, fake) as daemon:
        pictures = Pictures(Here)
        before = places(drawn(daemon, pictures))
        assert drawn(daemon, pictures) is drawn(daemon, pictures)  # nothing is read for it
        (tmp_path / "v/bread/bread 1.md").write_text(f"# bread 1\n{ABOUT['ships']} ships")
        (tmp_path / "v/trees/another.md").write_text(f"# another\n{ABOUT['trees']} trees")
        (tmp_path / "v/ships/ships 0.md").rename(tmp_path / "v/ships/renamed.md")
        daemon.sync()
        found = drawn(daemon, pictures, wait=False)
        after = places(found)
        assert found.state == "ready"
        moved = {path for path in before if before[path] != after.get(path)}
        assert moved == {"bread/bread 1.md", "ships/ships 0.md"}
        others = [after[path] for path in before if path.startswith("trees/")]
        (low, high) = np.min(others, axis=0), np.max(others, axis=0)
        assert (low <= after["trees/another.md"]).all()
        assert (high >= after["trees/another.md"]).all()
        assert places(drawn(daemon, Pictures(Here))) == after  # as of another daemon


def test_many_changes_are_laid_out_anew_and_turned_onto_what_was(tmp_path: Path, fake: FakeOllama) -> None:
    with running(tmp_path, {"notes": {"v": Vault(notes())}}, fake) as daemon:
        pictures = Pictures(Here)
        before = places(drawn(daemon, pictures))
        for i in range(12):
            (tmp_path / f"v/trees/more {i}.md").write_text(f"# more {i}\n{ABOUT['trees']} trees {i}")
        daemon.sync()
        pictures = Pictures(Here)
        between = drawn(daemon, pictures, wait=False)
        assert between.state == "computing"
        assert places(between) == before
        after = places(drawn(daemon, pictures))
        assert len(after) == len(before) + 12
        old, new = np.array([before[path] for path in before]), np.array([after[path] for path in before])
        assert np.corrcoef(old.ravel(), new.ravel())[0, 1] > 0.5


@pytest.mark.parametrize("files", [{}, {"a.md": "one"}, {"a.md": "one", "b.md": "two"}, {"a.md": "x", "b.md": "x"}])
def test_none_one_or_two_notes_are_a_picture_too(files: Mapping[str, str], tmp_path: Path, fake: FakeOllama) -> None:
    with running(tmp_path, {"notes": {"v": Vault(files)}}, fake) as daemon:
        found = drawn(daemon, Pictures(Here))
        assert found.state == ("ready" if files else "empty")
        assert len({*places(found).values()}) == len(files)


def test_a_note_without_a_vector_is_counted(tmp_path: Path, fake: FakeOllama) -> None:
    fake.poison = "unspeakable"
    files = {**notes(2), "unspeakable.md": "# unspeakable\nunspeakable"}
    with running(tmp_path, {"notes": {"v": Vault(files)}}, fake) as daemon:
        found = drawn(daemon, Pictures(Here))
        assert (found.state, len(found.notes), found.without) == ("ready", 6, 1)
        assert drawn(daemon, Pictures(Here)).without == 1


def test_assistants_have_a_picture_of_what_they_are_shown_that_what_is_closed_did_not_shape(
    tmp_path: Path, fake: FakeOllama
) -> None:
    files = notes(5)
    closed = McpSettings(exclude=("trees/",))
    with running(tmp_path / "a", {"notes": {"v": Vault(files, closed)}}, fake) as daemon:
        everything = drawn(daemon, Pictures(Here))
        assert len(everything.notes) == 15
        told = drawn(daemon, Pictures(Here), assistant=True)
        folder, space = daemon.stores.indexers["notes"].store.folder, told.space
        kept = [Kept.read(folder / name, space) for name in ("picture.layout", "picture.assistants")]
        assert [len(one.keys) for one in kept if one is not None] == [15, 10]
    assert {note.folder for note in told.notes} == {"bread", "ships"}
    assert "trees" not in json.dumps([(one.name, one.notes) for one in told.regions])
    opened = {path: text for path, text in files.items() if not path.startswith("trees/")}
    with running(tmp_path / "b", {"notes": {"v": Vault(opened)}}, fake) as daemon:
        bare = drawn(daemon, Pictures(Here), assistant=True)
    assert len(bare.notes) == len(told.notes)
    assert (len(bare.links), bare.without) == (len(told.links), told.without)


def test_a_layout_that_fails_says_why_and_is_not_tried_again_at_once(tmp_path: Path, fake: FakeOllama) -> None:
    began = list[int]()

    def failing(kind: type[Here]) -> Callable[[np.ndarray], Layout]:
        return lambda vectors: began.append(len(vectors)) or kind(vectors)  # type: ignore[func-returns-value]

    with running(tmp_path, {"notes": {"v": Vault(notes(2))}}, fake) as daemon:
        for kind, reason in ((Fails, "too_slow"), (Full, "not_kept"), (Breaks, "crashed")):
            pictures = Pictures(failing(kind))
            found = drawn(daemon, pictures)
            assert (found.state, found.reason) == ("empty", reason)
            assert drawn(daemon, pictures).reason == reason
        assert len(began) == 3
        daemon.stores.indexers["notes"].store.folder.joinpath("picture.layout").mkdir()
        assert drawn(daemon, Pictures(Here)).reason == "not_kept"


@pytest.mark.slow
def test_the_route_waits_for_what_a_process_lays_out_and_knows_its_stores(tmp_path: Path, fake: FakeOllama) -> None:
    stores = {
        "one": {"v": Vault(notes(4))},
        "two": {"w": Vault({"a.md": "alone"})},
        "not": {"x": Vault({"b.md": "b"}, False)},
    }
    with running(tmp_path, stores, fake) as daemon:

        def ask(query: str = "") -> list[dict[str, Any]]:
            answer = daemon.request("GET", f"/v1/map?wait_s=25{query}")
            MapAnswer.model_validate(answer)
            pictures: list[dict[str, Any]] = answer["pictures"]
            return pictures

        assert [(one["store"], one["state"], len(one["notes"])) for one in ask()] == [
            ("not", "ready", 1), ("one", "ready", 12), ("two", "ready", 1)
        ]  # fmt: skip
        assert ask() == ask()  # told again as it is, and otherwise once a note is
        (tmp_path / "v" / "New.md").write_text("what is new")
        daemon.sync()
        assert [note["path"] for note in ask("&store=one")[0]["notes"]].count("New.md") == 1
        assert "New.md" in [note["path"] for one in ask() for note in one["notes"]]
        assert [one["store"] for one in ask("&store=two")] == ["two"]
        assert [one["store"] for one in ask("&audience=assistant")] == ["one", "two"]
        with pytest.raises(UnknownStore):
            ask("&store=none")
        for wrong in ("-1", "26", "nan", "soon"):
            with pytest.raises(UsageError, match="expected 0 to 25 seconds"):
                daemon.request("GET", f"/v1/map?wait_s={wrong}")
        kept = tmp_path / "data/stores/one/picture.layout"
        assert os.stat(kept).st_mode & 0o777 == 0o600
        daemon.request("DELETE", "/v1/stores/one")
        assert not kept.exists()
