"""What is said to be nearest to a name that there is not, where several stores are asked."""

from __future__ import annotations

from pathlib import Path

from tests.graphs import Linked as Store
from vragd.search.asking import unknown_everywhere
from vragd.search.links import Linked, Root, nearest
from vragd.search.question import Unknown


def test_of_what_several_stores_have_the_nearest_is_told() -> None:
    one, other = Unknown("property", "ratin", "draft"), Unknown("property", "ratin", "rating")
    none = Unknown("property", "ratin", "")
    for stores in ([[one], [other], [none]], [[none], [other], [one]]):
        assert unknown_everywhere(stores) == [other]
    assert unknown_everywhere([[none], [none]]) == [none]
    assert unknown_everywhere([[one], []]) == []


def test_notes_of_any_store_are_told_the_nearest_first(tmp_path: Path) -> None:
    targets = list[Linked]()
    stores = list[Store]()
    for name, notes in (("a", ("play.md", "pain.md", "plane.md")), ("b", ("Plan.md",))):
        (tmp_path / name).mkdir()
        for note in notes:
            (tmp_path / name / note).write_text("x")
        stores.append(Store(tmp_path / name, tmp_path / f"{name}.store"))
        stores[-1].look()
        root = Root((str(tmp_path / name),))
        targets.append(Linked(name, stores[-1].store.reader, {stores[-1].source.label: root}))
    assert nearest(targets, "elsewhere/Plan.md:3")[:2] == ["b/Plan.md", "a/plane.md"]
    for store in stores:
        store.close()
