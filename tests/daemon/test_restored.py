"""A data directory, or a part of it, that comes back from a backup: what is found is what the vault has now."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.harness import Vragd, vragd

CATALOG, INDEX = "stores/notes/catalog.db", "stores/notes/index"


def write(daemon: Vragd, *names: str, word: str = "then") -> None:
    for name in names:
        (daemon.vault / f"{name}.md").write_text(f"# {name}\n\nA badger was seen {word}, by {name}.\n")


def right(daemon: Vragd) -> None:
    """All that the vault has is found by its words and by its vectors, and nothing else is."""
    daemon.settle()
    assert daemon.problems() == []
    there = sorted(path.name for path in daemon.vault.glob("*.md"))
    for mode in ("keyword", "vector"):
        assert sorted(daemon.paths("badger", mode=mode, weak=True, top_k=50)) == there, mode
    for path, text in daemon.shown():
        assert text.splitlines()[-1] in (daemon.vault / path).read_text()


def put_back(data: Path, backup: Path, part: str) -> None:
    for place in data.parent.glob(f"{data.name}/{part}*"):  # with what SQLite has beside a file
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    if (backup / part).is_dir():
        shutil.copytree(backup / part, data / part)
    else:
        shutil.copy2(backup / part, data / part)


@pytest.mark.slow
def test_whichever_part_of_the_data_is_of_before_what_is_found_is_of_now(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        write(daemon, "ann", "ben", "cid", "dot", "eve")
        daemon.start()
        daemon.stop()
        before, after = tmp_path / "before", tmp_path / "after"
        shutil.copytree(daemon.data, before)
        (daemon.vault / "ann.md").unlink()
        write(daemon, "ben", "cid", "fay", word="now")
        daemon.start()
        right(daemon)
        daemon.stop()
        shutil.copytree(daemon.data, after)
        for whole, part, of in ((before, "", before), (after, CATALOG, before), (after, INDEX, before)):
            shutil.rmtree(daemon.data)
            shutil.copytree(whole, daemon.data)
            if part:
                put_back(daemon.data, of, part)
            daemon.start()
            right(daemon)
            daemon.stop()


@pytest.mark.slow
def test_a_catalog_of_before_beside_the_log_of_a_killed_daemon_is_not_believed(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        write(daemon, "ann", "ben", "cid", "dot")
        daemon.start()
        daemon.stop()
        before = tmp_path / "catalog"
        shutil.copy2(daemon.data / CATALOG, before)
        daemon.start()
        (daemon.vault / "ann.md").unlink()
        write(daemon, "ben", "fay", word="now")
        daemon.settle()
        daemon.kill()
        assert (daemon.data / f"{CATALOG}-wal").stat().st_size, "or this shows nothing"
        shutil.copy2(before, daemon.data / CATALOG)
        daemon.start()
        right(daemon)
