"""What only looks as if it were vragd's, what another daemon uses, what cannot be removed: it stays and is named."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness import tree
from tests.unit.cli.purging import answering, data, full_home, purged, put
from vragd.cli.main import main
from vragd.cli.purge.data import has_mark, inventory, removed
from vragd.cli.purge.thing import Vaults
from vragd.cli.service.units import is_ours, shipped, socket_unit
from vragd.system.lock import only_process, record


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return full_home(tmp_path, monkeypatch)


def test_of_units_those_that_vragd_wrote_go(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    units = home / ".config/systemd/user"
    put(home / "bin", "systemctl", text='#!/bin/sh\necho "$*" >> "$HOME/calls"\necho Version=252\n')
    (home / "bin/systemctl").chmod(0o700)
    put(units, "vragd.service", text="[Service]\nExecStart=mine\n")
    left = {row["path"]: row["why"] for row in purged(capsys, "--yes")["left"]}
    assert left[str(units / "vragd.service")] == "vragd did not write it"
    assert (units / "vragd.service").exists()
    assert (units / "default.target.wants/vragd.service").is_symlink()
    assert not (units / "vragd.socket").exists()
    assert "--user disable --now vragd.socket" in (home / "calls").read_text().splitlines()
    put(home, "units/vragd.socket", text=socket_unit("%t/vragd/vragd.sock"))
    (units / "vragd.socket").symlink_to(home / "units/vragd.socket")
    left = {row["path"]: row["why"] for row in purged(capsys, "--yes")["left"]}
    assert left[str(units / "vragd.socket")] == "vragd did not write it"
    assert (units / "vragd.socket").is_symlink()


def test_every_unit_has_a_mark() -> None:
    assert [name for name, text in shipped().items() if not is_ours(text)] == ["systemd/vragd.system.service"]
    assert not is_ours("[Unit]\nDescription=vragd - keeps notes searchable\n")


def test_an_empty_log_is_ours_in_our_own_place_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(home, "mine.txt", ".local/state/vragd/vragd.log")
    put(data(home), "stores/notes/store.json", text=json.dumps({"sources": []}))
    (home / ".config/vragd/config.yaml").write_text(json.dumps({"log": {"file": str(home / "mine.txt")}}))
    assert str(home / "mine.txt") in {row["path"] for row in purged(capsys, "--yes")["left"]}
    assert (home / "mine.txt").exists()
    assert not (home / ".local/state/vragd/vragd.log").exists()


@dataclass(frozen=True)
class Disturbed(Vaults):
    """Something happens when a folder of that name is come to."""

    name: str = ""
    happens: Callable[[Path], object] = Path.exists

    def is_one(self, folder: Path) -> bool:
        if folder.name == self.name:
            self.happens(folder)
        return super().is_one(folder)


def instead(path: Path, *, folder: bool) -> None:
    if folder:
        path.unlink(missing_ok=True)
        path.mkdir(exist_ok=True)
    elif path.is_dir():
        path.rmdir()
        path.write_text("")


def test_what_could_not_be_removed_is_named_and_the_next_purge_finds_the_lock(home: Path) -> None:
    kept = {"": ".*"}
    notes = data(home) / "stores/notes"
    (notes / "index/notes/empty").mkdir()
    (notes / "index/notes/later").mkdir()
    file = Disturbed(frozenset(), "index", lambda _: instead(notes / "catalog.db", folder=True))
    assert {left.path: left.why for left in removed(data(home), file, kept)}[str(notes / "catalog.db")]
    assert has_mark(data(home))
    (notes / "index/notes/empty").mkdir(parents=True)
    (notes / "index/notes/later").mkdir()
    folder = Disturbed(frozenset(), "later", lambda _: instead(notes / "index/notes/empty", folder=False))
    left = {left.path: left.why for left in removed(data(home), folder, kept)}
    assert left[str(notes / "index/notes/empty")] == "Not a directory"
    assert has_mark(data(home))
    removed(data(home), Vaults.of([]), kept)
    assert not (data(home) / "lock").exists()


def test_a_folder_that_cannot_be_read_is_left_and_the_rest_is_done(home: Path) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    put(data(home), "stores/other/catalog.db")
    notes = data(home) / "stores/notes"
    left = {one.path: one.why for one in removed(data(home), Disturbed(frozenset(), "notes", refuse), {"": ".*"})}
    assert left[str(notes)] == "Permission denied"
    assert (notes / "catalog.db").exists()
    assert not (data(home) / "stores/other").exists()
    assert has_mark(data(home))
    gone = Disturbed(frozenset(), "index", lambda folder: folder.rename(folder.with_name("away")))
    found = inventory(data(home), gone, {"": ".*"})
    assert str(notes / "index") in {one.path for one in found.foreign}
    assert found.unread
    assert notes / "catalog.db" in found.files


def test_what_a_daemon_on_another_data_directory_may_use_stays(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".config/systemd/user/vragd.socket").unlink()
    place = home / "run/vragd/vragd.sock"
    place.unlink()
    put(home / "old", "lock", text="4711\n")
    before = tree(home)
    with answering(place, {"pid": 4711, "data_dir": str(data(home))}):
        said = purged(capsys, "--yes", "--config-too", "--data-dir", str(home / "old"))
        assert [row["path"] for row in said["things"]] == [str(home / "old")]
        why = f"another vragd runs on {data(home)}"
        assert len([row for row in said["left"] if row["why"] == why]) == 5, said
        assert {"path": str(place), "why": "another daemon answers there"} in said["left"]
    assert not (home / "old").exists()
    gone = before.keys() - tree(home).keys()
    assert {name.partition("/")[0] for name in gone} == {"old"}


def test_the_daemon_of_the_usual_data_directory_is_found_by_its_lock(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = home / "s"
    put(home / "old", "lock", text="4711\n")
    with only_process(data(home)) as lock, answering(place, {"pid": os.getpid(), "data_dir": str(data(home))}):
        record(lock, place)
        said = purged(capsys, "--dry-run", "--data-dir", str(home / "old"))
        assert [row["kind"] for row in said["things"]] == ["data", "socket"]
        assert f"another vragd runs on {data(home)}" in {row["why"] for row in said["left"]}


def test_beside_the_daemon_that_is_stopped_another_one_is_seen(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".config/systemd/user/vragd.socket").unlink()
    mine, theirs = home / "s", home / "run/vragd/vragd.sock"
    theirs.unlink()
    own = {"pid": os.getpid(), "data_dir": str(data(home))}
    with (
        only_process(data(home)) as lock,
        answering(mine, own),
        answering(theirs, {"pid": 1, "data_dir": "/their/own"}),
    ):
        record(lock, mine)
        said = purged(capsys, "--dry-run")
    assert [row["path"] for row in said["things"] if row["kind"] != "imported"] == [str(data(home)), str(mine)]
    left = {row["path"]: row["why"] for row in said["left"]}
    assert left[str(theirs)] == "another daemon answers there"
    assert left[str(home / ".local/state/vragd/vragd.log")] == "another vragd runs on /their/own"


def test_a_daemon_that_does_not_say_where_it_runs_is_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".config/systemd/user/vragd.socket").unlink()
    place = home / "run/vragd/vragd.sock"
    place.unlink()
    with answering(place, {}):
        said = purged(capsys, "--dry-run")
    assert f"another daemon answers at {place}" in {row["why"] for row in said["left"]}
    assert "log" not in {row["kind"] for row in said["things"]}
    with socket.socket(socket.AF_UNIX) as refusing:
        place.unlink(missing_ok=True)
        refusing.bind(str(place))
    assert "log" in {row["kind"] for row in purged(capsys, "--dry-run")["things"]}


def test_what_is_shared_is_listed_and_goes_before_the_data_directory(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = home / "vectors.db"
    store = {"sources": [], "backend": {"type": "sqlite", "path": str(place)}}
    (home / ".config/vragd/config.yaml").write_text(json.dumps({"stores": {"notes": store}}))
    put(data(home) / "stores/notes", "remote", text=str(place))
    for name in ("catalog.db", "catalog.db-wal", "store.json"):
        (data(home) / "stores/notes" / name).unlink()
    capsys.readouterr()
    assert main(["purge", "--yes", "--shared-too"]) == 0
    shown = capsys.readouterr().out
    assert shown.index(f"{place} (store notes)") < shown.index(f"  {data(home)}\n")
    assert f"stays  {place}" not in shown
    assert not (data(home) / "lock").exists()


def test_every_place_that_a_store_once_had_stays_by_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(home / "vectors.db")
    store = {"sources": [], "backend": {"type": "sqlite", "path": place}}
    (home / ".config/vragd/config.yaml").write_text(json.dumps({"stores": {"notes": store}}))
    put(data(home) / "stores/notes", "remote", text=f"/mnt/first.db\n{place}\n/mnt/second.db")
    for words in (["--dry-run"], ["--dry-run", "--shared-too"], ["--yes"]):
        left = {row["path"] for row in purged(capsys, *words)["left"]}
        assert {"/mnt/first.db (store notes)", "/mnt/second.db (store notes)"} <= left


def test_nobody_is_stopped_whom_the_lock_names_and_no_daemon_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = home / "s"
    with only_process(data(home)) as lock:
        record(lock, place)
        before = tree(home)
        with answering(place, {"pid": 4711, "data_dir": str(data(home))}):
            assert main(["purge", "--dry-run"]) == 0
            assert "it is stopped first" not in capsys.readouterr().err
            assert main(["purge", "--yes"]) == 4
            assert f"somebody holds {data(home) / 'lock'}" in capsys.readouterr().err
        assert main(["purge", "--yes"]) == 4
        assert main(["purge", "--dry-run"]) == 0
        said = capsys.readouterr().err
        assert "no daemon with its pid" in said
        assert "it is stopped first" not in said
        with answering(place, {"pid": os.getpid(), "data_dir": str(data(home))}):
            assert main(["purge", "--dry-run"]) == 0
            assert f"a daemon runs (pid {os.getpid()}); it is stopped first" in capsys.readouterr().err
    assert tree(home).keys() == before.keys()


def test_the_size_of_nothing_is_not_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(home / "empty", "lock")
    (home / "empty/stores").mkdir()
    for file in (*home.rglob("vragd.*"), *home.rglob("mcp.json")):
        file.unlink()
    (home / "run/vragd").rmdir()
    assert main(["purge", "--dry-run", "--data-dir", str(home / "empty")]) == 0
    assert "1 thing\n" in capsys.readouterr().err
