"""A picture as PNG: its points on white, and nothing else. Letters need a font, which SVG leaves to its reader."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

from vragd.cli.map.colours import OTHER, PALETTE, coloured

SIZE, MARGIN = 1200, 48


def drawn(picture: Mapping[str, Any]) -> bytes:
    """The file."""
    notes = picture["notes"]
    rows = [bytearray(b"\xff" * 3 * SIZE) for _ in range(SIZE)]
    radius = 3.0 if len(notes) > 3_000 else 4.5
    for note, colour in zip(notes, coloured(notes), strict=True):
        _point(rows, _across(note["x"]), _across(-note["y"]), radius, bytes.fromhex((*PALETTE, OTHER)[colour]))
    head = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0)  # 8 bits each of red, green, blue
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 6)
    return b"\x89PNG\r\n\x1a\n" + _part(b"IHDR", head) + _part(b"IDAT", data) + _part(b"IEND", b"")


def _part(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _point(rows: list[bytearray], x: float, y: float, radius: float, colour: bytes) -> None:
    """A disc; where it ends within a pixel, that is between the two colours."""
    for row in range(int(y - radius), int(y + radius) + 1):
        for column in range(int(x - radius), int(x + radius) + 1):
            far = ((column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2) ** 0.5
            share = min(1.0, max(0.0, radius + 0.5 - far))
            if share:
                at = 3 * column
                for part in range(3):
                    was = rows[row][at + part]
                    rows[row][at + part] = round(was + (colour[part] - was) * share)


def _across(x: float) -> float:
    return SIZE / 2 + x * (SIZE / 2 - MARGIN)
