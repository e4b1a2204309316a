"""The doctor sees what is wrong, and tells a stranger nothing of anybody's."""

from __future__ import annotations

import argparse
import json
import os
import plistlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.purging import answering
from vragd import __version__
from vragd.cli.doctor import machine, parts
from vragd.cli.doctor.finding import Finding, ran
from vragd.cli.doctor.parts import started
from vragd.cli.main import main
from vragd.cli.service.units import command_line, launch_agent, user_service
from vragd.config.load import Loaded, load
from vragd.errors import VragdError


def loaded(home: Path, text: str = "") -> Loaded:
    (home / "Vault").mkdir(exist_ok=True)
    file = home / "config.yaml"
    file.write_text(text or f"stores: {{notes: {{sources: [{{path: {home / 'Vault'}}}]}}}}\n")
    return load(file, data_dir=str(home / "data"), socket=str(home / "run/s"))


def states(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.state, finding.found) for finding in findings]


def test_a_package_that_cannot_be_imported_is_told_with_the_way_out() -> None:
    assert [finding.state for finding in machine.packages(["json"])] == ["ok"]
    (found,) = machine.packages(["json", "no_such_module"])
    assert (found.state, "no_such_module" in found.found, "reinstall" in found.way) == ("bad", True, True)


def test_each_place_is_on_its_file_system(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    vault = str(tmp_path / "Vault").replace(" ", "\\040")
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nhost:/x {vault} nfs4 rw 0 0\n")
    found = list(machine.file_systems(loaded(tmp_path), mounts))
    assert [(one.state, one.facts.get("kind")) for one in found] == [("note", "nfs4")]
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nada@host:/ {tmp_path} fuse.sshfs rw 0 0\n")
    data, source = machine.file_systems(loaded(tmp_path), mounts)
    assert (data.state, data.facts, source.state) == ("bad", {"data": "fuse"}, "note")


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such limits")
def test_folders_beyond_what_may_be_watched_are_told(tmp_path: Path) -> None:
    (tmp_path / "max_user_watches").write_text("5\n")
    (tmp_path / "max_user_instances").write_text("128\n")
    here = loaded(tmp_path)
    assert [one.state for one in machine.watches(here, tmp_path)] == ["ok"]
    for name in "abcdef":
        (tmp_path / "Vault" / name).mkdir()
    (found,) = machine.watches(here, tmp_path)
    assert (found.state, "sysctl fs.inotify.max_user_watches" in found.way) == ("bad", True)


def test_a_disk_with_less_room_than_indexing_needs_is_told(tmp_path: Path) -> None:
    assert [one.state for one in machine.disk(loaded(tmp_path))] == ["ok"]
    (found,) = machine.disk(loaded(tmp_path, "limits: {min_free_mib: 99999999}\n"))
    assert (found.state, "pauses" in found.found) == ("bad", True)


def test_a_source_that_is_not_there_and_a_data_directory_that_is_a_file_are_told(tmp_path: Path) -> None:
    here = loaded(tmp_path)
    assert [one.state for one in parts.permissions(here)] == ["ok"]
    (tmp_path / "Vault").rmdir()
    (tmp_path / "data").write_text("")
    (tmp_path / "config.yaml").chmod(0o666)
    found = list(parts.permissions(here))
    assert [one.state for one in found] == ["bad", "bad", "note"]


def test_models_tell_near_from_far_and_one_that_is_away_is_told(tmp_path: Path) -> None:
    (found,) = parts.models(loaded(tmp_path))
    assert found.state == "ok"
    (found,) = parts.models(loaded(tmp_path, "stores: {notes: {embedder: {type: none}}}\n"))
    assert (found.state, "keeps words alone" in found.found) == ("ok", True)
    away = "stores: {notes: {embedder: {type: ollama, model: ada-private, url: 'http://127.0.0.1:9'}}}\n"
    (found,) = parts.models(loaded(tmp_path, away))
    assert (found.state, found.facts) == ("bad", {"type": "ollama", "code": "embedder_unavailable"})
    assert [one.state for one in parts.backends(loaded(tmp_path, away))] == ["ok"]


def test_each_backend_is_named_with_whose_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    there = f"{{type: sqlite, path: {tmp_path / 'file'}}}"
    stores = f"stores: {{notes: {{replicas: {{here: {{type: memory}}, there: {there}}}}}}}\n"
    found = list(parts.backends(loaded(tmp_path, stores)))
    assert [one.state for one in found[:2]] == ["ok", "ok"]
    assert [one.found for one in found[:2]] == [
        "faiss of store notes answers", "memory of replica here of store notes answers"
    ]  # fmt: skip
    assert (found[2].state, found[2].found.split(":")[0]) == ("bad", "sqlite of replica there of store notes")


def daemon(home: Path) -> list[Finding]:
    args = argparse.Namespace(socket=str(home / "run/s"), config=None, data_dir=str(home / "data"))
    return list(parts.socket_and_daemon(args, loaded(home)))


def test_what_is_at_the_sockets_place_is_told(tmp_path: Path) -> None:
    assert daemon(tmp_path)[0].facts == {"answers": False, "socket": False}
    (tmp_path / "run").mkdir()
    (tmp_path / "run/s").write_text("")
    assert daemon(tmp_path)[0].facts == {"answers": False, "socket": False, "ours": True}
    (tmp_path / "run/s").unlink()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "run/s"))
    (found,) = daemon(tmp_path)
    assert (found.state, found.facts["socket"]) == ("bad", True)


def test_a_re_ranker_that_fails_is_told_and_its_place_is_not_in_the_facts(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    trouble = {
        "code": "rerank_slow",
        "message": "http://x is late",
        "hint": "wait",
        "for_s": 130.4,
        "last_s": 70.0,
        "n_questions": 1,
    }
    store = {
        "name": "notes", "notes": 1, "chunks": 1, "pending": 0, "states": {}, "trouble": None, "degraded": [],
        "sources": [], "rerank_trouble": trouble,
    }  # fmt: skip
    status = {
        "version": __version__, "pid": 1, "socket": "s", "pending": 0, "uptime_s": 1, "failed": [], "stores": [store],
        "config": str(tmp_path / "config.yaml"),
    }  # fmt: skip
    with answering(tmp_path / "run/s", status):
        (found,) = [one for one in daemon(tmp_path) if one.state == "bad"]
    said = "its re-ranker failed when asked last, 1 min ago, as since 2 min ago; 1 question went without"
    assert found.found == f"store notes: {said}: http://x is late"
    assert (found.way, found.facts) == ("wait", {"code": "rerank_slow", "for_s": 130, "questions": 1})


def test_the_program_in_a_unit_is_found(tmp_path: Path) -> None:
    unit, plist = tmp_path / "vragd.service", tmp_path / "vragd.plist"
    for program in ("/opt/vragd/bin/vragd", "/opt/with a blank/100%/vragd"):
        unit.write_text(user_service(command_line([program, "run"]), ""))
        plist.write_text(launch_agent([program, "run"], "/log"))
        assert started(unit) == started(plist) == program
    plist.write_bytes(plistlib.dumps({}))
    assert started(plist) == ""


def test_a_check_that_breaks_is_a_finding_and_no_end() -> None:
    def broken() -> Iterator[Finding]:
        yield Finding("x", "ok", "fine")
        raise ValueError("secret-canary")

    def refused() -> Iterator[Finding]:
        raise VragdError("no", hint="do")
        yield

    first, second = ran("x", broken)
    assert (first.state, second.state) == ("ok", "bad")
    assert second.found == "could not be looked at: ValueError"
    assert second.public() == {"area": "x", "state": "bad", "error": "ValueError"}
    assert ran("x", refused)[0].way == "do"


CANARY = "canary"


def test_a_bundle_has_no_byte_of_what_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / f"home-{CANARY}"
    vault = home / f"Vault {CANARY}"
    (vault / f"folder-{CANARY}").mkdir(parents=True)
    (vault / f"note-{CANARY}.md").write_text(f"---\ntags: [{CANARY}]\n---\n{CANARY} text\n")
    config = home / f"config-{CANARY}.yaml"
    stores = [
        f"  {CANARY}.one: {{sources: [{{path: '{vault}', name: {CANARY}, include: ['{CANARY}.docx', '*.md']}}]}}",
        f"  {CANARY}.two: {{sources: [{{path: '{home}/gone-{CANARY}'}}], embedder: {{type: ollama, model: {CANARY},"
        f" url: 'http://127.0.0.1:9'}}}}",
    ]
    config.write_text("stores:\n" + "\n".join(stores) + "\n")
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("USER", CANARY)
    unit = home / "systemd/user/vragd.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(f"[Service]\nExecStart=/opt/{CANARY}/vragd run\n")
    bundle = tmp_path / "bundle.json"
    flags = ["--config", str(config), "--data-dir", str(home / "data")]
    assert main(["doctor", *flags, "--bundle", str(bundle)]) == 1
    shown = capsys.readouterr()
    assert CANARY in shown.out, "the user is told by name"
    raw = bundle.read_bytes()
    assert {one["area"] for one in json.loads(raw)["findings"]} >= {"configuration", "model", "daemon", "service"}
    for private in (CANARY, str(tmp_path), os.uname().nodename, sys.prefix, "127.0.0.1"):
        assert len(private) < 5 or private.lower().encode() not in raw.lower(), private
    assert bundle.stat().st_mode & 0o077 == 0
    assert main(["doctor", *flags, "--bundle", str(bundle)]) == 2, "nothing is written over"
    config.write_text(f"stores: {{}}\n{CANARY}: 1\n")
    other = tmp_path / "other.json"
    assert main(["doctor", *flags, "--bundle", str(other), "--json"]) == 1
    assert CANARY.encode() not in other.read_bytes()
    last = json.loads(other.read_bytes())["findings"][-1]
    assert last == {"area": "configuration", "state": "bad", "code": "config", "line": 2}
