"""What of a chunk goes to a backend."""

from __future__ import annotations

import os

from vragd.catalog.model import ChunkRow
from vragd.sync.vectors import to_entry


def test_a_file_whose_name_is_no_utf_8_is_named_there_as_in_all_answers() -> None:
    chunk = ChunkRow(f"{'s' * 12}-0", b"", (), (1, 1), "text")
    for name, shown in ((b"caf\xe9.md", "caf%E9.md"), (b"caf\xc3\xa9.md", "café.md"), (b"100%E9.md", "100%E9.md")):
        payload = to_entry("s" * 12, "Vault", os.fsdecode(name), "café", chunk, None).payload
        assert payload["path"] == shown, "also in exports, which are made of it"
