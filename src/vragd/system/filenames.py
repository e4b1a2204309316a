"""Names of files, which need not be UTF-8, as text for people and JSON."""

from __future__ import annotations

import base64
import os


def shown(path: str) -> str:
    """`path` as text that every JSON reader takes: bytes that are no UTF-8 as %XX."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "".join(f"%{ord(c) - 0xDC00:02X}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in path)
    return path


def exact(path: str) -> str | None:
    """The bytes of `path` in base64, where `shown` had to change it."""
    return None if shown(path) == path else base64.b64encode(os.fsencode(path)).decode("ascii")
