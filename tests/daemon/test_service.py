"""`vragd service`, against stand-ins for systemctl, journalctl and launchctl that record what they are told."""

from __future__ import annotations

import os
import plistlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.managers import Machine
from tests.harness import tree, until, vragd
from vragd.cli.service import units

USER = "systemctl --user "


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.vragd.kill()


@pytest.fixture
def mac(tmp_path: Path) -> Machine:
    return Machine(tmp_path, macos=True)


# -- install and uninstall ----------------------------------------------------------------------------------


def test_install_writes_the_unit_starts_it_and_says_each_thing_it_did(machine: Machine) -> None:
    done = machine("install")
    assert done.returncode == 0, done.stderr
    assert machine.calls() == [USER + "daemon-reload", USER + "enable --now vragd.service"]
    program = machine.line("ExecStart").split()
    assert program[0] in (str(Path(sys.executable).with_name("vragd")), sys.executable)
    assert program[-1] == "run", "nothing was given by flag or environment"
    data = machine.home / ".local" / "share" / "vragd"
    assert machine.line("ReadWritePaths") == f"-{data}"
    assert data.stat().st_mode & 0o777 == 0o700
    for said in (f"wrote  {machine.unit}", f"made   {data}", f"run    {USER}enable --now vragd.service"):
        assert said in done.stdout
    assert "loginctl enable-linger" in done.stderr


def test_install_twice_changes_nothing_the_second_time(machine: Machine) -> None:
    machine("install")
    machine.calls()
    before = tree(machine.home / ".config")
    again = machine("install")
    assert again.returncode == 0
    assert tree(machine.home / ".config") == before
    assert machine.calls() == [USER + "daemon-reload", USER + "enable --now vragd.service"]
    assert "as is" in again.stdout


def test_install_with_other_places_restarts_what_runs(machine: Machine) -> None:
    machine("install")
    machine.calls()
    assert machine("install", "--data-dir", "moved").returncode == 0
    assert machine.calls() == [
        USER + "daemon-reload",
        USER + "enable vragd.service",
        USER + "restart vragd.service",
    ]
    assert machine.line("ExecStart").endswith(f"--data-dir {machine.home}/moved")
    assert machine.line("ReadWritePaths") == f"-{machine.home}/moved"


def test_flags_and_environment_of_the_moment_are_written_into_the_unit_as_absolute_paths(machine: Machine) -> None:
    config = machine.home / "my notes 100%.yaml"
    config.write_bytes((machine.home / ".config/vragd/config.yaml").read_bytes())
    done = machine(
        "install", "--config", config.name, "--log-level", "debug",
        VRAGD_DATA_DIR=str(machine.home / "da ta"), VRAGD_SOCKET=str(machine.home / "so" / "s"),
        VRAGD_LOG_FILE=str(machine.home / "logs" / "vragd.log"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    home = str(machine.home)
    assert machine.line("ExecStart").partition(" run ")[2] == (
        f'--config "{home}/my notes 100%%.yaml" --data-dir "{home}/da ta" --socket {home}/so/s'
        f" --log-level debug --log-file {home}/logs/vragd.log"
    )
    assert machine.line("ReadWritePaths") == f'"-{home}/da ta" -{home}/so -{home}/logs'


def test_uninstall_stops_it_removes_the_unit_and_keeps_the_rest(machine: Machine) -> None:
    machine("install")
    machine.calls()
    rest = tree(machine.home / ".config" / "vragd")
    done = machine("uninstall")
    assert done.returncode == 0
    assert machine.calls() == [USER + "disable --now vragd.service", USER + "daemon-reload"]
    assert not machine.unit.exists()
    assert tree(machine.home / ".config" / "vragd") == rest
    again = machine("uninstall")
    assert (again.returncode, machine.calls()) == (0, [])
    assert "not installed" in again.stderr


def test_on_demand_enables_the_socket_instead_and_back_again(machine: Machine) -> None:
    machine("install")
    machine.calls()
    assert machine("install", "--on-demand").returncode == 0
    assert machine.calls() == [
        USER + "daemon-reload", USER + "disable --now vragd.service", USER + "enable --now vragd.socket",
    ]  # fmt: skip
    assert "ListenStream=%t/vragd/vragd.sock\n" in machine.socket_unit.read_text()
    status = machine("status")
    assert (status.returncode, "the first query starts it" in status.stdout) == (3, True)
    assert machine("install", "--on-demand").returncode == 0
    assert machine.calls() == [USER + "daemon-reload", USER + "enable --now vragd.socket"]
    assert machine("stop").returncode == 0
    assert machine.calls() == [USER + "stop vragd.socket vragd.service"]
    assert machine("install").returncode == 0
    assert machine.calls() == [
        USER + "disable --now vragd.socket", USER + "daemon-reload", USER + "enable --now vragd.service",
    ]  # fmt: skip
    assert not machine.socket_unit.exists()


def test_a_system_that_gives_no_namespaces_gets_a_unit_without_them(machine: Machine) -> None:
    machine.flag("no-namespaces")
    done = machine("install")
    assert done.returncode == 0
    assert "no namespaces" in done.stderr
    assert "PrivateUsers" not in machine.unit.read_text()
    machine.flag("no-namespaces", up=False)
    machine("install")
    assert machine.line("PrivateUsers") == "true"


def test_a_failed_start_is_forgiven_first_and_a_start_that_fails_is_told(machine: Machine) -> None:
    machine.flag("failed")
    machine.flag("broken")
    done = machine("install")
    assert done.returncode == 4
    assert machine.calls()[-2:] == [
        USER + "reset-failed vragd.service",
        USER + "enable --now vragd.service",
    ]
    assert "Job for vragd.service failed." in done.stderr
    assert "vragd service logs" in done.stderr
    assert "Traceback" not in done.stderr


# -- refusals -----------------------------------------------------------------------------------------------


def test_without_a_manager_everything_is_refused_with_the_way_out_and_nothing_changed(machine: Machine) -> None:
    machine.flag("unreachable")
    before = tree(machine.home / ".config")
    for action in ("install", "uninstall", "start", "stop", "restart", "status"):
        refused = machine(action)
        assert refused.returncode == (3 if action == "status" else 4)
        assert "No medium found" in refused.stderr
        assert "vragd run" in refused.stderr
        nowhere = machine(action, path=str(machine.home))
        assert nowhere.returncode == (3 if action == "status" else 4)
        assert "no systemd here" in nowhere.stderr
        assert "vragd run" in nowhere.stderr
    assert machine.calls() == []
    assert tree(machine.home / ".config") == before
    assert not (machine.home / ".local").exists()


def test_without_a_configuration_install_says_what_comes_first(machine: Machine) -> None:
    refused = machine("install", "--config", "none.yaml")
    assert refused.returncode == 2
    assert "vragd init" in refused.stderr
    assert machine.calls() == []
    assert not machine.unit.exists()


def test_a_configuration_that_cannot_be_used_is_not_installed(machine: Machine) -> None:
    (machine.home / ".config/vragd/config.yaml").write_text("sores: {}\n")
    refused = machine("install")
    assert refused.returncode == 2
    assert "did you mean 'stores'" in refused.stderr
    assert not machine.unit.exists()


def test_what_is_not_installed_cannot_be_started(machine: Machine) -> None:
    for action in ("start", "stop", "restart"):
        refused = machine(action)
        assert refused.returncode == 2
        assert "vragd service install" in refused.stderr


def test_a_daemon_started_by_hand_is_not_fought_with(tmp_path: Path) -> None:
    with vragd(tmp_path / "home") as daemon:
        daemon.start(idle=False)
        machine = Machine(tmp_path / "machine")
        for action in ("install", "start"):
            if action == "start":
                machine.unit.parent.mkdir(parents=True)
                machine.unit.write_text("")
            refused = machine(action, VRAGD_SOCKET=str(daemon.socket))
            assert refused.returncode == 4
            assert daemon.process is not None
            assert f"pid {daemon.process.pid}" in refused.stderr
        assert machine.calls() == []


# -- print --------------------------------------------------------------------------------------------------


def test_print_shows_files_and_commands_and_touches_nothing(machine: Machine) -> None:
    before = tree(machine.home)
    printed = machine("install", "--print", path=str(machine.home))
    assert printed.returncode == 0, printed.stderr
    assert f"# {machine.unit}:" in printed.stdout
    assert "ProtectSystem=strict" in printed.stdout
    assert "systemctl --user enable --now vragd.service" in printed.stdout
    assert "ListenStream=" in machine("install", "--on-demand", "--print", path=str(machine.home)).stdout
    assert tree(machine.home) == before
    machine("install")
    machine.calls()
    before = tree(machine.home)
    for action, said in (
        ("uninstall", f"rm {machine.unit}"),
        ("start", "systemctl --user start vragd.service"),
        ("stop", "systemctl --user stop vragd.service"),
        ("restart", "systemctl --user restart vragd.service"),
        ("status", "systemctl --user status vragd.service"),
        ("logs", "journalctl --user --unit vragd.service"),
    ):
        printed = machine(action, "--print")
        assert (printed.returncode, said in printed.stdout) == (0, True), (action, printed.stdout, printed.stderr)
    assert machine.calls() == []
    assert tree(machine.home) == before


# -- start, stop, status, logs ------------------------------------------------------------------------------


def test_start_stop_and_restart_are_the_managers(machine: Machine) -> None:
    machine("install")
    machine.calls()
    for action in ("stop", "start", "restart", "stop", "stop"):
        assert machine(action).returncode == 0
    told = [call.removeprefix(USER) for call in machine.calls()]
    assert told == [f"{action} vragd.service" for action in ("stop", "start", "restart", "stop", "stop")]


def test_status_tells_the_managers_view_and_the_daemons(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    none = machine("status")
    assert (none.returncode, "not installed" in none.stdout) == (3, True)
    machine("install")
    silent = machine("status")
    assert silent.returncode == 3
    assert "systemd: active (running), enabled, pid 42" in silent.stdout
    assert "Serving 1 store" in silent.stdout
    assert "restarted 2 times" in silent.stdout
    assert "does not answer" in silent.stdout
    with vragd(tmp_path / "home") as daemon:
        daemon.start(idle=False)
        assert daemon.process is not None
        running = machine("status", "--socket", str(daemon.socket))
        assert (running.returncode, f"answers, pid {daemon.process.pid}" in running.stdout) == (0, True)
        machine("stop")
        by_hand = machine("status", "--socket", str(daemon.socket))
        assert (by_hand.returncode, "not the service" in by_hand.stdout) == (3, True)


def test_status_of_a_failed_service_says_what_its_exit_status_means_and_what_hinders(machine: Machine) -> None:
    machine("install")
    machine.flag("active", up=False)
    (machine.home / ".config/vragd/config.yaml").write_text("sores: {}\n")
    status = machine("status")
    assert status.returncode == 3
    assert "systemd: failed (failed)" in status.stdout
    assert "exit status 78 (the configuration: vragd config check)" in status.stdout
    assert "did you mean 'stores'" in status.stderr


def test_logs_are_the_journals_or_those_of_the_configured_file(machine: Machine) -> None:
    assert machine("logs").stdout == "journalctl --user --unit vragd.service --lines 100 --no-pager --output cat\n"
    assert machine("logs", "-f", "-n", "5").stdout.endswith("--lines 5 --no-pager --output cat --follow\n")
    assert "no journalctl here" in machine("logs", path=str(machine.home)).stderr
    file = machine.home / "vragd.log"
    file.write_text("one\ntwo\nthree\n")
    assert machine("logs", "-n", "2", VRAGD_LOG_FILE=str(file)).stdout == "two\nthree\n"


# -- launchd ------------------------------------------------------------------------------------------------


def test_on_macos_install_writes_the_agent_and_loads_it_once(mac: Machine) -> None:
    done = mac("install")
    assert done.returncode == 0, done.stderr
    domain = f"gui/{os.getuid()}"
    enable, load = f"launchctl enable {domain}/{units.LABEL}", f"launchctl bootstrap {domain} {mac.plist}"
    assert mac.calls() == [enable, load]
    agent = plistlib.loads(mac.plist.read_bytes())
    assert Path(agent["ProgramArguments"][0]).is_absolute()
    log_file = mac.home / "Library/Logs/vragd/vragd.log"
    assert agent["EnvironmentVariables"] == {"VRAGD_LOG_FILE": str(log_file)}
    assert log_file.parent.stat().st_mode & 0o777 == 0o700
    assert (mac("install").returncode, mac.calls()) == (0, [])
    assert mac("install", "--data-dir", "moved").returncode == 0
    assert mac.calls() == [f"launchctl bootout {domain}/{units.LABEL}", enable, load]


def test_on_macos_the_rest_speaks_to_launchd(mac: Machine) -> None:
    mac("install")
    mac.calls()
    target = f"gui/{os.getuid()}/{units.LABEL}"
    for action, told in (
        ("stop", f"launchctl kill SIGTERM {target}"),
        ("start", f"launchctl kickstart {target}"),
        ("restart", f"launchctl kickstart -k {target}"),
    ):
        assert (mac(action).returncode, mac.calls()) == (0, [told])
    status = mac("status")
    assert (status.returncode, "launchd: running, pid 42" in status.stdout) == (3, True)
    mac("stop")
    assert "exit status 78 (the configuration" in mac("status").stdout
    log_file = mac.home / "Library/Logs/vragd/vragd.log"
    log_file.write_text("one\ntwo\n")
    assert mac("logs", "-n", "1").stdout == "two\n"
    mac.calls()
    assert (mac("uninstall").returncode, mac.calls()) == (0, [f"launchctl bootout {target}"])
    assert not mac.plist.exists()
    assert (mac("uninstall").returncode, mac.calls()) == (0, [])


def test_on_macos_without_a_session_and_on_demand_are_refused(mac: Machine) -> None:
    before = tree(mac.home)
    assert "for systemd" in mac("install", "--on-demand").stderr
    printed = mac("install", "--print", path=str(mac.home))
    assert plistlib.loads(printed.stdout[printed.stdout.index("<?xml") : printed.stdout.index("</plist>") + 8].encode())
    assert tree(mac.home) == before
    mac.flag("unreachable")
    refused = mac("install")
    assert refused.returncode == 4
    assert "vragd run" in refused.stderr
    assert not mac.plist.exists()


# -- the program --------------------------------------------------------------------------------------------


def test_the_installed_command_line_really_starts_the_daemon(machine: Machine) -> None:
    socket = machine.vragd.socket
    machine("install", "--data-dir", str(machine.vragd.data), "--socket", str(socket))
    with machine.vragd.log_file.open("ab") as log:
        machine.vragd.process = subprocess.Popen(
            machine.line("ExecStart").split(), env={"HOME": str(machine.home), "PATH": "/usr/bin:/bin"}, stderr=log
        )
    until(machine.vragd.answers, "the daemon of the unit to answer")
    assert machine.vragd.stop() == 0
