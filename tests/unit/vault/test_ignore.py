"""Which paths are notes."""

from __future__ import annotations

import json

import pytest

from vragd.config.settings import DEFAULT_INCLUDE
from vragd.vault.ignore import Rules, obsidian_filters, unreadable_filters

PLAIN = Rules(DEFAULT_INCLUDE, ())


@pytest.mark.parametrize(
    "path", ["n.md", "a/b/c.md", "N.MD", "x.markdown", "t.txt", "two.dots.md", "日本.md", "a\nb.md"]
)
def test_notes_are_files_with_a_text_suffix_in_any_case(path: str) -> None:
    assert PLAIN.excluded(path) is None


@pytest.mark.parametrize("path", ["p.png", "md", "n.md.bak", "a.mdx", "README", "dir.md/p.png"])
def test_other_suffixes_are_not_included(path: str) -> None:
    assert PLAIN.excluded(path) == "not_included"


@pytest.mark.parametrize(
    "name",
    [
        ".n.md",
        ".#n.md",
        ".~lock.n.md",
        ".syncthing.n.md.tmp.md",
        "~$n.md",
        "n.sync-conflict-20260101-120000-ABCDEFG.md",
        "n (Anna's conflicted copy 2026-01-01).md",
        "a (conflicted copy\nof).md",
    ],
)
def test_temporary_files_of_editors_and_sync_tools_are_no_notes(name: str) -> None:
    assert PLAIN.excluded(name) == "temporary_file"
    assert PLAIN.excluded("deep/er/" + name) == "temporary_file"


@pytest.mark.parametrize("name", ["n.md~", "#n.md#", "n.md.swp", "n.md.tmp", "n.md.part", "4913", "n.md.crdownload"])
def test_temporary_files_stay_out_even_when_everything_is_included(name: str) -> None:
    assert Rules(["*"], ()).excluded(name) == "temporary_file"
    assert Rules(["*"], ()).excluded("n.md") is None


@pytest.mark.parametrize("path", [".git/x.md", ".obsidian/plugins/readme.md", ".trash/n.md", "a/.hidden/b/n.md"])
def test_nothing_below_a_dot_folder_is_a_note(path: str) -> None:
    assert PLAIN.excluded(path) == "dot_folder"


def test_exclude_patterns_are_those_of_gitignore() -> None:
    rules = Rules(DEFAULT_INCLUDE, ["Private/", "/drafts/*.md", "!drafts/keep.md", "**/old/**"])
    assert rules.excluded_dir("Private") == "excluded_by_config"
    assert rules.excluded_dir("a/Private") == "excluded_by_config"
    assert rules.excluded("Private/n.md") == "excluded_by_config"
    assert rules.excluded("drafts/n.md") == "excluded_by_config"
    assert rules.excluded("drafts/keep.md") is None
    assert rules.excluded("a/drafts/n.md") is None
    assert rules.excluded("x/old/y/n.md") == "excluded_by_config"
    assert rules.excluded("Private.md") is None


def test_include_patterns_may_name_folders() -> None:
    rules = Rules(["Journal/**", "*.org"], ())
    assert rules.excluded("Journal/2026/day.anything") is None
    assert rules.excluded("x/y.ORG") is None
    assert rules.excluded("n.md") == "not_included"


def test_an_obsidian_entry_is_the_beginning_of_a_path() -> None:
    rules = Rules(DEFAULT_INCLUDE, (), ["Templates/", "Archive/2019"])
    assert rules.excluded_dir("Templates") == "excluded_by_obsidian"
    assert rules.excluded("templates/day.md") == "excluded_by_obsidian"
    assert rules.excluded("Archive/2019-05.md") == "excluded_by_obsidian"
    assert rules.excluded("My Templates/day.md") is None
    assert rules.excluded("Templates.md") is None


def test_an_obsidian_entry_is_taken_literally_unless_between_slashes() -> None:
    rules = Rules(DEFAULT_INCLUDE, (), ["a.c (x)", "/", "", "//"])
    assert rules.excluded("a.c (x).md") == "excluded_by_obsidian"
    assert rules.excluded("abc (x).md") is None
    assert rules.excluded("other.md") is None


def test_an_obsidian_entry_between_slashes_is_a_regular_expression_anywhere() -> None:
    rules = Rules(DEFAULT_INCLUDE, (), [r"/\d{4}-draft/"])
    assert rules.excluded("a/2026-DRAFT.md") == "excluded_by_obsidian"
    assert rules.excluded("a/draft.md") is None


def test_expressions_that_clash_when_joined_still_work() -> None:
    # each compiles alone; in one alternation the group name, reference and flag would be errors or wrong
    filters = ["/(?P<x>secret)/", "/(?P<x>hidden)/", r"/(z)\1/", "/(?i)late/"]
    rules = Rules(DEFAULT_INCLUDE, (), filters)
    assert unreadable_filters(filters) == []
    for name in ("secret.md", "hidden.md", "zz.md", "Late.md"):
        assert rules.excluded(name) == "excluded_by_obsidian", name
    assert rules.excluded("z.md") is None


def test_expressions_python_cannot_read_are_named_and_hide_nothing() -> None:
    filters = ["/(unclosed/", "/a{99999999999}/", r"/(?<name>x)/", "/fine/", "Plain ("]
    assert unreadable_filters(filters) == filters[:3]
    rules = Rules(DEFAULT_INCLUDE, (), filters)
    assert rules.excluded("unclosed.md") is None
    assert rules.excluded("fine.md") == "excluded_by_obsidian"
    assert rules.excluded("Plain (1).md") == "excluded_by_obsidian"


def test_excluded_files_are_read_from_app_json() -> None:
    text = json.dumps({"userIgnoreFilters": ["Templates/", 3, None, "/x/"], "vimMode": True})
    assert obsidian_filters(text.encode()) == ("Templates/", "/x/")
    assert obsidian_filters(b"\xef\xbb\xbf{}") == ()
    assert obsidian_filters(b'{"userIgnoreFilters": null}') == ()


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b'{"userIgnoreFilters": [',
        b"[]",
        b"3",
        b'{"userIgnoreFilters": {"a": 1}}',
        b"\xff\xfe\xff",
        b"[" * 100_000,
    ],
)
def test_an_app_json_that_cannot_be_read_is_a_value_error(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        obsidian_filters(broken)


def test_names_that_are_not_utf8_are_judged_like_any_other() -> None:
    rules = Rules(["*.md", "keep/*"], ["secret*"], ["Templates/", "/dra+ft/"])
    assert rules.excluded("bad\udcff.md") is None
    assert rules.excluded("bad\udcff.png") == "not_included"
    assert rules.excluded("secret\udcff.md") == "excluded_by_config"
    assert rules.excluded("Templates/\udcff.md") == "excluded_by_obsidian"
