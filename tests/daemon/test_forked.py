"""A daemon or a command that is forked for a test is what an interpreter of its own would be."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.forked import Forked, can_fork
from tests.harness import Vragd, vragd

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="daemons are forked on Linux only")


def seen_from_outside(daemon: Vragd) -> dict[str, object]:
    """What /proc tells of the daemon: all that it has from its parent."""
    assert daemon.process is not None
    proc = Path("/proc") / str(daemon.process.pid)
    status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
    links = []
    for fd in (proc / "fd").iterdir():
        with suppress(FileNotFoundError):  # it came and went
            links += [str(fd.readlink()).replace(f"{proc}/", "/proc/self/")] if int(fd.name) > 1 else []
    return {
        **{key: status[key] for key in ("Umask", "SigBlk", "SigIgn", "SigCgt", "Uid", "Gid")},
        "cwd": (proc / "cwd").readlink(),
        # connections and readers of the catalog come and go
        "open": sorted(link.split("[")[0] for link in links if "catalog.db" not in link and "socket:" not in link),
    }


def test_it_has_nothing_of_its_parents_that_another_would_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "nowhere-1")
    seen = []
    with vragd(tmp_path) as daemon:
        for fork in (True, False):
            daemon.fork = fork
            daemon.start()
            assert isinstance(daemon.process, Forked) == fork
            seen.append(seen_from_outside(daemon))
            assert daemon.stop() == 0
    assert seen[0] == seen[1]


def test_it_is_waited_for_and_its_end_is_told(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        daemon.fork = True
        daemon.start(idle=False)
        process = daemon.process
        assert process is not None and process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.kill()
        assert process.wait(30) == process.poll() == -signal.SIGKILL
        process.send_signal(signal.SIGTERM)  # to nobody
        daemon.config_file.write_text("stores: [\n")
        daemon.start(ready=False, idle=False)
        assert daemon.process is not None and daemon.process.wait(30) == 78
        assert "Error: " in daemon.log() and "Traceback" not in daemon.log()


COMMANDS = (
    ("--version",), ("qeury", "x"), ("query", "heron"), ("config", "check"), ("config", "show", "--json"),
    ("files", "--json"), ("mcp",),
)  # fmt: skip


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_a_command_answers_and_ends_as_one_of_an_interpreter_does(tmp_path: Path, args: tuple[str, ...]) -> None:
    daemon, sent = Vragd(tmp_path), '{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n' * 2_000
    seen = []
    for fork in (True, False):
        daemon.fork = fork
        done = daemon.run(*args, stdin=sent)
        said = done.stderr.replace(f"{sys.executable} -m vragd", "vragd")  # each as it was started
        seen.append((done.returncode, done.stdout, said))
    assert seen[0] == seen[1]
    assert any(seen[0])


def test_what_is_read_from_the_environment_at_an_import_gets_an_interpreter(tmp_path: Path) -> None:
    env = Vragd(tmp_path).env
    assert can_fork(env)
    assert not can_fork(env | {"VRAGD_FAILPOINT": "sync.committed:1"})
    assert not can_fork(env | {"PYTHONUTF8": "1"}) and not can_fork(env | {"LC_ALL": "de_DE.UTF-8"})
