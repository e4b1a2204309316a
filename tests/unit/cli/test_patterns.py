"""What `vragd index` is given → folders, and which of their files are indexed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

from vragd.cli.sync import patterns_by_folder
from vragd.config.settings import StoreSettings
from vragd.errors import UsageError
from vragd.stores.registry import with_once

FILES = (
    "a.md", "draft.md", "b.txt", "private/secret.md", "private/deep/s.md", "notes/c.md", "notes/private/d.md",
    "[old]/e.md", "o/f.md", "st*r/g.md", "star/h.md", "!bang/i.md", "with space/j.md",
)  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def indexed(here: Path, *commands: str | tuple[str, ...]) -> set[str]:
    """What a store holds after `vragd index` of each, in turn."""
    settings = StoreSettings()
    for command in commands:
        for base, include in patterns_by_folder([command] if isinstance(command, str) else command).items():
            settings = with_once(settings, base, include)
    found = set[str]()
    for source in settings.sources:
        spec = GitIgnoreSpec.from_lines(source.include)
        below = [here / name for name in FILES if source.path in (here / name).parents]
        found |= {str(file.relative_to(here)) for file in below if spec.match_file(str(file.relative_to(source.path)))}
    return found


MD = {name for name in FILES if name.endswith(".md")}
PRIVATE = {"private/secret.md", "private/deep/s.md"}


@pytest.mark.parametrize(
    ("command", "left_out"),
    [
        (("**/*.md", "!private/"), PRIVATE),
        (("**/*.md", "!private"), PRIVATE),
        (("**/*.md", "!./private/"), PRIVATE),
        (("**/*.md", "!private/**"), PRIVATE),
        (("**/*.md", "!private/*.md"), {"private/secret.md"}),
        (("**/*.md", "!draft.md"), {"draft.md"}),
        (("**/*.md", "!d*.md"), {"draft.md", "notes/private/d.md"}),
        (("**/*.md", "!notes/private"), {"notes/private/d.md"}),
        (("**/*.md", "!private/", "private/deep"), {"private/secret.md"}),
        (("**/*.md", "![old]"), {"[old]/e.md"}),
        (("**/*.md", "!st*r"), {"st*r/g.md"}),
        (("**/*.md", "!with space"), {"with space/j.md"}),
    ],
)
def test_a_pattern_takes_back_what_was_named_before_it(
    here: Path, command: tuple[str, ...], left_out: set[str]
) -> None:
    assert indexed(here, command) == MD - left_out


def test_a_source_is_what_a_pattern_begins_with(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert patterns_by_folder(["notes/**/*.md"]) == {here / "notes": ["/**/*.md"]}
    assert patterns_by_folder([f"{here}/notes/*.md"]) == {here / "notes": ["/*.md"]}
    assert indexed(here, ("notes/**/*.md", "!notes/private/")) == {"notes/c.md"}
    assert indexed(here, ("notes/*.md", "private/deep/*.md")) == {"notes/c.md", "private/deep/s.md"}
    assert list(patterns_by_folder(["*.md", "**/*.txt"])) == [here]
    with pytest.raises(UsageError, match="none is not a folder"):
        patterns_by_folder(["none/*.md"])
    monkeypatch.chdir(here / "notes")
    assert patterns_by_folder(["private/*.md", "../private/*.md"]) == {
        here / "private": ["/*.md"], here / "notes/private": ["/*.md"],
    }  # fmt: skip


def test_what_is_below_another_folder_becomes_part_of_that_in_any_order(here: Path) -> None:
    """Also of one that was indexed before, as by a vragd whose relative patterns were of the current folder."""
    every = with_once(StoreSettings(), here, ["**/*.md"])
    for given in (("notes/*.md", "**/*.md"), ("**/*.md", "notes/*.md")):
        settings = StoreSettings()
        for base, include in patterns_by_folder(given).items():
            settings = with_once(settings, base, include)
        assert [source.path for source in settings.sources] == [here]
    assert indexed(here, ("notes/**/*.md", "**/*.md", "!notes/private/")) == MD - {"notes/private/d.md"}
    ((base, include),) = patterns_by_folder(["notes/**/*.md"]).items()
    (source,) = with_once(every, base, include).sources
    assert (source.path, source.include) == (here, ("**/*.md", "/notes/**/*.md"))


def test_what_is_taken_back_above_or_below_a_folder_is_left_out_of_it(here: Path) -> None:
    assert indexed(here, ("notes", "private", "!private/deep")) == {
        "notes/c.md",
        "notes/private/d.md",
        "private/secret.md",
    }
    assert indexed(here, ("notes", "!.")) == set()


def test_a_later_command_takes_back_and_gives_again(here: Path) -> None:
    assert indexed(here, "**/*.md", ("**/*.md", "!private/")) == MD - PRIVATE
    assert indexed(here, ("**/*.md", "!private/"), "private") == MD
    assert indexed(here, ("**/*.md", "!private/"), "**/*.md") == MD
    assert indexed(here, "**/*.md", ("notes", "!notes/private")) == MD - {"notes/private/d.md"}
    assert indexed(here, "**/*.md", ("notes/*.md", "!notes/private")) == MD - {"notes/private/d.md"}


@pytest.mark.parametrize("name", ["[old]", "st*r", "!bang", "with space"])
def test_a_folder_that_is_there_is_taken_for_itself(here: Path, name: str) -> None:
    inside = {file for file in FILES if file.startswith(f"{name}/")}
    assert indexed(here, name) == inside
    assert indexed(here, "a.md", name) == {"a.md"} | inside, "also below a source that is there"


def test_taking_back_what_nobody_named_or_nobody_can_tell_is_refused(here: Path) -> None:
    with pytest.raises(UsageError, match="'!private/' takes back what nobody named"):
        patterns_by_folder(["!private/", "**/*.md"])
    with pytest.raises(UsageError, match="takes back what nobody named"):
        patterns_by_folder(["notes", "!private/"])
    with pytest.raises(UsageError, match="cannot be told"):
        patterns_by_folder(["notes", "!*/private/*.md"])
