"""What is read back of a note: lines, sections, blocks, and passages by ids that stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.graphs import Linked as Store
from tests.world import WordEmbedder
from vragd.catalog.passages import is_id
from vragd.errors import NotFound, UsageError
from vragd.search.links import Linked, Root, find
from vragd.search.reading import Got, by_id, of_file

LONG = " ".join(f"word{i}" for i in range(150))
COFFEE = f"""---
aliases: [Java]
---
# Brewing
Water is hot. ^hot

## French press
- grind it coarse
  and not fine ^coarse
- wait four minutes {LONG}

| a | b |
|---|---|
| 1 | 2 |

^table

# Brewing cold
## French press
Over night. {LONG}
```
# no heading ^never
```
Last line."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    vault = tmp_path / "vault"
    (vault / "Kitchen").mkdir(parents=True)
    (vault / "Kitchen" / "Coffee.md").write_text(COFFEE)
    (vault / "Tea.md").write_text(f"Tea is green.\n\n{LONG} tea\n")
    made = Store(vault, tmp_path / "store")
    made.look()
    yield made
    made.close()


def linked(store: Store, hidden: tuple[str, ...] = (), sources: tuple[str, ...] = ()) -> Linked:
    root = Root((str(store.vault),), withheld=lambda path: path in hidden)
    return Linked("notes", store.store.reader, {"vault": root}, frozenset(sources))


def got(store: Store, text: str) -> Got:
    (asked,) = find(linked(store), text)
    return of_file(linked(store), asked)


def ids(store: Store, note: str) -> list[str]:
    return [part.id for part in got(store, note).parts]


def by(store: Store, name: str) -> Got:
    found = by_id(linked(store), name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("place", "lines"),
    [
        ("", (1, 24)),
        (":4-5", (4, 5)),
        (":5", (5, 5)),
        (":20-999", (20, 24)),
        ("#brewing", (4, 16)),
        ("#French press", (7, 16)),
        ("#Brewing#French press", (7, 16)),
        ("#Brewing cold#French press", (19, 24)),
        ("#^hot", (5, 5)),
        ("#^COARSE", (8, 9)),
        ("#^table", (12, 14)),
    ],
)
def test_a_part_is_its_lines_of_the_note_as_it_was_read(store: Store, place: str, lines: tuple[int, int]) -> None:
    for name in ("Kitchen/Coffee.md", "java"):
        read = got(store, name + place)
        assert (read.lines, read.n_lines, read.changed) == (lines, 24, False)
        assert read.text == "\n".join(COFFEE.split("\n")[lines[0] - 1 : lines[1]])
        assert all(part.lines[0] <= lines[1] and part.lines[1] >= lines[0] for part in read.parts)


@pytest.mark.parametrize(
    "place", ["The Kettle, hot", "The [[Tea|Kettle]], *hot*", "Tea#The Kettle, hot", "the tea kettle hot"]
)
def test_a_heading_may_be_named_as_it_is_written_and_as_it_is_read(store: Store, place: str) -> None:
    tea = ("# Tea", "", "Green.", "", "## The [[Tea|Kettle]], *hot*", "Boil it.", "", "## Kettle", "Cold.")
    (store.vault / "Tea.md").write_text("\n".join(tea))
    store.look()
    assert got(store, f"Tea.md#{place}").lines == (5, 6)


def test_a_heading_may_be_named_as_it_is_seen(store: Store) -> None:
    (store.vault / "Heart.md").write_text("# A\n\n## *\u2764\ufe0f* Health\u200b\nSleep.\n\n## B\nx\n")
    store.look()
    for place in ("*\u2764\ufe0f* Health\u200b", "*\u2764* Health", "A#\u2764 Health"):
        assert got(store, f"Heart.md#{place}").lines == (3, 4)


@pytest.mark.parametrize(
    ("place", "lines"),
    [
        ("Issue #13 fix", (1, 7)),
        ("Issue 13 fix", (1, 7)),
        ("C# tips", (5, 7)),
        ("C tips", (5, 7)),
        ("Issue #13 fix#C# tips", (5, 7)),
        ("a#b", (9, 15)),
        ("a#x", (19, 21)),  # where it is there in both ways: a heading below another
    ],
)
def test_a_heading_with_a_mark_of_its_own_is_asked_for_as_it_is_printed(
    store: Store, place: str, lines: tuple[int, int]
) -> None:
    text = ("# Issue #13 fix", "", "One.", "", "## C# tips", "", "Two.", "", "# a#b", "", "Three.", "")
    (store.vault / "Marks.md").write_text("\n".join([*text, "## a#x", "", "Four.", "", "# a", "", "## x", "", "Five."]))
    store.look()
    assert got(store, f"Marks.md#{place}").lines == lines


def test_a_place_that_is_not_there_is_said_with_what_is_near(store: Store) -> None:
    with pytest.raises(NotFound, match="has no heading #Frensh press") as error:
        got(store, "Coffee#Frensh press")
    assert error.value.hint == "did you mean #French press?"
    with pytest.raises(NotFound, match="has no block") as error:
        got(store, "Coffee#^corse")
    assert error.value.hint == "did you mean #^coarse?"
    for place in ("#^never", "#^nothing", "#zzz"):
        with pytest.raises(NotFound):
            got(store, f"Coffee{place}")
    for lines in (":0-3", ":7-5", ":25"):
        with pytest.raises(UsageError, match="lines 1 to 24"):
            got(store, f"Coffee{lines}")


def test_a_name_with_a_number_sign_has_places_too(store: Store) -> None:
    (store.vault / "C# notes.md").write_text("# Sharp\nx\n# C#\ny\n")
    store.look()
    assert got(store, "C# notes#Sharp").lines == (1, 2)
    assert got(store, "C# notes.md#C#").lines == (3, 4)


def test_a_file_that_is_no_note_or_was_not_read_has_no_text(store: Store) -> None:
    (store.vault / "p.png").write_bytes(b"")
    (store.vault / "binary.md").write_bytes(b"\0" * 100)
    store.look()
    with pytest.raises(UsageError, match="is no note"):
        got(store, "p.png")
    with pytest.raises(NotFound, match="was not read"):
        got(store, "binary")


def test_of_a_canvas_a_passage_is_a_card(store: Store) -> None:
    (store.vault / "c.canvas").write_text('{"nodes": [\n{"id": "1", "type": "text", "text": "A card of tea."}\n]}')
    store.look()
    read = got(store, "c.canvas")
    assert "A card of tea." in read.text
    (name,) = ids(store, "c.canvas")
    assert by(store, name).text == "A card of tea."


def test_ids_are_short_and_stay_through_all_but_an_edit_of_the_passage(store: Store, tmp_path: Path) -> None:
    before = ids(store, "Coffee")
    assert len(before) == len(set(before)) >= 3
    assert all(map(is_id, before))
    store.close()
    store.open()
    assert ids(store, "Coffee") == before
    coffee, moved = store.vault / "Kitchen" / "Coffee.md", store.vault / "Beans.md"
    coffee.rename(moved)
    store.look()
    assert ids(store, "Beans") == before
    moved.write_text(COFFEE.replace("Last line.", "The last."))
    store.look()
    assert ids(store, "Beans")[:-1] == before[:-1]
    anew = Store(store.vault, tmp_path / "anew")
    anew.look()
    assert ids(anew, "Beans") == ids(store, "Beans")
    anew.close()
    assert [by(store, name).note.path for name in before[:-1]] == ["Beans.md"] * (len(before) - 1)


def test_of_an_edited_passage_the_nearest_is_given_and_said_to_be_changed(store: Store) -> None:
    *_, last = got(store, "Coffee").parts
    coffee = store.vault / "Kitchen" / "Coffee.md"
    edited = COFFEE.replace("Over night.", "For a night.")
    coffee.write_text("# Before\nSomething else entirely.\n\n" + edited.split("---\n", 2)[2])
    store.look()
    read = by(store, last.id)
    assert (read.changed, read.note.path) == (True, "Kitchen/Coffee.md")
    assert "For a night." in read.text
    assert read.id not in ("", last.id)
    coffee.write_text(COFFEE)  # undone
    store.look()
    assert (by(store, last.id).changed, by(store, last.id).id) == (False, last.id)


def test_without_its_vector_the_nearest_is_the_one_at_its_place(store: Store) -> None:
    (first, *_) = got(store, "Coffee").parts
    (store.vault / "Kitchen" / "Coffee.md").write_text(COFFEE.replace("Water is hot.", "Water boils."))
    store.look()
    with store.store.catalog.writing() as db:
        db.execute("delete from embedding")
    assert "Water boils." in by(store, first.id).text


class Meaning(WordEmbedder):
    """Texts with many words in common are near to each other."""

    def embed_query(self, text: str) -> np.ndarray:
        row = np.sum([WordEmbedder.embed_query(self, word) for word in text.split()], axis=0)
        made: np.ndarray = (row / np.linalg.norm(row)).astype(np.float32)
        return made


def means(store: Store) -> None:
    """What is embedded from now on, is by meaning."""
    store.close()
    store.embedder = Meaning()
    store.open()


TEA, EDITED = f"Tea is green.\n\n{LONG} tea\n", f"Tea is black.\n\n{LONG} tea\n"


def renamed(store: Store, old: str, new: str, text: str = "") -> None:
    """As a sync tool or an editor does it: another file with another inode."""
    (store.vault / new).parent.mkdir(exist_ok=True)
    (store.vault / new).write_text(text or (store.vault / old).read_text())
    (store.vault / old).unlink()


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    "steps",
    [
        ("edit", "Kitchen/Leaves.md"),
        ("Kitchen/Leaves.md", "edit"),
        ("edit", "edit", "Leaves.md", "edit"),
        ("Leaves.md", "edit", "Kitchen/Leaves.md", "edit", "Green/Leaves.md"),
    ],
)
def test_of_an_edited_passage_of_a_note_that_was_renamed_the_nearest_is_given(
    store: Store, steps: tuple[str, ...], at_once: bool
) -> None:
    name, n_edits, nettle = "Tea.md", 0, " ".join(f"nettle{i}" for i in range(150))
    means(store)
    (store.vault / name).write_text(f"{nettle}\n\n{TEA}")
    store.look()
    first, *_ = ids(store, "Tea")
    for step in steps:
        if step == "edit":
            n_edits += 1
            (store.vault / name).write_text(f"{nettle} for the {n_edits}. time\n\n{TEA}")
        else:
            renamed(store, name, step)
            name = step
        if not at_once:
            store.look()
    store.look()
    read = by(store, first)
    assert (read.changed, read.note.path) == (True, name)
    assert f"for the {n_edits}. time" in read.text


@pytest.mark.parametrize("first", ["gone", "new"])
def test_a_note_that_is_gone_for_a_while_or_there_twice_was_renamed_all_the_same(store: Store, first: str) -> None:
    (before, *_), tea = ids(store, "Tea"), store.vault / "Tea.md"
    tea.write_text(EDITED)
    store.look()
    if first == "gone":
        tea.unlink()
    else:
        (store.vault / "Leaves.md").write_text(EDITED)
    store.look()
    (store.vault / "Leaves.md").write_text(EDITED)
    tea.unlink(missing_ok=True)
    store.look()
    assert (by(store, before).changed, by(store, before).note.path) == (True, "Leaves.md")


def test_a_note_of_one_passage_that_was_edited_and_renamed_at_once_is_known_by_what_it_says(store: Store) -> None:
    words = " ".join(f"leaf{i}" for i in range(40))
    means(store)
    (store.vault / "Tea.md").write_text(f"{words} green")
    store.look()
    (first,) = ids(store, "Tea")
    renamed(store, "Tea.md", "Leaves.md", f"{words} black")
    store.look()
    assert (by(store, first).changed, by(store, first).note.path) == (True, "Leaves.md")


def test_what_stands_in_many_notes_makes_none_of_them_the_one_that_is_gone(store: Store) -> None:
    for name in ("Monday", "Tuesday", "Wednesday"):
        (store.vault / f"{name}.md").write_text(f"# Plants\n{LONG}\n\n# {name}\nRain of {name} {LONG[::-1]} {name}")
    store.look()
    *_, last = ids(store, "Monday")
    (store.vault / "Monday.md").unlink()
    store.look()
    with pytest.raises(NotFound, match="is gone"):
        by_id(linked(store), last)


def test_a_passage_that_is_gone_with_its_note_is_said_to_be(store: Store) -> None:
    (first, *_) = ids(store, "Tea")
    (store.vault / "Tea.md").unlink()
    store.look()
    (store.vault / "Another.md").write_text("It takes the row of that note.")
    store.look()
    with pytest.raises(NotFound, match="is gone, and its note is gone as well or has another name"):
        by_id(linked(store), first)
    assert by_id(linked(store), "00000000") is None


def test_copies_have_ids_of_their_own_and_stand_for_each_other(store: Store) -> None:
    text = (store.vault / "Tea.md").read_text()
    (store.vault / "Copy.md").write_text(text)
    store.look()
    (mine, *_), (other, *_) = ids(store, "Tea"), ids(store, "Copy")
    assert mine != other
    assert (by(store, mine).note.path, [copy.path for copy in by(store, mine).copies]) == ("Tea.md", ["Copy.md"])
    assert by(store, other).note.path == "Copy.md"
    (store.vault / "Tea.md").unlink()
    store.look()
    assert (by(store, mine).note.path, by(store, mine).changed) == ("Copy.md", False)


def test_what_is_withheld_or_opts_out_is_read_back_by_nothing(store: Store) -> None:
    (first, *_) = ids(store, "Tea")
    hidden = linked(store, hidden=("Tea.md",))
    with pytest.raises(NotFound):
        by_id(hidden, first)
    assert find(hidden, "Tea") == []
    (store.vault / "Tea.md").write_text("---\nvragd: false\n---\nTea is green.")
    store.look()
    with pytest.raises(NotFound):
        by_id(linked(store), first)


def test_many_copies_are_named_in_the_time_of_few(store: Store) -> None:
    for i in range(60):
        (store.vault / f"{i}.md").write_text("the same in every note")
    store.look()
    assert len({name for i in range(60) for name in ids(store, f"{i}.md")}) == 60
