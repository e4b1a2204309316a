"""What Obsidian excludes, where its settings are, and how long they hold."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clock import FakeClock
from vragd.vault.ignore import Scope
from vragd.vault.obsidian import ABSENT_FOR_S, Exclusions, configured_by
from vragd.vault.root import Root


class Look:
    """Exclusions of one vault, looked at by hand."""

    def __init__(self, vault: Path) -> None:
        self.vault, self.clock = vault, FakeClock()
        self.exclusions = Exclusions(self.clock)

    def write(self, text: str | list[str], at: str = ".obsidian/app.json") -> None:
        file = self.vault / at
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if isinstance(text, str) else json.dumps({"userIgnoreFilters": text}))

    def hidden(self, *, proven: bool = True, root: Root | None = None) -> list[str]:
        self.exclusions.look(root or Root(self.vault), proven=proven)
        return sorted(entry for scope in self.exclusions.scopes() for entry in scope.entries)

    def again(self) -> Look:
        """In another process."""
        look = Look(self.vault)
        look.exclusions.recall(json.loads(json.dumps(self.exclusions.record())))
        return look


@pytest.fixture
def look(tmp_path: Path) -> Look:
    vault = tmp_path / "outer" / "vault"
    vault.mkdir(parents=True)
    return Look(vault)


def test_a_folder_without_settings_has_no_rules_and_is_known(look: Look) -> None:
    assert not look.exclusions.known
    assert look.hidden() == []
    assert look.exclusions.known


@pytest.mark.parametrize("folder", [".obsidian", ".obsidian-linux", ".config-of-work"])
def test_any_config_folder_counts_and_all_together(look: Look, folder: str) -> None:
    look.write(["Private/"], f"{folder}/app.json")
    look.write(["Work/"], ".obsidian-phone/app.json")
    assert look.hidden() == ["Private/", "Work/"]
    look.write(["Other/"], f"{folder}/app.json")
    assert look.hidden() == ["Other/", "Work/"]


def _folder_linked(look: Look) -> Path:
    shared = look.vault.parent / "shared"
    shared.mkdir()
    (look.vault / ".obsidian").symlink_to(shared)
    return shared / "app.json"


def _file_linked(look: Look) -> Path:
    shared = look.vault.parent / "shared"
    shared.mkdir()
    (look.vault / ".obsidian").mkdir()
    (look.vault / ".obsidian/app.json").symlink_to(shared / "app.json")
    return shared / "app.json"


@pytest.mark.parametrize("linked", [_folder_linked, _file_linked])
def test_settings_behind_a_link_are_looked_at_each_time_and_hold_while_it_leads_nowhere(
    look: Look, linked: Callable[[Look], Path]
) -> None:
    target = linked(look)
    target.write_text(json.dumps({"userIgnoreFilters": []}))
    assert look.hidden() == []
    target.write_text(json.dumps({"userIgnoreFilters": ["Private/"]}))
    assert look.hidden() == ["Private/"]
    target.parent.rename(target.parent.parent / "away")
    for _ in range(3):
        assert look.hidden() == ["Private/"]
        look.clock.pass_(1e6)
    assert look.exclusions.trouble == "app_json_dangles"
    again = look.again()
    assert again.hidden() == ["Private/"]
    (target.parent.parent / "away").rename(target.parent)
    assert again.hidden() == ["Private/"]
    assert again.exclusions.trouble == ""


def test_a_link_that_leads_nowhere_from_the_beginning_leaves_the_rules_unknown(look: Look) -> None:
    (look.vault / ".obsidian").symlink_to("nowhere")
    look.hidden()
    assert not look.exclusions.known


def test_settings_that_are_missing_hold_until_their_absence_is_proven(look: Look) -> None:
    look.write(["Private/"])
    assert look.hidden() == ["Private/"]
    (look.vault / ".obsidian/app.json").unlink()
    assert look.hidden() == ["Private/"]
    assert look.exclusions.trouble == "app_json_missing"
    look.clock.pass_(ABSENT_FOR_S - 1)
    assert look.hidden() == ["Private/"]
    look.clock.pass_(2)
    assert look.hidden() == []
    assert look.exclusions.known and not look.exclusions.trouble


def test_neither_a_night_asleep_nor_a_clock_that_is_set_makes_settings_missing_for_longer(look: Look) -> None:
    look.write(["Private/"])
    look.hidden()
    (look.vault / ".obsidian/app.json").unlink()
    look.hidden()
    look.clock.pass_(86_400, asleep=True)  # whoever was writing it slept, too
    for wall in (0.0, 1e10):
        look.clock.set_wall(wall)
        assert look.hidden() == ["Private/"]
    look.clock.pass_(ABSENT_FOR_S)
    assert look.hidden() == []


@pytest.mark.parametrize("wall", [0.0, 1e10])
def test_settings_are_read_anew_after_a_change_by_a_clock_that_is_far_off(look: Look, wall: float) -> None:
    look.clock.set_wall(wall)
    look.write(["Private/"])
    assert look.hidden() == ["Private/"]
    look.write(["Other/"])
    assert look.hidden() == ["Other/"]


def test_settings_that_are_back_in_between_are_missed_anew(look: Look) -> None:
    look.write(["Private/"])
    look.hidden()
    file = look.vault / ".obsidian/app.json"
    file.unlink()
    look.hidden()
    look.clock.pass_(ABSENT_FOR_S - 1)
    look.write(["Private/"])
    look.hidden()
    file.unlink()
    look.hidden()
    look.clock.pass_(2)
    assert look.hidden() == ["Private/"]


def test_a_directory_that_is_not_proven_proves_nothing_of_its_settings_either(look: Look) -> None:
    look.write(["Private/"])
    look.hidden()
    again = look.again()
    shutil.rmtree(look.vault / ".obsidian")
    for _ in range(3):
        assert again.hidden(proven=False) == ["Private/"]
        again.clock.pass_(1e6)
    assert again.hidden() == ["Private/"]  # from now on time counts
    again.clock.pass_(ABSENT_FOR_S)
    assert again.hidden() == []


class Mounted(Root):
    """A root where these paths are mounts."""

    places: frozenset[str] = frozenset()

    def is_mount(self, path: str) -> bool:
        return path in self.places


@pytest.mark.parametrize("place", [".obsidian", ".obsidian/app.json"])
@pytest.mark.parametrize("laid_over", [True, False])
def test_settings_below_a_mount_or_on_one_that_is_away_are_not_gone(look: Look, place: str, laid_over: bool) -> None:
    look.write(["Private/"])
    root = Mounted(look.vault)
    root.places = frozenset() if laid_over else frozenset({place})
    assert look.hidden(root=root) == ["Private/"]
    root.places = frozenset({place}) if laid_over else frozenset()
    (look.vault / ".obsidian/app.json").rename(look.vault / "away.json")
    for one in (look, look.again()):
        for _ in range(3):
            assert one.hidden(root=root) == ["Private/"]
            one.clock.pass_(1e6)
        assert one.exclusions.trouble == ("app_json_mounted_over" if laid_over else "app_json_unmounted")
    look.write(["Other/"])
    assert look.hidden(root=root) == ["Other/"]


@pytest.mark.parametrize("text", ["", "[", '{"userIgnoreFilters": {}}', "<<<<<<< HEAD\n{}\n"])
def test_settings_that_are_not_understood_hold_across_a_restart(look: Look, text: str) -> None:
    look.write(["Private/"])
    look.hidden()
    look.write(text)
    assert look.hidden() == ["Private/"]
    again = look.again()
    assert again.hidden() == ["Private/"]
    assert again.exclusions.known
    assert again.exclusions.trouble == "app_json_not_understood"
    again.write(["Else/"])
    assert again.hidden() == ["Else/"]


def test_settings_that_are_no_file_are_not_read(look: Look) -> None:
    (look.vault / ".obsidian").mkdir()
    os.mkfifo(look.vault / ".obsidian/app.json")
    look.hidden()
    assert not look.exclusions.known


def test_another_programs_app_json_says_nothing(look: Look) -> None:
    look.write("not JSON", ".tool/app.json")
    look.write("[1]", ".list/app.json")
    assert look.hidden() == []
    assert look.exclusions.known
    look.write("not JSON", ".obs/app.json")
    look.write("{}", ".obs/workspace.json")
    look.hidden()
    assert not look.exclusions.known


def test_a_folder_of_somebody_elses_says_nothing_unless_it_is_obsidians_by_name(look: Look) -> None:
    """As `.Trash-0`, which only root may look into."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else in a child")
    for name, wanted in ((".Trash-0", True), (".obsidian-of-root", False)):
        (look.vault / name).mkdir(mode=0o700)
        for folder in (look.vault, *look.vault.parents[:3]):
            folder.chmod(0o755)
        child = os.fork()
        if not child:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            look.hidden()
            os._exit(look.exclusions.known)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == wanted


def test_a_vault_inside_hides_below_itself_and_withholds_while_it_is_unknown(look: Look) -> None:
    look.write(["Private/"], "A/.obsidian/app.json")
    look.write("torn", "B/.obsidian/app.json")
    look.exclusions.learn({"A", "B"})
    look.hidden()
    assert look.exclusions.known
    assert look.exclusions.scopes() == [Scope("A", "", ("Private/",)), Scope("B", "", (), known=False)]
    again = look.again().exclusions
    assert again.vaults == {"A", "B"}
    assert again.scopes() == look.exclusions.scopes(), "while the vault is away nobody is to see what was withheld"
    assert again.known


def test_a_source_that_is_a_folder_of_a_vault_obeys_the_vault(look: Look) -> None:
    look.write(["outer/vault/Private/"], "../../.obsidian/app.json")
    look.hidden()
    assert look.exclusions.scopes() == [Scope("", "outer/vault/", ("outer/vault/Private/",))]
    assert look.again().exclusions.scopes() == look.exclusions.scopes(), "also before it is looked at again"


def test_settings_nobody_could_read_are_unknown_across_a_restart(look: Look) -> None:
    look.write("torn")
    look.hidden()
    again = look.again()
    assert not again.exclusions.known
    again.write(["Private/"])
    assert again.hidden() == ["Private/"]
    assert again.exclusions.known


def test_a_change_within_the_same_instant_and_of_the_same_size_is_seen(look: Look) -> None:
    look.write(["Aaa/"])
    assert look.hidden() == ["Aaa/"]
    before = (look.vault / ".obsidian/app.json").stat()
    look.write(["Bbb/"])
    os.utime(look.vault / ".obsidian/app.json", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert look.hidden() == ["Bbb/"]


@pytest.mark.parametrize(
    ("path", "vault"),
    [
        (".obsidian", ""),
        (".obsidian/app.json", ""),
        (".obsidian-x", ""),
        (".work/app.json", ""),
        (".obsidian/types.json", ""),
        ("A/.obsidian/daily-notes.json", "A"),
        ("A/.obsidian", "A"),
        ("A/B/.c/app.json", "A/B"),
    ],
)
def test_where_settings_may_have_changed(path: str, vault: str) -> None:
    assert configured_by(path) == vault


@pytest.mark.parametrize("path", ["n.md", "A/app.json", "types.json", ".git/a", ".obsidian/workspace.json", "a", ""])
def test_where_they_have_not(path: str) -> None:
    assert configured_by(path) is None


def test_the_way_from_the_vault_around_a_source_is_known(look: Look) -> None:
    look.hidden()
    assert look.exclusions.above == ""
    (look.vault.parent / ".obsidian").mkdir()
    look.hidden()
    assert look.exclusions.above == "vault/"
    (look.vault / ".obsidian").mkdir()
    look.hidden()
    assert look.exclusions.above == "", "it is a vault of its own"
