"""A daemon that does not answer is none that does not run."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vragd.cli.control import running, status_of
from vragd.cli.main import parser
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
