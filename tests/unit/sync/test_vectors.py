"""What of a chunk goes to a backend."""

from __future__ import annotations

import json
import os

import xxhash

from vragd.catalog.model import ChunkRow
from vragd.sync.vectors import meta_hash, metadata_of, to_entry


def test_a_file_whose_name_is_no_utf_8_is_named_there_as_in_all_answers() -> None:
    chunk = ChunkRow(f"{'s' * 12}-0", b"", (), (1, 1), "text")
    for name, shown in ((b"caf\xe9.md", "caf%E9.md"), (b"caf\xc3\xa9.md", "café.md"), (b"100%E9.md", "100%E9.md")):
        payload = to_entry("s" * 12, "Vault", os.fsdecode(name), "café", chunk, None).payload
        assert payload["path"] == shown, "also in exports, which are made of it"


def test_its_folder_is_the_one_that_answers_print_and_one_that_was_put_otherwise_is_put_again() -> None:
    def meta(path: str) -> bytes:
        return meta_hash("Vault", path, "a", (), (1, 1), b"")

    odd = os.fsdecode(b"caf\xe9/deep/a.md")
    assert metadata_of("s" * 12, odd)["folder"] == ("caf%E9", "caf%E9/deep")
    as_it_was = json.dumps(("Vault", odd, "a", (), (1, 1), ""))
    assert meta(odd) != xxhash.xxh3_64_digest(as_it_was.encode())
    plain = json.dumps(("Vault", "caf\xe9/a.md", "a", (), (1, 1), ""))
    assert meta("caf\xe9/a.md") == xxhash.xxh3_64_digest(plain.encode()), "of any other it stays"
