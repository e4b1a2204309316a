"""A daemon that does not answer is none that does not run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import until
from vragd.cli.control import end, is_free, running, status_of
from vragd.cli.main import parser
from vragd.cli.service.managers import manager
from vragd.errors import NoDaemon
from vragd.system.lock import only_process, record


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A socket that breaks off whoever connects."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def break_off() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                connection.close()

        thread = threading.Thread(target=break_off, daemon=True)
        thread.start()
        yield path
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_who_holds_the_data_directory_and_does_not_answer_is_named(place: Path, tmp_path: Path) -> None:
    args = parser().parse_args(["stop", "--socket", str(place), "--data-dir", str(tmp_path / "data")])
    with only_process(tmp_path / "data") as lock:
        record(lock, place)
        with pytest.raises(NoDaemon) as said:
            running(args)
        assert said.value.hint == f"kill -9 {os.getpid()} ends it, and loses nothing"
        assert status_of(args) is None, "who only wants to know has nothing"


def test_where_nobody_listens_none_runs(tmp_path: Path) -> None:
    args = parser().parse_args(["stop", "--socket", str(tmp_path / "none"), "--data-dir", str(tmp_path / "data")])
    assert running(args) is None


LINGERS = """
import signal, sys, time
from pathlib import Path
from vragd.system.lock import only_process
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
with only_process(Path(sys.argv[1])):
    print("held", flush=True)
    while not ended:
        time.sleep(0.01)
sys.stdin.read()
"""


@pytest.mark.slow
def test_who_is_stopped_is_waited_for_until_its_process_has_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [sys.executable, "-c", LINGERS, str(tmp_path / "data")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin and process.stdout and process.stdout.readline() == "held\n"
            status = {"pid": process.pid, "data_dir": str(tmp_path / "data")}
            waiting = threading.Thread(target=end, args=(manager(), status))
            waiting.start()
            until(lambda: is_free(tmp_path / "data/lock"), "the lock")
            waiting.join(0.5)  # as who waits for the lock alone would have seen ten times
            assert waiting.is_alive(), "its data is free, and its process is there"
            process.stdin.close()
            waiting.join(20)
            assert not waiting.is_alive()
        finally:
            process.send_signal(signal.SIGKILL)
    assert capsys.readouterr().out == f"stopped vragd (pid {process.pid})\n"
