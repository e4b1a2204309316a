"""
The revisions of the protocol that are spoken, and how a request says which is its own.

Two eras: until 2025-11-25 a handshake says it once, for the connection; from 2026-07-28 on every request says it, in
`_meta`. One connection may have both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
STATELESS = "2026-07-28"
SPOKEN = (STATELESS, *reversed(HANDSHAKE))
WITH_BATCHES = "2025-03-26"
"""The one revision that has them."""

_META = "io.modelcontextprotocol/"
VERSION, CAPABILITIES, SERVER = f"{_META}protocolVersion", f"{_META}clientCapabilities", f"{_META}serverInfo"

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
UNSUPPORTED_VERSION = -32022


class Refused(Exception):
    """A request that gets an error of the protocol: its code, what is wrong, and what more is said of that."""

    def __init__(self, code: int, message: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data

    def told(self) -> dict[str, Any]:
        """As JSON-RPC has it."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        return found if self.data is None else {**found, "data": dict(self.data)}


def agreed(asked: object) -> str:
    """The revision that a handshake ends with: what was asked for, or the latest with a handshake. Raises Refused."""
    if not isinstance(asked, str):
        raise Refused(INVALID_PARAMS, "initialize needs a protocolVersion, a text")
    return asked if asked in HANDSHAKE else HANDSHAKE[-1]


def is_stateless(params: Mapping[str, Any]) -> bool:
    """Whether the request says its revision itself. Raises Refused where that is none, or not all is said."""
    meta = params.get("_meta")
    if not isinstance(meta, dict) or VERSION not in meta:
        return False
    version = meta[VERSION]
    if not isinstance(version, str):
        raise Refused(INVALID_PARAMS, f"_meta.{VERSION} must be a text")
    if version != STATELESS:
        said = {"supported": list(SPOKEN), "requested": version}
        raise Refused(UNSUPPORTED_VERSION, "this protocol version is not spoken", said)
    if not isinstance(meta.get(CAPABILITIES), dict):
        raise Refused(INVALID_PARAMS, f"_meta needs {CAPABILITIES}, an object")
    return True
