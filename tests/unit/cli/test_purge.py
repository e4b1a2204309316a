"""What is vragd's is listed and removed; whatever else is there stays and is named, a vault untouched."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import ClassVar

import pytest

from tests.fakes.managers import Machine
from tests.harness import tree, vragd
from tests.terminal import on_terminal
from tests.unit.cli.purging import FOREIGN, OWN, data, full_home, purged, put
from vragd.backends.settings import BackendSettings
from vragd.cli.main import main
from vragd.cli.purge.data import has_mark, inventory
from vragd.cli.purge.thing import Vaults
from vragd.config.settings import kept_by
from vragd.embed.ledger import Ledger
from vragd.stores.moves.nearby import remember_origin
from vragd.system.lock import only_process
from vragd.terms.settings import default_backend


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return full_home(tmp_path, monkeypatch)


def test_all_of_it_is_listed_and_nothing_is_touched_before_it_is_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(home)
    said = purged(capsys, "--dry-run")
    kinds = {row["kind"] for row in said["things"]}
    assert kinds == {"service", "data", "imported", "socket", "log", "completion", "assistant"}
    assert main(["purge"]) == 2
    assert "nobody can be asked here" in capsys.readouterr().err
    assert main(["purge", "--json"]) == 2
    assert main(["purge", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert all(row["path"] in shown for row in [*said["things"], *said["left"]])
    assert tree(home) == before


def test_what_was_imported_is_named_as_nothing_makes_it_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "t.jsonl").write_text('{"text": "Pour hot water.", "vector": [1]}')
    words = ["import", "jsonl", str(home / "t.jsonl"), "--reembed", "--data-dir", str(data(home))]
    assert main([*words, "-s", "howto"]) == 0
    remember_origin(data(home), "howto", home)
    (data(home) / "imported/broken.db").write_bytes(b"no database " * 500)
    assert main(["purge", "--dry-run"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "howto.db (store howto, 1 passage; vragd export keeps it)" in shown
    assert "is damaged" in shown
    assert (data(home) / "imported/howto.db").exists()
    said = purged(capsys, "--yes")
    assert [Path(row["path"]).stem for row in said["things"] if row["kind"] == "imported"] == [
        "back",
        "broken",
        "howto",
    ]
    assert not list((data(home) / "imported").glob("howto*")), "nor where it was imported from"


def test_what_is_ours_goes_and_the_rest_stays_and_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(home / "Vault")
    said = purged(capsys, "--yes")
    assert said["done"]
    left = {row["path"]: row["why"] for row in said["left"]}
    for name in FOREIGN[:4]:
        assert (data(home) / name).exists()
        assert left[str(data(home) / name)] == "vragd did not make it"
    assert str(data(home) / "stores/Notes of mine") in left
    for name in OWN:
        assert not (data(home) / name).exists(), name
    log, config = home / ".local/state/vragd/vragd.log.2", home / ".config/vragd/config.yaml"
    assert "as a log" in left.pop(str(log))
    assert "--config-too" in left[str(config)]
    assert tree(home / "Vault") == before
    stays = {path.relative_to(home) for path in home.rglob("*") if not path.is_dir() and "Vault" not in path.parts}
    foreign = {(data(home) / name).relative_to(home) for name in FOREIGN}
    assert stays == foreign | {one.relative_to(home) for one in (log, config, config.with_name("config.yaml.bak"))}
    assert not (home / "run/vragd").exists()


def test_a_second_time_there_is_nothing_and_the_configuration_goes_where_it_is_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in FOREIGN:
        (data(home) / name).unlink()
    (data(home) / "stores/Notes of mine").rmdir()
    (home / ".local/state/vragd/vragd.log.2").unlink()
    assert main(["purge", "--yes", "--config-too"]) == 0
    assert "nothing of vragd's is left here" in capsys.readouterr().err
    assert [path for path in home.rglob("*") if "vragd" in path.name] == []
    assert purged(capsys, "--yes") == {"things": [], "left": [], "done": True}
    assert main(["purge"]) == 0
    assert "there is nothing of vragd's to remove" in capsys.readouterr().err


def test_what_has_no_mark_is_a_link_or_is_another_vaults_is_left(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(home / "Documents", "stores/notes/catalog.db")
    (home / "link").symlink_to(data(home))
    put(home / "Vault/index", *OWN)
    put(home / "Plain/index", *OWN)
    put(home, "c.yaml", text=f"stores: {{notes: {{sources: [{{path: {home / 'Plain'}}}]}}}}\n")
    before = tree(home)
    for place, why in (
        ("Documents", "has no lock of vragd's"), ("link", "it is a link"),
        ("Vault/index", "inside the vault"), ("Plain/index", "inside the vault"),
    ):  # fmt: skip
        config = ["--config", str(home / "c.yaml")] if place.startswith("Plain") else []
        said = purged(capsys, "--dry-run", "--data-dir", str(home / place), *config)
        assert any(row["path"] == str(home / place) and why in row["why"] for row in said["left"]), said
        assert str(home / place) not in {row["path"] for row in said["things"]}
    assert tree(home) == before


def test_links_and_vaults_within_the_data_directory_stay_with_what_is_in_them(home: Path) -> None:
    inside = data(home) / "stores/notes/index"
    (inside / "link").symlink_to(home / "Vault")
    put(inside / "Nested", ".obsidian/app.json", ".note.0a1b2c3d.tmp")
    put(inside / "Folder", "a.md")
    (data(home) / "stores/linked").symlink_to(home / "Vault")
    (data(home) / "stores/notes/catalog.db-shm").symlink_to(home / "Vault/a.md")
    found = inventory(data(home), Vaults.of([inside / "Folder"]), {"": ".*"})
    foreign = {left.path for left in found.foreign}
    for name in ("stores/linked", "stores/notes/catalog.db-shm"):
        assert str(data(home) / name) in foreign
    for name in ("link", "Nested", "Folder"):
        assert str(inside / name) in foreign
        assert not any((inside / name) in file.parents for file in found.files)
    assert main(["purge", "--yes"]) == 0
    assert (inside / "Nested/.note.0a1b2c3d.tmp").exists()
    assert (home / "Vault/a.md").exists()


def test_a_backend_of_a_package_has_its_folder_as_a_whole_unless_it_says_what_it_keeps(home: Path) -> None:
    put(data(home) / "stores/other/index", "a.rows", "b.txt")
    found = inventory(data(home), Vaults.of([]), {"": "", "other": r"\w\.rows"})
    assert data(home) / "stores/other/index/a.rows" in found.files
    assert data(home) / "stores/other/index/b.txt" not in found.files
    assert data(home) / "stores/notes/index/notes/vectors.faiss" not in found.files


def test_what_a_backend_keeps_is_said_by_its_settings() -> None:
    class Package(BackendSettings):
        type: str = "of-a-package"

    class Saying(Package):
        kept: ClassVar[str] = "rows"

    assert kept_by(None) == kept_by(default_backend()) != ""
    assert (kept_by(Package()), kept_by(Saying())) == (".*", "rows")


def test_a_home_that_was_opened_as_a_vault_is_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(home, ".config/obsidian/obsidian.json", text=json.dumps({"vaults": {"x": {"path": str(home)}}}))
    (home / ".obsidian").mkdir()
    assert "data" in {row["kind"] for row in purged(capsys, "--yes")["things"]}
    assert not (data(home) / "lock").exists()


def test_what_was_counted_of_what_a_model_is_sent_goes_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Ledger(data(home)).add("a model", 1)
    purged(capsys, "--yes")
    assert not list(data(home).glob("sent*"))


def test_whatever_lies_in_a_vault_is_left(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (".local", ".config", ".cursor", "run"):
        (home / folder / ".obsidian").mkdir()
    before = tree(home)
    said = purged(capsys, "--yes", "--config-too")
    assert said["things"] == []
    inside = [row["path"] for row in said["left"] if "inside the vault" in row["why"]]
    assert len(inside) == len(said["left"]) == 11, said
    assert tree(home) == before


def test_a_mark_is_the_lock_that_vragd_writes(home: Path) -> None:
    assert has_mark(data(home))
    (data(home) / "lock").write_text("a diary")
    assert not has_mark(data(home))
    (data(home) / "lock").write_text("4711\n/run/s\n")
    assert has_mark(data(home))


def test_an_empty_lock_is_a_mark_beside_the_folder_of_stores_alone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(home / "app", "lock")
    said = purged(capsys, "--yes", "--data-dir", str(home / "app"))
    assert any(row["path"] == str(home / "app") and "no lock of vragd's" in row["why"] for row in said["left"])
    assert (home / "app/lock").exists()
    (home / "app/stores").symlink_to(data(home) / "stores")
    assert not has_mark(home / "app")


def test_while_another_process_works_nothing_of_the_index_goes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with only_process(data(home)):
        before = tree(data(home))
        assert main(["purge", "--yes"]) == 4
        said = capsys.readouterr().err
        assert f"a vragd command (pid {os.getpid()}) works on" in said
        assert "it is stopped first" not in said
        assert tree(data(home)) == before


def test_of_a_broken_configuration_it_is_said_and_the_rest_is_done(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".config/vragd/config.yaml").write_text("stroes: {}\n")
    assert main(["purge", "--yes"]) == 0
    assert "the configuration cannot be used" in capsys.readouterr().err
    assert not (data(home) / "lock").exists()


def test_a_socket_that_answers_and_what_is_no_socket_are_left(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = home / "run/vragd/vragd.sock"
    place.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place))
        other.listen()
        assert "another daemon answers there" in str(purged(capsys, "--yes")["left"])
    place.unlink()
    place.write_text("")
    assert "it is no socket of yours" in str(purged(capsys, "--yes")["left"])
    assert place.exists()


def test_the_empty_folder_of_a_socket_that_went_with_its_daemon_goes(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "run/vragd/vragd.sock").unlink()
    assert {"kind": "folder", "path": str(home / "run/vragd"), "bytes": 0} in purged(capsys, "--dry-run")["things"]
    purged(capsys, "--yes")
    assert sorted(path.name for path in home.glob("run/*")) == []
    (home / "run/vragd").symlink_to(home / "Vault")
    assert [row for row in purged(capsys, "--yes")["things"] if row["kind"] == "folder"] == []


def test_what_others_may_feed_is_left_unless_it_is_asked_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = home / "vectors.db"
    store = {"sources": [str(home / "Vault")], "backend": {"type": "sqlite", "path": str(place)}}
    (home / ".config/vragd/config.yaml").write_text(json.dumps({"stores": {"notes": {**store, "sources": []}}}))
    (data(home) / "stores/notes/remote").write_text(str(place))
    for name in ("catalog.db", "catalog.db-wal", "store.json"):
        (data(home) / "stores/notes" / name).unlink()
    said = purged(capsys, "--dry-run")
    assert any(f"{place} (store notes)" == row["path"] and "--shared-too" in row["why"] for row in said["left"])
    said = purged(capsys, "--dry-run", "--shared-too")
    assert {"kind": "shared", "path": str(place), "bytes": 0} in said["things"]
    assert f"{place} (store notes)" not in {row["path"] for row in said["left"]}
    assert main(["purge", "--dry-run", "--shared-too"]) == 0
    assert f"{place} (store notes)" in capsys.readouterr().out
    assert main(["purge", "--yes"]) == 0
    assert f"stays  {place} (store notes)" in capsys.readouterr().out


def test_what_cannot_be_removed_is_named_and_the_status_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / ".cursor/mcp.json"
    file.write_text('{"mcpServers": {"vragd": ')
    said = purged(capsys, "--yes")
    assert any(str(file) in row["path"] and "left as it is" in row["why"] for row in said["left"])


@pytest.mark.slow
def test_a_running_daemon_is_named_asked_about_and_stopped(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        (daemon.vault / "a.md").write_text("numbat\n")
        (daemon.vault / ".obsidian").mkdir()
        daemon.start()
        env = daemon.env
        shown, status = on_terminal("purge", env=env, cwd=tmp_path, typed=b"n\n")
        assert (status, "nothing was removed" in shown) == (1, True), shown
        assert f"a daemon runs (pid {daemon.status()['pid']}); it is stopped first" in shown
        assert max(map(len, shown.split("\n"))) <= 80
        before = tree(daemon.vault)
        shown, status = on_terminal("purge", env=env, cwd=tmp_path, typed=b"y\n")
        assert (status, "removed" in shown) == (0, True), shown
        assert daemon.process is not None
        assert daemon.process.wait(20) == 0
        daemon.process = None
        assert not daemon.data.exists()
        assert tree(daemon.vault) == before
        assert daemon.run("query", "numbat").returncode == 3


@pytest.mark.slow
def test_vectors_in_a_file_that_others_may_feed_go_where_that_is_asked_for(tmp_path: Path) -> None:
    place = tmp_path / "shared" / "vectors"
    store = {"sources": [{"path": str(tmp_path / "Vault")}], "backend": {"type": "file", "path": str(place)}}
    with vragd(tmp_path, stores={"notes": store}) as daemon:
        (daemon.vault / "a.md").write_text("numbat\n")
        daemon.start()
        assert list(place.iterdir())
        done = daemon.run("purge", "--yes", "--shared-too")
        assert done.returncode == 0, done.stderr
        assert re.search(r"^shared .*vectors", done.stdout, re.MULTILINE), done.stdout
        assert daemon.process is not None
        daemon.process.wait(20)
        daemon.process = None
        assert [one for one in place.rglob("*") if one.is_file() and one.suffix != ".lock"] == []
        assert not daemon.data.exists()


@pytest.mark.slow
def test_the_service_is_uninstalled_first(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine("install").returncode == 0
    done = machine.run("purge", "--yes")
    assert done.returncode == 0, done.stderr
    assert any("disable --now vragd.service" in call for call in machine.calls())
    assert not machine.unit.exists()
