"""The embeddings of the bundled vault, made once in a run of the tests and given to the stores that only need them."""

from __future__ import annotations

import fcntl
import functools
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tests.harness import VAULTS, Vragd
from vragd.catalog.writer import Catalog
from vragd.embed.base import Space
from vragd.notes import chunk
from vragd.sync.vectors import hash_of


def warm(daemon: Vragd, vault: str = "kepano") -> None:
    """
    Before the first start of the store `notes`, which then embeds no text of the vault.

    Sources, notes, chunks and the backend are as new to it as they would be: what is spared is the model's work.
    """
    space, hashes, vectors = _embedded(vault)
    folder = daemon.data / "stores" / "notes"
    assert not folder.exists(), "this store was started before"
    for part in (daemon.data, folder.parent, folder):
        part.mkdir(mode=0o700)
    catalog = Catalog(folder / "catalog.db")
    row = catalog.register_space(
        "notes", space.fingerprint(), json.dumps(asdict(space), sort_keys=True), space.dimension
    )
    catalog.save(row.id, zip(hashes, vectors, strict=True))
    catalog.close()


@functools.cache
def _embedded(vault: str) -> tuple[Space, list[bytes], np.ndarray]:
    """By the builtin model, in the first worker of this run that asks."""
    from vragd.embed.builtin.embedder import MiniLM

    place = Path(os.environ["VRAGD_TESTS_SHARED"])
    texts: dict[bytes, str] = {}
    for note in sorted((VAULTS / vault).rglob("*.md")):
        for each in chunk.read_note(note.read_bytes(), note.stem).chunks:
            texts[hash_of(each.embed_text)] = each.embed_text
    file = place / f"{vault}.npy"
    model = MiniLM(1)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            np.save(file, model.embed_documents(list(texts.values())))
    return model.space(chunk.VERSION), list(texts), np.load(file)
