"""A daemon that does not answer is none that does not run."""

from __future__ import annotations

import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import until
from vragd.cli.control import end, is_free, running, status_of
from vragd.cli.main import main, parser
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


@contextmanager
def answering(path: Path, answer: dict[str, object]) -> Iterator[None]:
    """A daemon that answers this, whatever it is asked."""
    body = json.dumps(answer).encode()

    class Answers(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while (line := self.rfile.readline()) != b"\r\n":
                length = int(line[16:]) if line.startswith(b"Content-Length: ") else length
            self.rfile.read(length)
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    with socketserver.ThreadingUnixStreamServer(str(path), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "words",
    ["reload", "stop", "status", "list", "store list", "store info notes", "verify", "query x", "files",
     "get a", "similar a", "links a", "tags", "properties", "tasks", "recent", "outline a", "sync --wait",
     "reindex notes", "doctor"],
)  # fmt: skip
def test_a_daemon_of_before_is_named_where_its_answers_lack_what_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("stores: {}\n")
    with answering(tmp_path / "s", {}):
        places = ["--config", str(config), "--socket", str(tmp_path / "s"), "--data-dir", str(tmp_path / "data")]
        status = main([*words.split(), *places])
    said = capsys.readouterr()
    if words == "list":
        assert status == 0, "it goes on without"
        return
    assert status != 0
    assert "the daemon's answer lacks '" in said.err + said.out
    assert "vragd restart: it was started before vragd was upgraded" in said.err + said.out


WRITES = """
import signal, sys, time
from pathlib import Path
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
print("here", flush=True)
while not ended:
    time.sleep(0.01)
Path(sys.argv[1]).unlink()
"""


@pytest.mark.slow
def test_what_a_restart_sends_is_counted_while_the_daemon_still_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Vault").mkdir()
    (tmp_path / "data").mkdir(mode=0o700)
    note, config = tmp_path / "Vault/a.md", tmp_path / "c.yaml"
    note.write_text("notea")
    embedder = {"type": "openai", "model": "m", "url": "http://0.0.0.0:1", "allow_remote": True}
    store = {"sources": [{"path": str(tmp_path / "Vault")}], "embedder": embedder, "backend": {"type": "memory"}}
    config.write_text(json.dumps({"stores": {"notes": store}}))
    with subprocess.Popen([sys.executable, "-c", WRITES, str(note)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        place = {"config": str(config), "data_dir": str(tmp_path / "data"), "socket": str(tmp_path / "s")}
        with answering(tmp_path / "s", {"pid": process.pid, **place}):
            # the new one is not begun, as one answers already
            assert main(["restart", "--config", str(config), "--socket", str(tmp_path / "s")]) != 0
    said = capsys.readouterr()
    assert "store notes: 1 text, about 5 bytes or 1 token, to be sent to 0.0.0.0; " in said.err, said.err
    assert (said.out, note.exists()) == (f"stopped vragd (pid {process.pid})\n", False)
    assert said.err.count("to be sent to") == 1
    assert "runs already" in said.err


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
