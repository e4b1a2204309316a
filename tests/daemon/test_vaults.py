"""Vaults and folders are added and removed by command; the file stays the user's, a daemon takes it up."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness import Vragd, until, vragd
from tests.terminal import on_terminal


def test_a_folder_is_added_and_removed_and_the_daemon_follows(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        text = f"# mine\nstores:\n  notes:\n    sources:\n      - path: {daemon.vault}  # the first\n# end\n"
        real = tmp_path / "dotfiles.yaml"
        real.write_text(text)
        daemon.config_file.unlink()
        daemon.config_file.symlink_to(real)
        (daemon.vault / "a.md").write_text("numbat\n")
        more = tmp_path / "more: #1"
        more.mkdir()
        (more / "b.md").write_text("wombat\n")
        daemon.start()
        done = daemon.run("add", str(more))
        assert (done.returncode, "the daemon has taken it up" in done.stderr) == (0, True), done.stderr
        until(lambda: daemon.paths("wombat", mode="keyword") == ["b.md"], "the new folder's note")
        assert daemon.config_file.is_symlink()
        assert real.read_text().replace(f'      - path: "{more}"\n', "") == text
        assert real.with_name("dotfiles.yaml.bak").read_text() == text
        again = daemon.run("add", str(more))
        assert (again.returncode, "already" in again.stderr) == (0, True)
        listed = json.loads(daemon.run("list", "--json").stdout)["sources"]
        assert [(row["name"], row["state"]) for row in listed] == [("Vault", "searched"), ("more: #1", "searched")]
        gone = daemon.run("remove", "more: #1")
        assert (gone.returncode, "taken it up" in gone.stderr) == (0, True), gone.stderr
        assert real.read_text() == text
        until(lambda: daemon.paths("wombat", mode="keyword") == [], "its note to be gone")
        assert (more / "b.md").exists()


def test_a_configuration_that_is_gone_is_not_begun_anew_beside_a_daemon_that_has_it(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    with vragd(tmp_path) as daemon:
        daemon.configure(stores={"notes": {"sources": [{"path": str(daemon.vault)}], "embedder": {"type": "none"}}})
        daemon.start()
        daemon.config_file.unlink()
        refused = daemon.run("add", str(tmp_path / "more"))
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "is gone, and the daemon goes on with what it said" in refused.stderr
        assert not daemon.config_file.exists()
        daemon.stop()
        assert daemon.run("add", str(tmp_path / "more")).returncode == 0


@pytest.fixture
def home(tmp_path: Path) -> Vragd:
    return Vragd(tmp_path)


def test_without_a_daemon_it_is_said_who_takes_it_up(home: Vragd, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    done = home.run("add", str(tmp_path / "more"), "--name", "no")
    assert (done.returncode, "no daemon runs" in done.stderr) == (0, True), done.stderr
    assert home.run("config", "check").returncode == 0
    assert "no " in home.run("list").stdout
    assert home.run("remove", "no").returncode == 0
    assert "more" not in home.config_file.read_text()


def test_a_store_that_a_command_made_is_not_replaced_by_one_of_its_name(home: Vragd, tmp_path: Path) -> None:
    first, more = tmp_path / "first", tmp_path / "more"
    first.mkdir()
    more.mkdir()
    (first / "a.md").write_text("numbat\n")
    home.config_file.write_text("stores: {}\n")
    assert home.run("index", str(first), "-s", "notes").returncode == 0
    for args in (["add", str(more)], ["add", str(more), "-s", "notes"], ["init", str(more), "--force"]):
        refused = home.run(*args)
        assert (refused.returncode, refused.stdout) == (2, ""), refused.stdout
        assert "store 'notes' was made by a command" in refused.stderr
        assert home.config_file.read_text() == "stores: {}\n"
    assert home.run("add", str(more), "-s", "more").returncode == 0
    assert home.run("add", str(tmp_path / "first"), "-s", "more").returncode == 0, "two in the file"
    listed = json.loads(home.run("list", "--json").stdout)["sources"]
    assert [(row["store"], row["name"]) for row in listed] == [("more", "more"), ("more", "first"), ("notes", "first")]


def test_what_cannot_be_used_is_refused_and_nothing_is_written(home: Vragd, tmp_path: Path) -> None:
    (home.vault / "inside").mkdir()
    (tmp_path / "other" / "Vault").mkdir(parents=True)
    before = home.config_file.read_text()
    for args, says in (
        (["add", str(tmp_path / "none")], "is not a folder"),
        (["add", str(home.vault / "inside")], "overlaps"),
        (["add", str(tmp_path / "other" / "Vault")], "--name NAME"),
        (["add", str(tmp_path)], "home directory"),
        (["remove", str(tmp_path / "none")], "is in no store"),
    ):
        done = home.run(*args)
        assert (done.returncode, says in done.stderr) == (2, True), done.stderr
        assert home.config_file.read_text() == before
    home.config_file.write_text("stores: [\n")
    torn = home.run("add", str(tmp_path / "other"))
    assert (torn.returncode, "not valid YAML" in torn.stderr) == (2, True), torn.stderr
    assert home.config_file.read_text() == "stores: [\n"


def test_nothing_is_said_to_be_done_that_was_refused(home: Vragd, tmp_path: Path) -> None:
    (home.vault / "inside").mkdir()
    done = home.run("add", str(home.vault / "inside"))
    assert (done.returncode, done.stdout) == (2, "")
    vectors = tmp_path / "elsewhere" / "v.db"
    vectors.parent.mkdir()
    with home.config_file.open("a") as file:
        file.write(f"    backend: {{type: sqlite, path: {vectors}}}\n")
    before = home.config_file.read_bytes()
    done = home.run("add", str(vectors.parent))
    assert (done.returncode, done.stdout) == (2, ""), done.stdout
    assert "the vectors of store" in done.stderr
    assert home.config_file.read_bytes() == before


def test_a_configuration_that_is_no_ordinary_file_is_left_as_it_is(home: Vragd, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    text, pipe = home.config_file.read_bytes(), tmp_path / "pipe"
    home.config_file.unlink()
    os.mkfifo(pipe)
    home.config_file.symlink_to(pipe)

    def serve() -> None:
        with suppress(BrokenPipeError):
            pipe.write_bytes(text)

    threading.Thread(target=serve, daemon=True).start()
    done = home.run("add", str(tmp_path / "more"))
    assert (done.returncode, "is no ordinary file" in done.stderr, done.stdout) == (2, True, ""), done.stderr
    assert pipe.is_fifo()


def test_indexing_that_cannot_go_on_says_why_where_no_daemon_could_be_asked(home: Vragd, tmp_path: Path) -> None:
    (home.vault / "a.md").write_text("numbat\n")
    foreign = tmp_path / "mine.db"
    foreign.write_bytes(b"no database" * 100)
    done = home.run("index", str(home.vault), "-s", "two", "--backend", f"sqlite:{foreign}")
    assert done.returncode == 4, done.stderr
    assert f"1 path cannot be indexed now: {foreign} is damaged" in done.stderr
    assert "Try: choose another path" in done.stderr
    assert foreign.read_bytes() == b"no database" * 100


def test_init_takes_several_and_says_what_is_in_them(home: Vragd, tmp_path: Path) -> None:
    home.config_file.unlink()
    work, other = tmp_path / "Work", tmp_path / "deep" / "Work"
    for folder in (work, other):
        folder.mkdir(parents=True)
        (folder / "a.md").write_text("numbat\n")
    done = home.run("init", str(home.vault), str(work), str(other))
    assert done.returncode == 0, done.stderr
    assert f"{work}: 1 note, a few seconds to index" in done.stdout
    rows = json.loads(home.run("list", "--json").stdout)["sources"]
    assert [row["name"] for row in rows] == ["Vault", "Work", "deep-Work"]
    forced = home.run("init", str(work), "--force")
    assert "Vault" in home.config_file.with_name("config.yaml.bak").read_text(), forced.stderr


def test_init_offers_what_obsidian_knows_and_with_yes_takes_all(home: Vragd, tmp_path: Path) -> None:
    home.config_file.unlink()
    second = tmp_path / "Second"
    inside = second / "inside"
    inside.mkdir(parents=True)
    listed = tmp_path / ".config/obsidian/obsidian.json"
    listed.parent.mkdir(parents=True)
    vaults = {"a": {"path": str(home.vault), "ts": 5}, "b": {"path": str(second), "ts": 9}, "c": {"path": str(inside)}}
    listed.write_text(json.dumps({"vaults": vaults}))
    shown, status = on_terminal("init", env=home.env, cwd=tmp_path, typed=b"2\n")
    assert (status, f"1. {second}" in shown) == (0, True), shown
    assert [row["name"] for row in json.loads(home.run("list", "--json").stdout)["sources"]] == ["Vault"]
    home.config_file.unlink()
    assert home.run("init", "--yes").returncode == 0
    assert [row["name"] for row in json.loads(home.run("list", "--json").stdout)["sources"]] == ["Second", "Vault"]


def test_folders_of_stores_that_commands_made_are_listed_too(home: Vragd, tmp_path: Path) -> None:
    notes = tmp_path / "elsewhere"
    notes.mkdir()
    (notes / "a.md").write_text("A heron.")
    made = home.run("index", str(notes / "*.md"), "-s", "made")
    assert made.returncode == 0, made.stderr
    rows = json.loads(home.run("list", "--json").stdout)["sources"]
    assert [(row["store"], row["origin"]) for row in rows if row["path"] == str(notes)] == [("made", "command")]
    assert {row["origin"] for row in rows if row["path"] != str(notes)} <= {"config"}
    refused = home.run("remove", str(notes))
    assert (refused.returncode, "a store that a command made" in refused.stderr) == (2, True)
    assert "vragd store delete made" in refused.stderr
