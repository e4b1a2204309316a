"""
Where the configuration, the data and the socket live on each platform. Standard library only.

Flags come before environment variables, these before the configuration file, this before the default. A directory of
the XDG specification that is not absolute is ignored, as it demands: it would be another one in each folder.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from vragd.errors import ConfigError, UsageError

MACOS = sys.platform == "darwin"
# sun_path is 108 bytes on Linux and 104 on macOS, the closing NUL included (unix(7), unix(4)).
MAX_SOCKET_PATH = 103 if MACOS else 107


def expanded(path: str) -> Path:
    """`path` with a leading `~` or `~user` as a home directory. Raises UsageError where there is none."""
    try:
        found = Path(path).expanduser()
    except RuntimeError:
        user = path.partition("/")[0][1:]
        why = f"there is no user {user!r}" if user else "you have no home directory"
        raise UsageError(f"{path} leads nowhere: {why}", hint="set HOME, or name the path in full") from None
    if path.startswith("~") and not found.is_absolute():
        raise UsageError(f"HOME is {os.environ.get('HOME')!r}, which is not absolute", hint="set it to your own folder")
    return found


def named(path: str) -> Path:
    """What somebody named, absolute, and `as_on_disk`. Raises UsageError as `expanded`."""
    return Path(as_on_disk(str(expanded(path).absolute())))


def as_on_disk(path: str) -> str:
    """
    `path` with each part that is not there replaced by the one that is the same text, if there is just one.

    A folder typed composed may lie on the disk decomposed.
    """
    if path.isascii() or os.path.lexists(path):
        return path
    import unicodedata

    def text_of(name: str) -> str:
        return unicodedata.normalize("NFC", name)

    found = "/" if path.startswith("/") else ""
    for part in path.split("/"):
        deeper = os.path.join(found, part)
        if not part.isascii() and not os.path.lexists(deeper):
            asked = text_of(part)
            try:
                same = [name for name in os.listdir(found or ".") if not name.isascii() and text_of(name) == asked]
            except OSError:
                same = []
            if len(same) == 1:
                deeper = os.path.join(found, same[0])
        found = deeper
    return found


def home() -> Path | None:
    """The home directory; None for a user without one, as in some containers."""
    try:
        return expanded("~")
    except UsageError:
        return None


def xdg(variable: str, default: str) -> Path:
    """The directory of the XDG specification that `variable` names, or the default one. Raises UsageError."""
    chosen = os.environ.get(variable, "")
    return Path(chosen) if chosen.startswith("/") else expanded(default)


def runtime_dir() -> Path:
    """The user's own directory for sockets, as systemd makes it. It may not exist."""
    return xdg("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")


def config_path(flag: str | None = None) -> Path:
    """The configuration file to use: `flag`, $VRAGD_CONFIG, or the default. It may not exist. Raises UsageError."""
    if chosen := flag or os.environ.get("VRAGD_CONFIG"):
        return expanded(chosen).absolute()
    return xdg("XDG_CONFIG_HOME", "~/.config") / "vragd" / "config.yaml"


def default_data_dir(*, macos: bool = MACOS) -> Path:
    """The default data directory; $XDG_DATA_HOME or the platform's place for application data."""
    if macos:
        return expanded("~/Library/Application Support/vragd")
    return xdg("XDG_DATA_HOME", "~/.local/share") / "vragd"


def default_socket(*, macos: bool = MACOS, uid: int | None = None) -> Path:
    """The default socket: below $XDG_RUNTIME_DIR, /run/user/UID if that is ours, or the home directory."""
    if macos:
        return expanded("~/Library/Caches/vragd/run/vragd.sock")
    if os.environ.get("XDG_RUNTIME_DIR", "").startswith("/"):
        return runtime_dir() / "vragd" / "vragd.sock"
    # cron and su start without the variable; the daemon of the same user had it from its session
    uid = os.getuid() if uid is None else uid
    session = Path(f"/run/user/{uid}")
    if session.is_dir() and session.stat().st_uid == uid:
        return session / "vragd" / "vragd.sock"
    return expanded("~/.local/state/vragd/run/vragd.sock")


def data_dir(flag: str | None, configured: Path | None) -> Path:
    """The data directory in force."""
    if chosen := flag or os.environ.get("VRAGD_DATA_DIR"):
        return expanded(chosen).absolute()
    return configured or default_data_dir()


def socket_path(flag: str | None, configured: Path | None) -> Path:
    """The socket's path in force. Raises ConfigError if the system cannot bind so long a path."""
    if chosen := flag or os.environ.get("VRAGD_SOCKET"):
        path = expanded(chosen).absolute()
    else:
        path = configured or default_socket()
    if (size := len(os.fsencode(path))) > MAX_SOCKET_PATH:
        raise ConfigError(
            f"the socket path {path} has {size} bytes, this system allows {MAX_SOCKET_PATH}",
            hint="set paths.socket in the configuration, or VRAGD_SOCKET, to a shorter path",
        )
    return path


def literal(path: str) -> str:
    """The .gitignore pattern that matches the text `path` and nothing else."""
    return re.sub(r"([\[\]*?!#\\ ])", r"\\\1", path)
