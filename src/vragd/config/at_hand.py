"""Where the daemon is asked, found without loading the configuration where it can be helped."""

from __future__ import annotations

import os
import re
from pathlib import Path

from vragd.client import user_name
from vragd.errors import ConfigError, NoDaemon, UsageError
from vragd.system.places import config_path, data_dir, expanded, socket_path


def data_dir_of(flag: str | None, config_flag: str | None) -> Path:
    """The data directory that is meant."""
    return data_dir(flag, _configured(config_flag, "data"))


def socket_of(flag: str | None, config_flag: str | None) -> Path:
    """
    The socket a client should try.

    Validating a configuration takes longer than a whole query, so the file is only parsed when it seems to name a
    socket at all.
    """
    if flag or os.environ.get("VRAGD_SOCKET"):
        return socket_path(flag, None)
    return socket_path(None, _configured(config_flag, "socket"))


def names_socket(flag: str | None) -> bool:
    """Whether it is one daemon that is meant, and no other."""
    return bool(flag or os.environ.get("VRAGD_SOCKET"))


def names_data_dir(flag: str | None) -> bool:
    """Whether whoever holds one data directory is meant, and nobody else."""
    return bool(flag or os.environ.get("VRAGD_DATA_DIR"))


def first_asked(socket: str | None, data_dir: str | None, config: str | None) -> Path:
    """Where whoever has these flags looks for the daemon first. Raises ConfigError."""
    if names_data_dir(data_dir) and not names_socket(socket):
        return data_dir_of(data_dir, config) / "socket"  # where by default none is: what is recorded there is asked
    return socket_of(socket, config)


def refuse_missing(config_flag: str | None) -> None:
    """Raise ConfigError where a file is named and is not there: the default places are those of another daemon."""
    if not (config_flag or os.environ.get("VRAGD_CONFIG")):
        return
    file, by = config_path(config_flag), "--config" if config_flag else "VRAGD_CONFIG"
    try:
        wrong = "is a folder" if file.is_dir() else "" if file.exists() else "is not there"
    except OSError as error:
        wrong = f"cannot be looked at: {os.strerror(error.errno or 0)}"
    if wrong:
        without = "leave --config out" if config_flag else "unset VRAGD_CONFIG"
        hint = f"name the file there is, or {without}; vragd init --config FILE FOLDER makes one"
        raise ConfigError(f"the configuration that {by} names, {file}, {wrong}", hint=hint)


def recorded_socket(directory: Path) -> Path | None:
    """Where the holder of a data directory says that it answers. Raises NoDaemon for one of another user."""
    from vragd.system.lock import holder

    found = holder(directory)
    if found is not None and found.uid != os.geteuid():
        whose = f"user {user_name(found.uid)}"
        raise NoDaemon(f"the data directory {directory} is that of {whose}", hint=f"ask as {whose}, or see HOME")
    return found.socket if found else None


def _configured(config_flag: str | None, key: str) -> Path | None:
    """What the file says of `paths`; None where it says nothing, or cannot be understood: the daemon complains."""
    try:
        text = config_path(config_flag).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if not re.search(rf"^[^#\n]*\b{key}[\"']?\s*:", text, re.MULTILINE):
        return None
    import yaml

    try:
        document = yaml.safe_load(text)
        return expanded(document["paths"][key])
    except (yaml.YAMLError, LookupError, TypeError, ValueError, UsageError):
        return None
