"""What of a source is closed to assistants, as the configuration says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vragd.config.load import parse
from vragd.config.settings import SourceSettings
from vragd.errors import ConfigError
from vragd.terms.settings import McpSettings

TEXT = "stores:\n  notes:\n    sources:\n    - path: /v\n      mcp: {}\n"


@pytest.mark.parametrize(
    ("mcp", "closed"),
    [
        ("false", False),
        ("true", True),
        ("{exclude: [Private/]}", McpSettings(exclude=("Private/",))),
        ("{}", McpSettings()),
    ],
)
def test_all_of_a_source_or_a_part_of_it(mcp: str, closed: bool | McpSettings) -> None:
    (source,) = parse(TEXT.replace("{}", mcp), "c.yaml").stores["notes"].sources
    assert source.mcp == closed


@pytest.mark.parametrize("mcp", ["maybe", "{exlude: [Private/]}", "[Private/]", '"false"', "{exclude: 3}"])
def test_what_closes_nothing_for_sure_is_refused_in_one_line(mcp: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(TEXT.replace("{}", mcp), "c.yaml")
    (told,) = caught.value.message.splitlines()
    assert told.startswith("c.yaml:5: ")
    assert "sources.0.mcp" in told


@pytest.mark.parametrize("pattern", ["~/V/Private", "./Private", "../x", "/v/Private", "!./Private", "~"])
def test_a_path_that_would_withhold_nothing_is_refused(pattern: str) -> None:
    for given in ({"mcp": McpSettings(exclude=(pattern,))}, {"exclude": (pattern,)}):
        with pytest.raises(ValueError, match="is a path, expected a pattern below /v"):
            SourceSettings.model_validate({"path": Path("/v"), **given})
    assert SourceSettings(path=Path("/v"), mcp=McpSettings(exclude=("/Private", "Private/"))).label == "v"
    kept = ("/Private", "Private/", "~draft*", "*.md~", ".trash/", "..old", "/vacation")
    assert SourceSettings(path=Path("/v"), exclude=kept, include=("/v/a.md",)).exclude == kept


@pytest.mark.parametrize("pattern", ["#private", "# Private/", "", "  ", "/"])
@pytest.mark.parametrize("key", ["exclude", "include", "mcp"])
def test_a_pattern_that_can_match_nothing_is_refused(key: str, pattern: str) -> None:
    given = {"exclude": [pattern]} if key == "mcp" else [pattern]
    with pytest.raises(ValueError, match=r"matches nothing, as in \.gitignore"):
        SourceSettings.model_validate({"path": Path("/v"), key: given})
    assert SourceSettings(path=Path("/v"), exclude=("\\#private", "!#drafts")).exclude
