"""What embedding by another machine sends there: said before it is sent."""

from __future__ import annotations

from typing import Any

BYTES_A_TOKEN = 4
"""Of English, about; other scripts have up to twice as many tokens."""


def sending(host: str, texts: int, n_bytes: int) -> dict[str, Any]:
    """So many texts, notes or passages, of so many bytes as UTF-8, as programs are told of them."""
    return {"host": host, "texts": texts, "n_bytes": n_bytes, "tokens": n_bytes // BYTES_A_TOKEN}
