"""Answers where no daemon runs: by words, from what was indexed, and nothing that has been withdrawn since."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.moved import indexed
from vragd.config.load import Loaded
from vragd.config.settings import Config, SourceSettings, StoreSettings
from vragd.errors import NewerFormat, NotFound, UnknownStore, UsageError, VragdError
from vragd.search.question import Hit
from vragd.stores.unattended import query

NOTES = {
    "Heron.md": "# Heron\n\nThe heron stood at the pond.",
    "Private/Heron diary.md": "A heron again, and nobody is to know.",
    "Old/Heron report.md": "Three herons were counted.",
    "Tagged.md": "---\ntags: [bird]\n---\nThe heron flew.",
    "Other.md": "Nothing of the kind.",
}


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """A store on a vault that was indexed by a daemon that has ended."""
    return indexed(tmp_path, {**NOTES, ".obsidian/app.json": "{}"})


def found(loaded: Loaded, text: str = "heron", **asked: Any) -> set[str]:
    hits: tuple[Hit, ...] = query(loaded, asked.pop("names", ()), text=text, top_k=10, **asked)["hits"]
    return {hit.path for hit in hits}


HERONS = {"Heron.md", "Private/Heron diary.md", "Old/Heron report.md", "Tagged.md"}


def test_words_and_filters_answer_and_nothing_is_written(loaded: Loaded) -> None:
    def files() -> dict[str, tuple[int, int]]:
        every = [path for path in loaded.data_dir.rglob("*") if path.is_file() and path.suffix not in (".db-shm",)]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in every if path.stat().st_size}

    before = files()
    assert found(loaded) == HERONS
    assert found(loaded, "tag:bird") == {"Tagged.md"}
    assert found(loaded, "heron -tag:bird path:Old") == {"Old/Heron report.md"}
    assert found(loaded, "heron", folder="Old") == {"Old/Heron report.md"}
    answer = query(loaded, ["notes"], text="heron", mode="hybrid")
    assert (answer["pending"], answer["degraded"]) == (0, ["no_daemon"])
    assert files() == before


@pytest.mark.parametrize("text", ["heron", "tag:bird OR path:Heron", '"heron"'])
def test_what_opted_out_since_is_not_shown(loaded: Loaded, tmp_path: Path, text: str) -> None:
    for path in HERONS:
        (tmp_path / "vault" / path).write_text(f"---\nvragd: false\ntags: [bird]\n---\n{NOTES[path]}")
    assert found(loaded, text) == set()
    assert query(loaded, (), text="heron", chunks=True, weak=True)["hits"] == ()


def test_what_is_excluded_since_is_not_shown(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "vault/.obsidian/app.json").write_text('{"userIgnoreFilters": ["Private/"]}')
    assert found(loaded) == HERONS - {"Private/Heron diary.md"}
    assert found(loaded, "path:Private") == set()


def test_what_lies_in_a_vault_of_its_own_since_is_hidden_by_that_ones_rules(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "vault/Private/.obsidian").mkdir()
    (tmp_path / "vault/Private/.obsidian/app.json").write_text('{"userIgnoreFilters": ["Heron"]}')
    assert found(loaded) == HERONS - {"Private/Heron diary.md"}


def test_what_is_gone_is_not_shown_and_what_changed_is(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "vault/Heron.md").unlink()
    (tmp_path / "vault/Old/Heron report.md").write_text("Now of gulls, once of a heron.")
    (tmp_path / "vault/New.md").write_text("A heron nobody has read of.")
    assert found(loaded) == HERONS - {"Heron.md"}
    assert query(loaded, (), text="heron")["pending"] == 3


@pytest.mark.parametrize("changed", [{"name": "Other"}, {"path": "elsewhere"}])
def test_of_a_source_that_is_configured_no_more_or_otherwise_nothing_is_shown(
    loaded: Loaded, tmp_path: Path, changed: dict[str, str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    given = {
        "path": tmp_path / changed.get("path", "vault"),
        **({"name": changed["name"]} if "name" in changed else {}),
    }
    settings = StoreSettings(sources=(SourceSettings(**given),))
    other = replace(loaded, config=Config(stores={"notes": settings}))
    for text in ("heron", "tag:bird", '"heron"'):
        assert found(other, text) == set()
    assert found(replace(loaded, config=Config(stores={"notes": StoreSettings()}))) == set()


def test_a_store_that_cannot_be_read_leaves_the_others_their_answer(loaded: Loaded, tmp_path: Path) -> None:
    stores = {**loaded.config.stores, "two": loaded.config.stores["notes"]}
    both = replace(loaded, config=Config(stores=stores))
    shutil.copytree(tmp_path / "data/stores/notes", tmp_path / "data/stores/two")
    (tmp_path / "data/stores/two/catalog.db").write_bytes(b"garbage" * 1_000)
    answer = query(both, (), text="heron")
    assert ({hit.path for hit in answer["hits"]}, answer["degraded"]) == (HERONS, ["no_daemon", "store_failed"])
    with pytest.raises(VragdError):
        query(both, ["two"], text="heron")


def test_of_a_vault_that_is_not_there_nothing_is_shown(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "vault").rename(tmp_path / "w")
    assert found(loaded) == set()
    assert query(loaded, (), text="heron")["degraded"] == ["no_daemon", "source_offline"]
    (tmp_path / "vault").mkdir()  # an empty mount point
    assert found(loaded) == set()
    (tmp_path / "vault").rmdir()
    (tmp_path / "w").rename(tmp_path / "vault")
    assert found(loaded) == HERONS


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_what_cannot_be_read_is_not_shown(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "vault/Heron.md").write_text("Other words.")
    (tmp_path / "vault/Heron.md").chmod(0)
    assert found(loaded) == HERONS - {"Heron.md"}


def test_wrong_names_are_refused_as_by_the_daemon(loaded: Loaded) -> None:
    with pytest.raises(UnknownStore, match="no store 'note'"):
        found(loaded, names=("note",))
    with pytest.raises(UsageError, match="no source 'w'"):
        found(loaded, sources=frozenset({"w"}))
    with pytest.raises(UsageError, match="no source 'w'"):
        found(loaded, "heron source:w")
    with pytest.raises(UnknownStore, match="no store 'x'"):
        found(loaded, "heron store:x")
    assert found(loaded, "heron store:notes source:vault") == HERONS


def test_a_score_that_is_too_low_is_left_out_and_pages_go_on(loaded: Loaded) -> None:
    every = query(loaded, (), text="heron")["hits"]
    best = every[0].score
    assert query(loaded, (), text="heron", min_score=best + 1)["hits"] == ()
    assert query(loaded, (), text="heron", offset=1)["hits"] == every[1:]


@pytest.mark.parametrize(("by", "says"), [(-1, "older vragd"), (1, "newer vragd")])
def test_an_index_of_another_version_is_left_alone(loaded: Loaded, by: int, says: str) -> None:
    db = apsw.Connection(str(loaded.data_dir / "stores/notes/catalog.db"))
    ((version,),) = db.execute("pragma user_version")
    db.execute(f"pragma user_version = {version + by}")
    db.close()
    with pytest.raises(NewerFormat, match=says):
        found(loaded)


def test_where_nothing_was_indexed_there_is_no_answer(tmp_path: Path) -> None:
    settings = StoreSettings(sources=(SourceSettings(path=tmp_path),))
    with pytest.raises(NotFound, match="nothing is indexed yet"):
        query(Loaded(Config(stores={"notes": settings}), None, tmp_path / "data", tmp_path / "s"), (), text="x")


def test_types_that_cannot_be_read_now_are_those_that_were_read_last(tmp_path: Path) -> None:
    types = {".obsidian/types.json": '{"types": {"version": "text"}}'}
    loaded = indexed(tmp_path, {"a.md": "---\nversion: 7\n---\nwords", **types})
    file = tmp_path / "vault/.obsidian/types.json"
    file.unlink()
    file.symlink_to(file)  # ELOOP
    assert query(loaded, (), text="", where=['version == "7"'], top_k=10)["hits"] != ()
