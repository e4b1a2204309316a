"""The listening socket: ours alone from birth, and who is at the other end of a connection."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from pathlib import Path

from vragd.errors import DaemonBusy, DataDirError
from vragd.files import private_dir

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
            raise DataDirError(f"the socket {path} came to be with mode {path.lstat().st_mode & 0o777:o}")
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise DataDirError(f"cannot listen on {path}: {os.strerror(error.errno or 0)}") from error
    except BaseException:
        listener.close()
        raise
    return listener


def _remove_leftover(path: Path) -> None:
    try:
        info = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(info.st_mode):
        raise DataDirError(f"{path} is in the way and is not a socket", hint="move it, or set paths.socket")
    if info.st_uid != os.geteuid():
        raise DataDirError(f"the socket {path} belongs to uid {info.st_uid}")
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


def peer_uid(connection: socket.socket) -> int:
    """The uid of the process at the other end, as it was when it connected. Raises OSError."""
    if sys.platform == "darwin":
        # LOCAL_PEERCRED at level SOL_LOCAL gives a struct xucred: version, uid, … (sys/un.h, sys/ucred.h)
        raw = connection.getsockopt(0, 1, 76)
        return int(struct.unpack_from("=II", raw)[1])
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])
