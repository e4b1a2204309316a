"""
Where the configuration, the data and the socket live on each platform. Standard library only.

Flags come before environment variables, these before the configuration file, this before the default.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from vragd.errors import ConfigError

MACOS = sys.platform == "darwin"
# sun_path is 108 bytes on Linux and 104 on macOS, the closing NUL included (unix(7), unix(4)).
MAX_SOCKET_PATH = 103 if MACOS else 107


def config_path(flag: str | None = None) -> Path:
    """The configuration file to use: `flag`, $VRAGD_CONFIG, or the default. It may not exist."""
    if chosen := flag or os.environ.get("VRAGD_CONFIG"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "vragd" / "config.yaml"


def default_data_dir(*, macos: bool = MACOS) -> Path:
    """The default data directory; $XDG_DATA_HOME or the platform's place for application data."""
    if macos:
        return Path("~/Library/Application Support/vragd").expanduser()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "vragd"


def default_socket(*, macos: bool = MACOS, uid: int | None = None) -> Path:
    """The default socket: below $XDG_RUNTIME_DIR, /run/user/UID if that is ours, or the home directory."""
    if macos:
        return Path("~/Library/Caches/vragd/run/vragd.sock").expanduser()
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "vragd" / "vragd.sock"
    # cron and su start without the variable; the daemon of the same user had it from its session
    uid = os.getuid() if uid is None else uid
    session = Path(f"/run/user/{uid}")
    if session.is_dir() and session.stat().st_uid == uid:
        return session / "vragd" / "vragd.sock"
    return Path("~/.local/state/vragd/run/vragd.sock").expanduser()


def data_dir(flag: str | None, configured: Path | None) -> Path:
    """The data directory in force."""
    if chosen := flag or os.environ.get("VRAGD_DATA_DIR"):
        return Path(chosen).expanduser().absolute()
    return configured or default_data_dir()


def socket_path(flag: str | None, configured: Path | None) -> Path:
    """The socket's path in force. Raises ConfigError if the system cannot bind so long a path."""
    if chosen := flag or os.environ.get("VRAGD_SOCKET"):
        path = Path(chosen).expanduser().absolute()
    else:
        path = configured or default_socket()
    if (size := len(os.fsencode(path))) > MAX_SOCKET_PATH:
        raise ConfigError(
            f"the socket path {path} has {size} bytes, this system allows {MAX_SOCKET_PATH}",
            hint="set paths.socket in the configuration, or VRAGD_SOCKET, to a shorter path",
        )
    return path
