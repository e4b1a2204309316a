"""Who this machine is, in one short text: several may feed one remote index."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

import xxhash

MACHINE_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")  # machine-id(5)


def source_uid(store_folder: Path, label: str) -> str:
    """
    The identity of a source that is new to a catalog: 12 hexadecimal characters.

    The same when the data directory was deleted and made again in its place, so that what the lost
    catalog had put into a remote index is found and replaced; another on every other machine.
    """
    parts = (_machine(), str(os.geteuid()), str(store_folder.absolute()), label)
    return xxhash.xxh3_64_hexdigest("\0".join(parts).encode("utf-8", "surrogateescape"))[:12]


def machine_id() -> str:
    """A hash that is the same on this machine for as long as it is; empty where the system does not tell."""
    # never given away but hashed, as machine-id(5) asks
    return xxhash.xxh3_64_hexdigest(f"vragd {known}".encode()) if (known := _system_id()) else ""


def _machine() -> str:
    if known := _system_id():
        return f"{known} {socket.gethostname()}"  # containers of one image share the first
    address = uuid.getnode()
    made_up = bool(address >> 40 & 1)  # RFC 9562, 6.10: a random one has the multicast bit
    return os.urandom(8).hex() if made_up else f"{address:x}"


def _system_id() -> str:
    for file in MACHINE_ID_FILES:
        try:
            if found := Path(file).read_text("ascii").strip():
                return found
        except (OSError, ValueError):
            continue
    return ""
