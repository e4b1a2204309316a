"""Under a service manager: readiness, the watchdog, a passed socket, reloads; the manager is a real socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.lucene import FakeNode
from tests.fakes.ollama import FakeOllama
from tests.forked import can_fork, fork_daemon
from tests.harness import Vragd, until, vragd

STUCK_S = 3.0  # more than any honest step takes on a machine that is busy with other tests
WITH_STUCK_S = """
import sys
from vragd.daemon import life
from vragd.config.load import load
from vragd.system.places import config_path
loaded = load(config_path())
life.set_up_log(loaded.config.log)
sys.exit(life.run(loaded, lambda: load(config_path()), stuck_s=float(sys.argv[1])))
"""
WITH_SOCKET = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "vragd.socket"}
os.execv(sys.executable, [sys.executable, "-m", "vragd", "run"])
"""


class Manager:
    """What a service manager hears on its notification socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def hear(self, timeout_s: float = 30.0) -> dict[str, str] | None:
        """The next message, or None when none comes in time."""
        self._socket.settimeout(timeout_s)
        try:
            message = self._socket.recv(4096).decode()
        except TimeoutError:
            return None
        return dict(line.split("=", 1) for line in message.splitlines())

    def hear_until(self, key: str) -> list[dict[str, str]]:
        """Every message up to the first with `key`."""
        heard: list[dict[str, str]] = []
        while not heard or key not in heard[-1]:
            message = self.hear()
            assert message is not None, f"waited in vain for {key}, heard {heard}"
            heard.append(message)
        return heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Vragd]:
    with vragd(tmp_path) as made:
        yield made


def launch(daemon: Vragd, *code: str, pass_fds: tuple[int, ...] = (), **env: str) -> None:
    """`vragd run`, or python with `code`, as the daemon's process."""
    command, env = ["-c", *code] if code else ["-m", "vragd", "run"], daemon.env | env
    with daemon.log_file.open("ab") as log:
        if daemon.fork and not (code or pass_fds) and can_fork(env):
            daemon.process = fork_daemon(env, log, [])
        else:
            daemon.process = subprocess.Popen([sys.executable, *command], env=env, stderr=log, pass_fds=pass_fds)


def events(daemon: Vragd, name: str) -> list[dict[str, Any]]:
    return [line for line in daemon.log_lines() if line["event"] == name]


def signal_(daemon: Vragd, number: signal.Signals) -> None:
    assert daemon.process is not None
    daemon.process.send_signal(number)


# -- readiness and the watchdog -----------------------------------------------------------------------------


def test_ready_is_said_when_it_answers_and_scans_and_stopping_when_it_ends(daemon: Vragd, manager: Manager) -> None:
    for i in range(50):
        (daemon.vault / f"{i}.md").write_text(f"note {i}\n")
    launch(daemon, NOTIFY_SOCKET=str(manager.path))
    assert manager.hear() == {"READY": "1", "STATUS": "Serving 1 store"}
    assert daemon.client.request("GET", "/healthz", timeout_s=5)["ok"], "READY came before the first answer"
    (source,) = daemon.store["sources"]
    assert source["state"] == "ok"
    daemon.settle()
    assert len(daemon.files()) == 50
    signal_(daemon, signal.SIGTERM)
    heard = manager.hear()
    assert heard is not None and heard["STOPPING"] == "1"
    assert daemon.process is not None and daemon.process.wait(20) == 0
    assert manager.hear(0.01) is None, "without a watchdog it says no more than that"


def test_the_watchdog_is_fed_again_and_again_and_stays_fed_while_it_indexes(daemon: Vragd, manager: Manager) -> None:
    launch(daemon, NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="200000")
    manager.hear_until("READY")
    (daemon.vault / "new.md").write_text("a pangolin\n")
    assert [manager.hear() for _ in range(20)] == [{"WATCHDOG": "1"}] * 20
    assert events(daemon, "daemon.watchdog_withheld") == []


def test_a_watchdog_meant_for_another_process_is_not_fed(daemon: Vragd, manager: Manager) -> None:
    launch(daemon, NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="100000", WATCHDOG_PID="1")
    manager.hear_until("READY")
    daemon.settle()
    assert manager.hear(0.01) is None


def test_a_lane_that_hangs_is_named_and_the_watchdog_is_not_fed_until_it_moves(daemon: Vragd, manager: Manager) -> None:
    with FakeOllama() as fake, FakeNode("opensearch") as node:
        backend = {"type": "opensearch", "url": f"http://{node.host}", "timeout_s": 600}
        embedder = {"type": "ollama", "model": "fake-embed", "url": fake.url}
        store = {"sources": [{"path": str(daemon.vault)}], "embedder": embedder, "backend": backend}
        daemon.configure(stores={"notes": store})
        launch(daemon, WITH_STUCK_S, str(STUCK_S), NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="200000")
        manager.hear_until("WATCHDOG")
        daemon.settle()
        node.hangs_in, node.hangs, n_before = "_bulk", threading.Event(), node.calls["_bulk"]
        (daemon.vault / "new.md").write_text("a tarpit\n")
        until(lambda: node.calls["_bulk"] > n_before, "it to hang")
        until(lambda: events(daemon, "daemon.watchdog_withheld"), "the withheld ping")
        assert [line["parts"] for line in events(daemon, "daemon.watchdog_withheld")] == [["notes/writer_lane"]]
        while (heard := manager.hear()) and "STATUS" not in heard:
            assert heard == {"WATCHDOG": "1"}
        assert heard == {"STATUS": "Hangs: notes/writer_lane"}
        assert manager.hear(1.0) is None, "twenty checks, and not one ping"
        assert daemon.answers(), "it is a part that hangs, not the whole"
        node.hangs.set()
        assert manager.hear() == {"WATCHDOG": "1"}
        until(lambda: events(daemon, "daemon.watchdog_resumed"), "the end of it")
        until(lambda: daemon.paths("tarpit"), "the note to be found")
        assert len(events(daemon, "daemon.watchdog_withheld")) == 1, "one line, not one a check"


def test_slow_work_that_moves_is_no_hanging(daemon: Vragd, manager: Manager) -> None:
    with FakeOllama() as fake:
        embedder = {"type": "ollama", "model": "fake-embed", "url": fake.url, "batch_size": 1}
        daemon.configure(stores={"notes": {"sources": [{"path": str(daemon.vault)}], "embedder": embedder}})
        text = "\n\n".join(f"# Part {i}\n\n{f'word{i} ' * 200}" for i in range(20))
        launch(daemon, WITH_STUCK_S, str(STUCK_S), NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="200000")
        manager.hear_until("WATCHDOG")
        fake.delay_s = 0.4
        started = time.monotonic()
        (daemon.vault / "long.md").write_text(text)
        until(lambda: "long.md" in daemon.files("indexed"), "the note to have its vectors", 90)
        assert time.monotonic() - started > 2 * STUCK_S, "the work took longer than what counts as hanging"
        assert events(daemon, "daemon.watchdog_withheld") == []


# -- a passed socket ----------------------------------------------------------------------------------------


@pytest.fixture
def passed(daemon: Vragd) -> Iterator[socket.socket]:
    """A listening socket at the configured path, as vragd.socket makes it."""
    daemon.socket.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(daemon.socket))
        daemon.socket.chmod(0o600)
        listener.listen()
        yield listener


def activate(daemon: Vragd, listener: socket.socket, **env: str) -> None:
    launch(daemon, WITH_SOCKET, str(listener.fileno()), pass_fds=(listener.fileno(),), **env)


def test_a_client_that_came_first_is_answered_and_the_socket_outlives_the_daemon(
    daemon: Vragd, passed: socket.socket
) -> None:
    inode = daemon.socket.lstat().st_ino
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as early:
        early.settimeout(30)
        early.connect(str(daemon.socket))
        early.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        activate(daemon, passed)
        assert early.recv(65_536).startswith(b"HTTP/1.1 200")
    assert events(daemon, "daemon.socket_adopted")
    assert daemon.stop() == 0
    assert daemon.socket.lstat().st_ino == inode
    activate(daemon, passed)
    until(daemon.answers, "the same socket to be answered again")


def test_a_passed_socket_at_another_path_is_served_and_that_is_said(daemon: Vragd, passed: socket.socket) -> None:
    activate(daemon, passed, VRAGD_SOCKET=str(daemon.home / "elsewhere" / "s"))
    until(daemon.answers, "an answer on the passed socket")
    assert events(daemon, "daemon.socket_elsewhere")
    assert not (daemon.home / "elsewhere").exists()
    assert str(daemon.socket) not in daemon.log()


def test_a_passed_socket_others_may_use_is_refused(daemon: Vragd, passed: socket.socket) -> None:
    daemon.socket.chmod(0o666)
    activate(daemon, passed)
    assert daemon.process is not None and daemon.process.wait(30) == 73
    assert "has mode 666, which lets others in" in daemon.log()
    assert "Traceback" not in daemon.log()
    assert daemon.socket.is_socket()


def test_a_passed_socket_that_lost_its_name_is_replaced_by_one_of_our_own(daemon: Vragd, passed: socket.socket) -> None:
    activate(daemon, passed)
    until(daemon.answers, "an answer")
    daemon.socket.unlink()
    until(lambda: daemon.socket.exists() and daemon.answers(), "a socket of our own")
    assert daemon.stop() == 0
    assert not daemon.socket.exists(), "what we bound ourselves we take along"


# -- reloads ------------------------------------------------------------------------------------------------


def test_a_configuration_that_cannot_be_used_changes_nothing(daemon: Vragd, manager: Manager) -> None:
    (daemon.vault / "a.md").write_text("a numbat\n")
    launch(daemon, NOTIFY_SOCKET=str(manager.path))
    manager.hear_until("READY")
    daemon.settle()
    good = daemon.config_file.read_text()
    secret = daemon.home / "Very private vault"
    for bad, line in ((f"stores:\n  notes:\n    sauces: [{{path: {secret}}}]\n", 3), ("stores: [", 1), (None, None)):
        daemon.config_file.unlink()
        if bad is not None:
            daemon.config_file.write_text(bad)
        n = len(events(daemon, "daemon.reload_refused"))
        signal_(daemon, signal.SIGHUP)
        assert "RELOADING" in (manager.hear() or {})
        assert (manager.hear() or {}).get("READY") == "1"
        refused = events(daemon, "daemon.reload_refused")[n:]
        assert [(each["code"], each.get("line")) for each in refused] == [("config", line)]
        assert daemon.paths("numbat") == ["a.md"]
        if bad is None:
            daemon.config_file.write_text(good)
    assert "private" not in daemon.log()
    assert events(daemon, "daemon.config_reloaded") == []
    assert daemon.stop() == 0


def test_a_changed_configuration_is_taken_and_its_log_level_with_it(daemon: Vragd, manager: Manager) -> None:
    launch(daemon, NOTIFY_SOCKET=str(manager.path))
    manager.hear_until("READY")
    log_file = daemon.home / "logs" / "vragd.log"
    daemon.configure(log={"level": "debug", "file": str(log_file)})
    signal_(daemon, signal.SIGHUP)
    reloading, ready = manager.hear() or {}, manager.hear() or {}
    assert reloading["RELOADING"] == "1" and int(reloading["MONOTONIC_USEC"]) > 0
    assert ready["READY"] == "1"
    assert "daemon.config_reloaded" in log_file.read_text()
    assert log_file.stat().st_mode & 0o777 == 0o600
    assert daemon.answers()


def test_many_hangups_at_once_are_reloads_one_after_another(daemon: Vragd, manager: Manager) -> None:
    launch(daemon, NOTIFY_SOCKET=str(manager.path))
    manager.hear_until("READY")
    for _ in range(20):
        signal_(daemon, signal.SIGHUP)
    heard = [*manager.hear_until("READY")]
    while message := manager.hear(0.5):
        heard.append(message)
    kinds = ["RELOADING" if "RELOADING" in each else "READY" for each in heard]
    assert kinds == ["RELOADING", "READY"] * (len(kinds) // 2)
    assert 1 <= len(kinds) // 2 <= 20
    assert daemon.answers()


def test_a_hangup_never_ends_it_from_the_first_moment_to_the_last(daemon: Vragd) -> None:
    launch(daemon)
    until((daemon.data / "lock").exists, "the daemon to begin")
    answered = lambda: signal_(daemon, signal.SIGHUP) or daemon.answers()  # type: ignore[func-returns-value]  # noqa: E731
    until(answered, "an answer under a hail of hangups")
    assert daemon.process is not None
    signal_(daemon, signal.SIGTERM)

    def ended() -> bool:
        assert daemon.process is not None
        signal_(daemon, signal.SIGHUP)
        return daemon.process.poll() is not None

    until(ended, "the end under a hail of hangups")  # with a pause after each: it is to be left time to end
    assert daemon.process.returncode == 0


# -- where it logs ------------------------------------------------------------------------------------------


def test_with_a_log_file_nothing_goes_to_standard_error(daemon: Vragd) -> None:
    log_file = daemon.home / "logs" / "vragd.log"
    launch(daemon, VRAGD_LOG_FILE=str(log_file))
    until(daemon.answers, "an answer")
    assert daemon.stop() == 0
    assert daemon.log() == ""
    assert "daemon.service_stopped" in log_file.read_text()
    assert log_file.parent.stat().st_mode & 0o777 == 0o700


def test_why_it_did_not_start_is_in_the_log_file_too(daemon: Vragd) -> None:
    daemon.start(idle=False)
    log_file = daemon.home / "logs" / "vragd.log"
    second = daemon.run("run", "--log-file", str(log_file))
    assert second.returncode == 75
    assert '"code": "already_running"' in log_file.read_text()
    assert os.fspath(daemon.home) not in log_file.read_text()


def test_a_log_file_in_a_vault_is_refused_and_not_made(daemon: Vragd) -> None:
    inside = daemon.vault / "vragd.log"
    refused = daemon.run("run", "--log-file", str(inside))
    assert refused.returncode == 78
    assert "log file" in refused.stderr
    assert not inside.exists()
