"""Which paths are notes."""

from __future__ import annotations

import json
import time

import pytest

from vragd.config.settings import DEFAULT_INCLUDE
from vragd.vault.ignore import Rules, Scope
from vragd.vault.obsidian import obsidian_filters

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


def test_a_pattern_that_takes_back_counts_in_its_place() -> None:
    rules = Rules(["*.md", "!secret.md", "!Private/", "!drafts/**"], ())
    assert rules.excluded("open.MD") is None
    for path in ("secret.md", "a/secret.md", "Private/x.md", "a/Private/b/x.md", "drafts/x.md"):
        assert rules.excluded(path) == "not_included", path
    assert Rules(["!secret.md", "*.md"], ()).excluded("secret.md") is None
    assert Rules(["*.md", "!secret*", "secret-open.md"], ()).excluded("secret-open.md") is None


NFC, NFD = "Tr\u00e9sor", "Tre\u0301sor"


@pytest.mark.parametrize(("typed", "on_disk"), [(NFC, NFD), (NFD, NFC), (f"A/{NFC}/{NFD}", f"A/{NFD}/{NFC}")])
def test_a_name_is_the_same_however_it_is_composed(typed: str, on_disk: str) -> None:
    path = f"{on_disk}/s.md"
    assert Rules(["*.md"], [f"{typed}/"]).excluded(path) == "excluded_by_config"
    assert Rules(["*.md"], [f"/{typed}/s.*"]).excluded(path) == "excluded_by_config"
    assert Rules(["*.md"], (), [f"{typed}/"]).excluded(path) == "excluded_by_obsidian"
    assert Rules(["*.md"], (), [f"{typed}/"]).excluded_folder(on_disk) == "excluded_by_obsidian"
    assert Rules(["*.md"], (), [f"/^{typed.replace('/', chr(92) + '/')}/"]).excluded(path) == "excluded_by_obsidian"
    assert Rules(["*.md", f"!{typed}/"], ()).excluded(path) == "not_included"
    assert Rules([f"{typed}/*.any"], ()).excluded(f"{on_disk}/x.any") is None


def test_case_counts_in_patterns_unless_the_file_system_ignores_it() -> None:
    assert Rules(["*.md"], ["private/"]).excluded("PRIVATE/n.md") is None
    ignoring = Rules(["*.md", "!straße.md"], ["private/"], ignore_case=True)
    assert ignoring.excluded("PRIVATE/n.md") == "excluded_by_config"
    assert ignoring.excluded("STRASSE.md") == "not_included"


def test_expressions_are_javascripts() -> None:
    rules = Rules(["*.md"], (), [r"/^Private\/[^]*/", r"/^(?<who>Anna|Bea)\//", r"/^\u0045ve\//", r"/^\d\d$/"])
    for path in ("Private/a.md", "Bea/x.md", "Eve/x.md"):
        assert rules.excluded(path) == "excluded_by_obsidian", path
    assert rules.excluded("٣٤") == "not_included"
    assert rules.excluded("Open.md") is None
    assert not rules.problems


def test_an_expression_hides_in_whatever_case_but_what_it_spares_it_may_hide_too() -> None:
    assert Rules(["*.md"], (), ["/^private/"]).excluded("PRIVATE.md") == "excluded_by_obsidian"
    assert Rules(["*.md"], (), ["/^[^a-z]/"]).excluded("Abc.md") == "excluded_by_obsidian"
    assert Rules(["*.md"], (), ["/secret/i"]).excluded("a/SECRET.md") == "excluded_by_obsidian"


def test_a_folder_is_left_out_by_an_expression_only_where_everything_below_is() -> None:
    rules = Rules(["*.md"], (), [r"/^(?!Public\/Open)/", r"/^Drafts\//", r"/Old$/"])
    assert rules.excluded("Public/Open/n.md") is None, "its folder Public alone would be hidden"
    assert rules.excluded("Public/n.md") == "excluded_by_obsidian"
    assert rules.excluded_dir("Drafts") == "excluded_by_obsidian"
    assert Rules(["*.md"], (), ["/Old$/"]).excluded("Old/n.md") is None


@pytest.mark.parametrize("entry", ["/(unclosed/", "/a**/", r"/\k<x>(?<y>a)/", "/(?P<x>fine)/"])
def test_what_cannot_be_evaluated_is_named_and_withholds_what_it_might_hide(entry: str) -> None:
    rules = Rules(["*.md"], (), [entry, "Plain ("])
    assert rules.excluded("any.md") is None
    assert rules.withheld("any.md")
    assert not rules.withheld("Plain (1).md")
    assert rules.excluded("Plain (1).md") == "excluded_by_obsidian"
    assert [problem.startswith(f"{entry}: ") for problem in rules.problems] == [True]


@pytest.mark.parametrize("flags", ["g", "i", "gi", "m", "s", "gim", "u", "v", "gv", "y", "dgimsuy"])
def test_a_pattern_is_one_whatever_flags_stand_behind_it(flags: str) -> None:
    rules = Rules(["*.md"], (), [rf"/Priv\w+\//{flags}"])
    assert rules.excluded("A/Private/n.md") == "excluded_by_obsidian"
    assert rules.excluded("A/Open/n.md") is None
    assert not rules.problems


@pytest.mark.parametrize("flags", ["gg", "uv", "ivu"])
def test_flags_that_no_pattern_can_have_are_named_and_withhold_what_it_might_hide(flags: str) -> None:
    rules = Rules(["*.md"], (), [f"/^Private/{flags}"])
    assert rules.withheld("Private/n.md")
    assert len(rules.problems) == 1


def test_what_cannot_be_evaluated_withholds_no_more_than_it_could_hide() -> None:
    rules = Rules(["*.md"], (), [r"/^Private\/(/", r"/^Work\/(?:(a)|b)*\1x/"])
    assert [rules.withheld(path) for path in ("Private/n.md", "PRIVATE/n.md", "Work/bx.md", "Open/n.md")] == [
        True, True, True, False,
    ]  # fmt: skip


def test_an_expression_that_takes_for_ever_is_given_up() -> None:
    rules = Rules(["*.md"], (), [r"/^(?:a|aa|aaa)+$/"])
    started = time.monotonic()
    paths = [f"{'a' * 60}{i}.md" for i in range(50)]
    assert all(rules.excluded(path) is None for path in paths)
    assert all(rules.withheld(path) for path in paths)
    assert time.monotonic() - started < 10
    assert rules.problems == [r"/^(?:a|aa|aaa)+$/: it takes too long"]


def test_a_vault_inside_or_around_the_source_hides_by_its_own_paths() -> None:
    rules = Rules(
        ["*.md"], (), [Scope("A", "", ("Private/", "/^x/")), Scope("", "Work/Notes/", ("Work/Notes/Secret/", "Work/"))]
    )
    assert rules.excluded("A/Private/n.md") == "excluded_by_obsidian"
    assert rules.excluded("A/x.md") == "excluded_by_obsidian"
    assert rules.excluded("Private/n.md") is None
    assert rules.excluded("Secret/n.md") == "excluded_by_obsidian"
    assert rules.excluded("n.md") is None, "a source that is itself excluded was chosen for all that"
    unknown = Rules(["*.md"], (), [Scope("B", "", (), known=False)])
    assert unknown.withheld("B/n.md") and not unknown.withheld("n.md")


def test_excluded_files_are_read_from_app_json() -> None:
    text = json.dumps({"userIgnoreFilters": ["Templates/", "/x/"], "vimMode": True})
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
        b'{"userIgnoreFilters": "Private/"}',
        b'{"userIgnoreFilters": ["Templates/", 2024]}',
        b'{"userIgnoreFilters": [["Private/"]]}',
        b'{"userIgnoreFilters": ["Private/"],}',
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
