"""
Tries a configuration without running it: `vragd config check`.

Blocks, and imports all that the configuration needs. Contacts nobody.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vragd.backends.registry import create_backend
from vragd.config.load import Loaded
from vragd.config.settings import AnyBackend, AnyEmbedder, Config, SourceSettings, StoreSettings
from vragd.embed.known import known
from vragd.embed.registry import create_embedder
from vragd.errors import ConfigError, VragdError
from vragd.store.resting import was_embedded_by
from vragd.stores.folder import looked_at
from vragd.stores.registry import Registry
from vragd.stores.sending import sending
from vragd.sync.readers import READ, Documents, Readers
from vragd.system.files import could_be_private
from vragd.vault.ignore import Rules


def unread(config: Config) -> list[str]:
    """What sources include and nobody reads, or not as well as it could be read; a sentence each."""
    readers = Readers(Documents(config.documents.read))
    found: list[str] = []
    for name, store in config.stores.items():
        for source in store.sources:
            rules = Rules(source.include, source.exclude)
            included = [suffix for suffix in READ if rules.excluded(f"x{suffix}") is None]
            by_reason: dict[str, list[str]] = {}
            for suffix in included:
                if why := readers.unread(f"x{suffix}") or readers.lacks(f"x{suffix}"):
                    by_reason.setdefault(why, []).append(suffix)
            where = f"source {source.label} of store {name}"
            found += [f"{where}, {' '.join(suffixes)}: {why}" for why, suffixes in by_reason.items()]
            if config.documents.read and not any(map(readers.is_document, included)):
                found.append(f"{where} includes no documents, such as *.pdf, though documents.read is true")
    return found


def can_run(loaded: Loaded) -> None:
    """Raise what the daemon would: for places it cannot use, for an embedder or a backend it cannot make."""
    could_be_private(loaded.data_dir)
    could_be_private(loaded.socket.parent)
    for name, store in loaded.config.stores.items():
        try:
            create_embedder(store.embedder.type, store.embedder, loaded.data_dir).close()
            with TemporaryDirectory() as empty:
                create_backend(store.backend.type, store.backend, Path(empty)).close()
        except VragdError as error:
            raise ConfigError(f"store {name!r}: {error.message}", hint=error.hint) from error


def sent(store: StoreSettings) -> dict[str, Any] | None:
    """What embedding all notes of a store's folders sends elsewhere, by their sizes; None if nothing. Blocks."""
    if not store.embedder.sends_to:
        return None
    sizes = list[int]()
    for one in store.sources:
        with looked_at(one.path, one.include, one.exclude) as folder:
            sizes += [note.size for note in folder.notes.values()] if folder else []
    return sending(store.embedder, len(sizes), sum(sizes))


def sent_at_start(loaded: Loaded) -> dict[str, dict[str, Any]]:
    """By store, what a daemon that starts now embeds elsewhere because that model has embedded nothing yet. Blocks."""
    registry, found = Registry(loaded), dict[str, dict[str, Any]]()
    for name, entry in registry.entries().items():
        if entry.settings is None or not entry.settings.embedder.sends_to:
            continue
        if not was_embedded_by(registry.folder(name), entry.settings):
            amount = sent(entry.settings)
            found |= {name: amount} if amount and amount["texts"] else {}
    return found


def models() -> list[dict[str, Any]]:
    """The models that are known to embed notes: `type`, and the fields of `known.Model`. Contacts nobody."""
    return [{"type": kind, **asdict(model)} for kind, model in known()]


ASKED = "how do I brew coffee"
NEAR, FAR = "Pour the hot water slowly over the ground coffee.", "The annual tax return is due at the end of May."


def pairs(settings: AnyEmbedder, data_dir: Path) -> tuple[float, float, float]:
    """
    The cosines of a question with a sentence that is near to it and one that is far; how long that took, in seconds.

    Contacts the embedder, with sentences of ours alone. Raises VragdError.
    """
    embedder = create_embedder(settings.type, settings, data_dir)
    try:
        started = time.monotonic()
        asked, (near, far) = embedder.embed_query(ASKED), embedder.embed_documents([NEAR, FAR])
        return float(asked @ near), float(asked @ far), time.monotonic() - started
    finally:
        embedder.close()


def backend_answers(settings: AnyBackend) -> None:
    """Make the backend, and have one that is shared list what it has. Raises VragdError."""
    with TemporaryDirectory() as empty:
        backend = create_backend(settings.type, settings, Path(empty))
        try:
            if settings.shared:
                backend.list_collections()
        finally:
            backend.close()


def left_out(source: SourceSettings, path: str) -> str:
    """Why the patterns of a source leave a file out; "" where they do not. Obsidian's are not asked."""
    return Rules(source.include, source.exclude).excluded(path) or ""
