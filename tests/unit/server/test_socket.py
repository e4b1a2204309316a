"""A socket the service manager opened: taken when it is ours alone, refused otherwise."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from vragd.errors import DataDirError
from vragd.server.socket import adopt
from vragd.system.notify import Passed


def stream(path: str, *, listens: bool = True, mode: int = 0o600) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(path)
    if path.startswith("/"):
        Path(path).chmod(mode)
    if listens:
        made.listen()
    return made


def passed(made: socket.socket) -> list[Passed]:
    """As the manager would: a descriptor of the same socket, which is the taker's."""
    return [Passed(os.dup(made.fileno()), "vragd.socket")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def test_a_private_listening_socket_is_served(folder: Path) -> None:
    with stream(str(folder / "s")) as made, adopt(passed(made)) as taken:
        assert taken.getsockname() == str(folder / "s")
        assert taken.gettimeout() == 0


@pytest.mark.parametrize("mode", [0o660, 0o606, 0o666, 0o700])
def test_a_socket_others_could_connect_to_is_refused(folder: Path, mode: int) -> None:
    with stream(str(folder / "s"), mode=mode) as made, pytest.raises(DataDirError, match=f"mode {mode:o}") as found:
        adopt(passed(made))
    assert "SocketMode=0600" in found.value.hint


@pytest.mark.parametrize("mode", [0o770, 0o1777])
def test_a_socket_others_could_replace_is_refused(folder: Path, mode: int) -> None:
    with stream(str(folder / "s")) as made, pytest.raises(DataDirError, match="others may replace"):
        folder.chmod(mode)
        adopt(passed(made))


def test_a_socket_without_its_name_is_refused(folder: Path) -> None:
    with stream(str(folder / "s")) as made, pytest.raises(DataDirError, match="No such file"):
        (folder / "s").unlink()
        adopt(passed(made))


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: stream(str(folder / "s"), listens=False),
        lambda folder: stream(f"\0vragd-test-{os.getpid()}"),
        lambda folder: socket.create_server(("127.0.0.1", 0)),
        lambda folder: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
    ],
    ids=["not-listening", "abstract", "tcp", "datagram"],
)
def test_what_is_not_a_listening_unix_stream_socket_is_refused(
    folder: Path, make: Callable[[Path], socket.socket]
) -> None:
    with make(folder) as made, pytest.raises(DataDirError, match="not a listening Unix stream socket"):
        adopt(passed(made))


def test_a_file_in_a_sockets_stead_and_two_sockets_are_refused(folder: Path) -> None:
    (folder / "f").write_text("")
    with (folder / "f").open() as file, pytest.raises(DataDirError, match="is none"):
        adopt([Passed(file.fileno(), "x")])
    with stream(str(folder / "s")) as made, pytest.raises(DataDirError, match="2 sockets"):
        adopt([*passed(made), Passed(made.fileno(), "x")])
