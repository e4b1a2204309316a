"""What of a configuration has no effect is told to who has it checked."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from vragd.config.load import Loaded
from vragd.config.settings import Config
from vragd.stores.overlooked import LOOK_S, idle_patterns, kept_apart, open_elsewhere
from vragd.stores.registry import Registry, made_by_command


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    folder = tmp_path / "Vault"
    (folder / "Private" / "deep").mkdir(parents=True)
    (folder / "Private" / "a.md").write_text("x")
    (folder / "U\u0308ber").mkdir()
    (folder / "plan.draft.md").write_text("x")
    return folder


def config(vault: Path, **source: object) -> Config:
    return Config.model_validate({"stores": {"notes": {"sources": [{"path": vault, **source}]}}})


@pytest.mark.parametrize(
    "pattern", ["Private/", "/Private", "deep", "*.draft.md", "Private/*.md", "\u00dcber/", "!anything", "**"]
)
def test_a_pattern_that_matches_something_is_not_mentioned(vault: Path, pattern: str) -> None:
    assert idle_patterns(config(vault, exclude=[pattern], mcp={"exclude": [pattern]})) == []


@pytest.mark.parametrize(
    ("pattern", "near"),
    [("private/", "; Private/ is written otherwise"), ("Vault/Private/", ""), (" Private/", ""), ("a.md/", "")],
)
def test_one_that_matches_nothing_is_named_with_what_it_may_mean(vault: Path, pattern: str, near: str) -> None:
    said = f"exclude {pattern!r} of source Vault of store notes matches nothing there now{near}"
    assert idle_patterns(config(vault, exclude=[pattern, "Private/"])) == [said]


def test_assistants_patterns_are_looked_for_in_any_case(vault: Path) -> None:
    (said,) = idle_patterns(config(vault, mcp={"exclude": ["private/", "Secret/"]}))
    assert said.startswith("mcp.exclude 'Secret/' of source Vault")


def test_of_a_folder_that_is_away_or_takes_too_long_nothing_is_said(vault: Path, tmp_path: Path) -> None:
    assert idle_patterns(config(tmp_path / "away", exclude=["x/"])) == []
    ticks = count(0, LOOK_S)
    assert idle_patterns(config(vault, exclude=["x/"]), lambda: next(ticks)) == []


def test_data_that_no_name_leads_to_and_a_commands_store_in_whose_place_another_is_are_told(tmp_path: Path) -> None:
    settings = Config.model_validate({"stores": {"mine": {}}})
    registry = Registry(Loaded(settings, None, tmp_path, tmp_path / "s"))
    assert kept_apart(Loaded(settings, None, tmp_path, tmp_path / "s")) == []
    registry.create("mine", settings.stores["mine"])
    (tmp_path / "stores" / "old").mkdir()
    told = "\n".join(kept_apart(Loaded(settings, None, tmp_path, tmp_path / "s")))
    assert "store mine was made by a command" in told
    assert "store old is named by nobody, its data is kept: vragd store delete old" in told
    assert f"rename {tmp_path}/stores/old" in told
    assert made_by_command(tmp_path, "mine")
    assert not made_by_command(tmp_path, "old")


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (False, True, 1), (False, False, 0), (True, True, 0), ({"exclude": ["P/"]}, {"exclude": ["P/"]}, 0),
        ({"exclude": ["P/"]}, True, 1), ({"exclude": ["P/"]}, False, 1), ({"exclude": ["P/"]}, {"exclude": ["Q/"]}, 2),
    ],
)  # fmt: skip
def test_a_folder_that_is_closed_in_one_store_and_open_in_another_is_told(
    vault: Path, tmp_path: Path, first: object, second: object, told: int
) -> None:
    loaded = Loaded(config(vault, mcp=first), None, tmp_path, tmp_path / "s")
    (tmp_path / "link").symlink_to(vault)
    other = config(tmp_path / "link" / "Private", mcp=second).stores["notes"]
    Registry(loaded).create("mine", other)
    said = open_elsewhere(loaded)
    assert len(said) == told
    assert all("assistants are shown in store" in one for one in said)
