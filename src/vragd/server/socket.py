"""The listening socket: ours alone from birth, and who is at the other end of a connection."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vragd.errors import DaemonBusy, DataDirError
from vragd.system.files import private_dir
from vragd.system.notify import Passed

ELSEWHERE = "choose another place with paths.socket"
BACKLOG = 1024  # a burst of clients waits here; the kernel bounds it further (somaxconn)


def bind(path: Path) -> socket.socket:
    """
    A listening Unix socket at `path`: mode 0600 before it has a name, in a directory of mode 0700.

    Only the holder of the data directory's lock may call it. A leftover of a killed daemon is
    removed; anything else at `path` is refused, and so is a socket that answers.
    """
    private_dir(path.parent)
    _remove_leftover(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Linux takes the mode of the descriptor for the name it binds; macOS takes the umask, which
        # the daemon has set to 077 before any thread began.
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
        if path.lstat().st_mode & 0o177:
            said = f"the socket {path} came to be with mode {path.lstat().st_mode & 0o777:o}, expected 600"
            raise DataDirError(said, hint=ELSEWHERE)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise DataDirError(f"cannot listen on {path}: {os.strerror(error.errno or 0)}", hint=ELSEWHERE) from error
    except BaseException:
        listener.close()
        raise
    return listener


def adopt(passed: Sequence[Passed]) -> socket.socket:
    """
    The one listening Unix socket the service manager passed, ready to be served.

    Raises DataDirError for anything else, and for one that others could reach or replace.
    """
    if len(passed) != 1:
        raise DataDirError(f"{len(passed)} sockets were passed, vragd serves one", hint="one ListenStream= in the unit")
    try:
        listener = socket.socket(fileno=passed[0].fd)
        listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise DataDirError(f"what was passed as a socket is none: {os.strerror(error.errno or 0)}") from error
    name = listener.getsockname() if listener.family == socket.AF_UNIX else None
    # a name in the abstract namespace begins with NUL: it has no mode, everybody may connect
    if not listens or listener.type != socket.SOCK_STREAM or not isinstance(name, str) or not name.startswith("/"):
        listener.close()
        raise DataDirError(
            "the socket that was passed is not a listening Unix stream socket with a path",
            hint="ListenStream=%t/vragd/vragd.sock in the socket unit",
        )
    try:
        _refuse_public(Path(name))
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _refuse_public(path: Path) -> None:
    try:
        info, folder = path.lstat(), path.parent.stat()
    except OSError as error:
        raise DataDirError(f"cannot look at the socket {path}: {os.strerror(error.errno or 0)}") from error
    if not stat.S_ISSOCK(info.st_mode) or info.st_uid != os.geteuid():
        raise DataDirError(f"the socket {path} belongs to uid {info.st_uid}", hint="SocketUser= in the socket unit")
    if info.st_mode & 0o177:
        raise DataDirError(
            f"the socket {path} has mode {info.st_mode & 0o777:o}, which lets others in",
            hint="SocketMode=0600 in the socket unit",
        )
    if folder.st_mode & 0o022:
        raise DataDirError(
            f"others may replace the socket: {path.parent} has mode {folder.st_mode & 0o7777:o}",
            hint="a folder of your own, and DirectoryMode=0700 in the socket unit",
        )


def _remove_leftover(path: Path) -> None:
    try:
        info = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(info.st_mode):
        raise DataDirError(f"{path} is in the way and is not a socket", hint="move it, or set paths.socket")
    if info.st_uid != os.geteuid():
        raise DataDirError(f"the socket {path} belongs to uid {info.st_uid}", hint=ELSEWHERE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise DataDirError(f"cannot tell who owns {path}: {os.strerror(error.errno or 0)}") from error
    raise DaemonBusy(
        f"another process answers on {path}",
        hint="stop it, or give this one its own paths.data and paths.socket",
    )


class Peer(NamedTuple):
    """Who is at the other end of a connection, as it was when it connected. `pid` is 0 where that is not told."""

    uid: int
    pid: int


def peer_of(connection: socket.socket) -> Peer:
    """The process at the other end. Raises OSError."""
    if sys.platform == "darwin":
        # at level SOL_LOCAL, LOCAL_PEERCRED gives a struct xucred (version, uid, …), LOCAL_PEERPID a pid (sys/un.h)
        raw = connection.getsockopt(0, 1, 76)
        try:
            pid = connection.getsockopt(0, 2)
        except OSError:
            pid = 0
        return Peer(int(struct.unpack_from("=II", raw)[1]), pid)
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", raw)
    return Peer(uid, pid)
