"""A replica that somebody changed, or exchanged for an old copy, while it was fed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.backends import keys
from tests.fakes.lucene import FakeNode
from tests.unit.store.test_replica import opened, settings_of, write
from vragd.terms.backends import TYPES


@pytest.mark.parametrize("kind", ["sqlite", "file"])
def test_an_old_copy_that_is_put_in_its_place_meanwhile_is_noticed(tmp_path: Path, kind: str) -> None:
    for rig in opened(tmp_path, settings_of(kind, tmp_path)):
        write(rig, "a.md", "b.md", "c.md")
        rig.feed()
        rig.replica.close()  # all is in the file
        (place,) = rig.settings.files()
        copy = shutil.copytree(place, tmp_path / "copy") if place.is_dir() else shutil.copy(place, tmp_path / "copy")
        rig.begin()
        rig.feed()
        (rig.vault / "b.md").unlink()
        rig.apply("b.md")
        rig.feed()
        for beside in tmp_path.glob(f"{place.name}-*"):
            beside.unlink()
        place.rename(tmp_path / "away")
        Path(copy).rename(place)
        write(rig, "d.md")  # what is new is told to the copy
        rig.feed()
        assert rig.is_equal()


@pytest.mark.parametrize("kind", ["sqlite", "file"])
def test_what_somebody_else_took_out_of_it_meanwhile_is_noticed(tmp_path: Path, kind: str) -> None:
    for rig in opened(tmp_path, settings_of(kind, tmp_path)):
        write(rig, "a.md")
        rig.feed()
        rig.counting.delete_vectors(rig.fed, keys(rig.counting, rig.fed)[:1])
        assert rig.feed() == (1, 0)
        assert rig.is_equal()


@pytest.mark.parametrize("kind", ["opensearch", "elasticsearch"])
def test_what_somebody_took_out_of_a_server_meanwhile_is_noticed(tmp_path: Path, kind: str) -> None:
    with FakeNode(kind) as node:
        settings = TYPES.settings(kind).model_validate({"type": kind, "url": f"http://{node.host}"})
        for rig in opened(tmp_path, settings):
            write(rig, "a.md", "b.md")
            rig.feed()
            assert rig.feed() == (0, 0)
            rig.counting.delete_vectors(rig.fed, keys(rig.counting, rig.fed))
            assert rig.feed() == (4, 0)
            assert rig.is_equal()
