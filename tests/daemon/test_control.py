"""The daemon is started, stopped and told by command, without a service manager."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.catalogs import beside
from tests.harness import Vragd, until, vragd
from vragd.cli.control import default_log
from vragd.errors import VragdError
from vragd.system.places import default_data_dir


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Vragd]:
    made = Vragd(tmp_path)
    yield made
    with suppress(VragdError):
        pid = made.status()["pid"]
        os.kill(pid, signal.SIGKILL)


def default_log_of(home: Vragd) -> Path:
    """Where it logs: its data directory is not the usual one."""
    (file,) = (home.home / ".local/state/vragd").glob("vragd-*.log")
    return file


def test_each_data_directory_has_a_log_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    assert default_log(default_data_dir()) == tmp_path / "vragd/vragd.log"
    others = {default_log(tmp_path / name).name for name in ("a", "b")}
    assert len(others) == 2
    assert all(re.fullmatch(r"vragd-[0-9a-f]{8}\.log", name) for name in others)


def test_a_daemon_in_the_background_is_started_seen_restarted_and_stopped(home: Vragd) -> None:
    (home.vault / "a.md").write_text("numbat\n")
    done = home.run("run", "--detach")
    assert done.returncode == 0, done.stderr
    first = home.status()["pid"]
    assert f"pid {first}" in done.stdout
    until(lambda: home.paths("numbat") == ["a.md"], "the note")
    again = home.run("run", "--detach")
    assert (again.returncode, "runs already" in again.stderr) == (75, True), again.stderr
    logs = home.run("logs", "-n", "500")
    assert (logs.returncode, "daemon." in logs.stdout) == (0, True), logs.stderr
    assert default_log_of(home).exists()
    restarted = home.run("restart")
    assert restarted.returncode == 0, restarted.stderr
    assert home.status()["pid"] != first
    stopped = home.run("stop")
    assert (stopped.returncode, "stopped vragd" in stopped.stdout) == (0, True), stopped.stderr
    assert home.run("query", "numbat").returncode == 3
    assert home.run("stop").returncode == 0, "there is nothing to do"


def test_one_that_cannot_start_says_why(home: Vragd) -> None:
    home.config_file.write_text("stores: {}\nwacth: 1\n")
    done = home.run("run", "--detach")
    assert (done.returncode, "wacth" in done.stderr) == (78, True), done.stderr
    assert home.run("reload").returncode == 3
    assert "there is no log" in home.run("logs").stderr


def test_one_that_ends_before_it_answers_is_quoted_and_ends_as_it_did(home: Vragd) -> None:
    home.config_file.write_text("stores: {}\n")
    home.socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.socket.write_text("in the way")
    done = home.run("run", "--detach")
    assert done.returncode == 73, "as vragd run itself ends"
    assert done.stderr.startswith(f"Error: {home.socket} is in the way and is not a socket\nTry: move it"), done.stderr


def test_a_reload_says_whether_it_was_taken_or_refused(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        daemon.start()
        assert daemon.run("reload").returncode == 0
        good = daemon.config_file.read_text()
        daemon.config_file.write_text("stores: [\n")
        refused = daemon.run("reload")
        assert (refused.returncode, "goes on as before" in refused.stderr) == (2, True), refused.stderr
        assert "not valid YAML" in json.loads(daemon.run("status", "--json").stdout)["reloads"]["refused"]["message"]
        unstarted = daemon.run("restart")
        assert (unstarted.returncode, daemon.answers()) == (2, True), "what cannot be started again is not stopped"
        daemon.config_file.write_text(good)
        assert daemon.run("reload").returncode == 0
        assert daemon.status()["reloads"] == {"n": 3, "refused": None}
        newer = daemon.data / "stores/newer"
        newer.mkdir(mode=0o700)
        shutil.copy(daemon.data / "stores/notes/catalog.db", newer / "catalog.db")
        with beside(newer / "catalog.db", write=True) as db:
            db.execute("pragma user_version = 999")
        (tmp_path / "more").mkdir()
        stores = yaml.safe_load(good)["stores"] | {"newer": {"sources": [{"path": str(tmp_path / "more")}]}}
        daemon.configure(stores=stores)
        half = daemon.run("reload")
        assert (half.returncode, "taken up" in half.stdout) == (4, True)
        assert "store newer cannot be opened: " in half.stderr
        foreground = daemon.run("stop")
        assert foreground.returncode == 0, foreground.stderr


def test_a_restart_is_of_the_daemon_that_runs_and_places_that_stay_are_said(home: Vragd, tmp_path: Path) -> None:
    usual = home.config_file
    home.config_file = tmp_path / "mine.yaml"
    home.configure(stores={"notes": {"sources": [{"path": str(home.vault)}], "embedder": {"type": "none"}}})
    assert home.run("run", "--detach").returncode == 0
    try:
        mine, home.config_file = home.config_file, usual
        usual.unlink()
        restarted = home.run("restart")
        assert restarted.returncode == 0, restarted.stderr
        assert home.status()["config"] == str(mine), "though there is none in the usual place"
        good = mine.read_text()
        mine.write_text("stores: [\n")
        usual.write_text("stores: {}\n")
        before = home.status()["pid"]
        refused = home.run("restart")
        assert (refused.returncode, home.status()["pid"]) == (2, before), "what cannot be started again is not stopped"
        mine.write_text(f"{good}paths: {{data: {tmp_path}/other}}\n")
        for command in ("reload", "restart"):
            said = home.run(command)
            assert said.returncode == 0, said.stderr
            assert f"paths.data is {tmp_path}/other there, and the daemon goes on with {home.data}:" in said.stderr
        another = tmp_path / "another.yaml"
        another.write_text("stores: {}\n")
        assert home.run("restart", "--config", str(another)).returncode == 0
        assert home.status()["config"] == str(another), "one that is named is meant"
    finally:
        home.run("stop")


def test_on_a_terminal_it_tells_people_and_logs_to_a_file(home: Vragd) -> None:
    (home.vault / "a.md").write_text("numbat\n")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "vragd", "run"]
    process = subprocess.Popen(command, env=home.env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while b"Ctrl-C stops" not in shown:
            shown += os.read(ours, 4096)
        assert b"notes: 1 note searchable after" in shown
        assert b"daemon." not in shown, "what is logged is in the file"
        assert "daemon." in default_log_of(home).read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
