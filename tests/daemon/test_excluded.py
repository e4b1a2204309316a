"""What the user excludes is never shown: however it is spelled, wherever it is written, and while that is unclear."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import pytest

from tests.harness import Vragd, until, vragd

NFC, NFD = (unicodedata.normalize(form, "Trésor/Été") for form in ("NFC", "NFD"))


def exclude(vault: Path, *entries: str, folder: str = ".obsidian") -> None:
    (vault / folder).mkdir(parents=True, exist_ok=True)
    (vault / folder / "app.json").write_text(json.dumps({"userIgnoreFilters": entries}))


def two_notes(daemon: Vragd, folder: str = "Private") -> None:
    (daemon.vault / folder).mkdir(parents=True)
    (daemon.vault / folder / "secret.md").write_text("a hidden wombat\n")
    (daemon.vault / "open.md").write_text("a wombat for all\n")


def shows(daemon: Vragd) -> list[str]:
    return sorted(daemon.paths("wombat", mode="keyword", chunks=True))


BOTH, OPEN = ["Private/secret.md", "open.md"], ["open.md"]


@pytest.mark.parametrize("by", ["config", "obsidian"])
def test_a_folder_typed_composed_and_decomposed_on_the_disk_is_excluded(tmp_path: Path, by: str) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon, NFD)
        if by == "config":
            daemon.configure(stores={"notes": {"sources": [{"path": str(daemon.vault), "exclude": [f"{NFC}/"]}]}})
        else:
            exclude(daemon.vault, f"{NFC}/")
        daemon.start()
        assert shows(daemon) == OPEN


class Abroad(Vragd):
    """A daemon, and commands, of a login whose locale is not UTF-8."""

    @property
    def env(self) -> dict[str, str]:
        return super().env | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_what_is_excluded_by_its_name_is_so_where_the_locale_is_another(tmp_path: Path) -> None:
    daemon = Abroad(tmp_path)
    daemon.fork = False
    two_notes(daemon, NFC)
    daemon.configure(stores={"notes": {"sources": [{"path": str(daemon.vault), "exclude": [f"{NFC}/"]}]}})
    try:
        daemon.start()
        assert shows(daemon) == OPEN
        assert f"{NFC}/secret.md" not in daemon.files("indexed")
        (daemon.vault / "Été.md").write_text("a wombat in summer\n")
        until(lambda: shows(daemon) == sorted([*OPEN, "Été.md"]), "a note by its name")
        assert daemon.run("sync", "--wait", str(daemon.vault / "Été.md")).returncode == 0
    finally:
        daemon.finish()


def test_a_folder_typed_composed_is_searched_and_looked_at_where_it_lies_decomposed(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon, NFD)
        daemon.start()
        for folder in (NFC, NFD):
            assert daemon.paths("wombat", mode="keyword", folder=folder) == [f"{NFD}/secret.md"]
            assert daemon.paths("wombat", mode="vector", folder=folder) == [f"{NFD}/secret.md"]
        done = daemon.run("sync", "--wait", str(daemon.vault / NFC / "secret.md"))
        assert done.returncode == 0, done.stderr


def test_a_vault_typed_composed_is_found_where_it_lies_decomposed(tmp_path: Path) -> None:
    lies, typed = tmp_path / NFD, tmp_path / NFC
    lies.mkdir(parents=True)
    (lies / "a.md").write_text("wombat\n")
    with vragd(tmp_path) as daemon:
        daemon.configure(stores={"notes": {"sources": [{"path": str(typed)}], "embedder": {"type": "none"}}})
        checked = daemon.run("config", "check")
        assert (checked.returncode, checked.stderr) == (0, "")
        daemon.start()
        (hit,) = daemon.query("wombat", mode="keyword")["hits"]
        assert Path(hit["file"]).read_text() == "wombat\n"
        (lies / "b.md").write_text("numbat\n")
        until(lambda: daemon.paths("numbat", mode="keyword") == ["b.md"], "the new note")
        assert daemon.problems() == []
        (row,) = json.loads(daemon.run("list", "--json").stdout)["sources"]
        assert row["state"] == "searched"
        both = [{"path": str(typed)}, {"path": str(lies), "name": "again"}]
        daemon.configure(stores={"notes": {"sources": both, "embedder": {"type": "none"}}})
        refused = daemon.run("reload")
        assert (refused.returncode, "overlaps" in refused.stderr) == (2, True), refused.stderr


def test_settings_behind_a_link_are_obeyed_without_an_event_and_while_the_link_leads_nowhere(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon)
        shared = tmp_path / "shared"
        exclude(tmp_path, folder="shared")
        (daemon.vault / ".obsidian").symlink_to(shared)
        daemon.start()
        assert shows(daemon) == BOTH
        exclude(tmp_path, "Private/", folder="shared")
        until(lambda: shows(daemon) == OPEN, "the folder to be hidden")
        shared.rename(tmp_path / "away")
        until(lambda: daemon.store["sources"][0]["state"] == "root_changed", "the vault to look like none")
        daemon.kill()
        (daemon.vault / "later.md").write_text("a later wombat\n")
        daemon.start(idle=False)
        assert "Private/secret.md" not in shows(daemon)
        (tmp_path / "away").rename(shared)
        until(lambda: shows(daemon) == ["later.md", "open.md"], "the vault to be back")


def test_settings_that_are_away_for_a_moment_or_unreadable_at_the_start_still_hold(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon)
        exclude(daemon.vault, "Private/")
        daemon.start()
        (daemon.vault / ".obsidian/app.json").unlink()
        until(lambda: daemon.store["sources"][0]["rules_trouble"] == "app_json_missing", "it to be missed")
        (daemon.vault / "Private/secret.md").write_text("a hidden wombat, edited\n")
        daemon.settle()
        assert shows(daemon) == OPEN
        daemon.kill()
        (daemon.vault / ".obsidian/app.json").write_text("<<<<<<< HEAD\n{}\n")
        daemon.start()
        (daemon.vault / "later.md").write_text("a later wombat\n")
        until(lambda: "later.md" in shows(daemon), "the later note: the rules are known")
        assert shows(daemon) == ["later.md", "open.md"]
        assert daemon.store["sources"][0]["rules_trouble"] == "app_json_not_understood"
        exclude(daemon.vault, "later.md")
        until(lambda: shows(daemon) == BOTH, "the new rules")


def test_another_config_folder_and_a_vault_inside_exclude_too(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon)
        (daemon.vault / "Inner/Mine").mkdir(parents=True)
        (daemon.vault / "Inner/Mine/n.md").write_text("an inner wombat\n")
        exclude(daemon.vault, "Private/", folder=".obsidian-desktop")
        exclude(daemon.vault / "Inner", "Mine/")
        daemon.start()
        assert shows(daemon) == OPEN
        (daemon.vault / "Late/Mine").mkdir(parents=True)
        exclude(daemon.vault / "Late", "Mine/")
        (daemon.vault / "Late/Mine/n.md").write_text("a late wombat\n")
        (daemon.vault / "Late/n.md").write_text("a late wombat for all\n")
        until(lambda: "Late/n.md" in shows(daemon), "the note of the vault that came later")
        assert shows(daemon) == ["Late/n.md", "open.md"]


def test_a_folder_that_becomes_a_vault_hides_what_it_excludes_from_then_on(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon, "Folder/Private")
        daemon.start()
        exclude(daemon.vault / "Folder", "Private/")
        until(lambda: shows(daemon) == OPEN, "the rules of the vault that the folder has become")
        exclude(daemon.vault / "Folder")
        until(lambda: shows(daemon) == ["Folder/Private/secret.md", "open.md"], "them to be gone")


def test_rules_that_were_saved_before_a_note_hold_for_it_in_the_first_answers_too(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon)
        daemon.start()
        for n in range(4):
            exclude(daemon.vault / f"Late{n}", "Mine/")
            for name in ("Mine/n.md", "n.md"):
                (daemon.vault / f"Late{n}" / name).parent.mkdir(exist_ok=True)
                (daemon.vault / f"Late{n}" / name).write_text("a late wombat\n")
        while True:
            seen = shows(daemon)
            assert not [path for path in seen if "/Mine/" in path]
            if sum(path.startswith("Late") for path in seen) == 4:
                break


def test_what_nobody_can_evaluate_withholds_and_deletes_nothing_and_is_named(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon)
        exclude(daemon.vault, "nothing")
        daemon.start()
        assert shows(daemon) == BOTH
        exclude(daemon.vault, r"/^Private\/(unclosed/")
        until(lambda: "rules_withhold" in daemon.status()["degraded"], "it to be said")
        assert r"/^Private\/(unclosed/" in daemon.store["sources"][0]["rules_trouble"]
        (daemon.vault / "Private/new.md").write_text("a new wombat\n")
        (daemon.vault / "later.md").write_text("a later wombat\n")
        until(lambda: "later.md" in shows(daemon), "what it cannot hide")
        until(lambda: daemon.status()["pending"] == 0, "everything to be looked at")
        assert "Private/new.md" not in daemon.files("indexed"), "nothing is newly read"
        assert "Private/secret.md" in daemon.files("indexed"), "nothing is deleted"
        assert any("(unclosed" in problem["detail"] for problem in daemon.problems())
        exclude(daemon.vault)
        until(lambda: shows(daemon) == ["Private/new.md", "Private/secret.md", "later.md", "open.md"], "all of it")


def test_patterns_are_javascripts(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon)
        exclude(daemon.vault, r"/^(?<kind>Private)\/[^]*/")
        daemon.start()
        assert shows(daemon) == OPEN
        assert not daemon.status()["degraded"]


def test_links_and_copies_in_conflict_are_listed_and_left_out(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon)
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "n.md").write_text("a wombat outside\n")
        (daemon.vault / "Linked").symlink_to(outside)
        (daemon.vault / "open (Conflicted copy laptop 202601021530).md").write_text("a wombat twice\n")
        daemon.start()
        assert shows(daemon) == BOTH
        skipped = daemon.files("skipped")
        assert skipped["Linked"]["reason"] == "symbolic_link"
        assert skipped["open (Conflicted copy laptop 202601021530).md"]["reason"] == "conflict_copy"


def test_an_edit_by_one_name_of_a_file_is_seen_under_all(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon)
        daemon.start()
        (daemon.vault / "Other").mkdir()
        os.link(daemon.vault / "open.md", daemon.vault / "Other/again.md")
        until(lambda: "Other/again.md" in shows(daemon), "the other name")
        daemon.settle()
        with (daemon.vault / "Other/again.md").open("a") as note:
            note.write("and a numbat\n")
        until(
            lambda: sorted(daemon.paths("numbat", mode="keyword", chunks=True)) == ["Other/again.md", "open.md"],
            "both names",
        )


@pytest.mark.parametrize("year_s", [-(2**31), 9_223_372_037 + 10, 15_032_385_535])
def test_a_note_of_a_nonsensical_time_is_indexed_and_holds_up_nobody(tmp_path: Path, year_s: int) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon)
        os.utime(daemon.vault / "open.md", ns=(year_s * 10**9, year_s * 10**9))
        daemon.start()
        assert shows(daemon) == BOTH
        os.utime(daemon.vault / "Private/secret.md", ns=(year_s * 10**9, year_s * 10**9))
        (daemon.vault / "later.md").write_text("a later wombat\n")
        until(lambda: "later.md" in shows(daemon), "a later note")
        daemon.settle()
        assert daemon.problems() == []


def test_a_name_no_folder_can_hold_leaves_no_trace(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        two_notes(daemon)
        daemon.start()
        daemon.run("sync", "--wait", str(daemon.vault / ("y" * 300 + ".md")))
        daemon.settle()
        assert daemon.status()["degraded"] == []
        assert set(daemon.files()) == set(BOTH)
