"""What embedding by another machine sends there, and may cost: said before it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vragd.embed.ledger import sent_of
from vragd.embed.settings import EmbedderSettings
from vragd.system.clock import Clock

BYTES_A_TOKEN = 4
"""Of English, about; other scripts have up to twice as many tokens."""


def sending(embedder: EmbedderSettings, texts: int, n_bytes: int) -> dict[str, Any]:
    """So many texts, notes or passages, of so many bytes as UTF-8, as programs are told of them."""
    tokens = n_bytes // BYTES_A_TOKEN
    return {
        "host": embedder.sends_to, "texts": texts, "n_bytes": n_bytes, "tokens": tokens,
        "cost": _cost(tokens, embedder.price), "most_tokens": embedder.most_tokens, "limit_key": embedder.limit_key,
    }  # fmt: skip


def sent(embedder: EmbedderSettings, data_dir: Path, clock: Clock) -> dict[str, Any] | None:
    """What an embedder was sent this month, as programs are told; None where that is not counted. Reads a file."""
    if (found := sent_of(embedder, data_dir, clock)) is None:
        return None
    return {
        "month": found.month, "tokens": found.tokens, "cost": _cost(found.tokens, found.price),
        "most_tokens": found.most,
    }  # fmt: skip


def _cost(tokens: int, price: float | None) -> float | None:
    return None if price is None else round(tokens * price / 1e6, 4)
