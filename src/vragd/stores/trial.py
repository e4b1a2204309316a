"""
Tries a configuration without running it: `vragd config check`.

Blocks, and imports all that the configuration needs. Contacts nobody.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vragd.backends.registry import create_backend
from vragd.config.load import Loaded
from vragd.config.settings import DEFAULT_INCLUDE, AnyBackend, AnyEmbedder, Config, SourceSettings, StoreSettings
from vragd.embed.known import known
from vragd.embed.registry import create_embedder
from vragd.errors import ConfigError, VragdError
from vragd.search.tongue import SAMPLE, share_foreign
from vragd.store.resting import was_embedded_by
from vragd.stores.registry import Registry
from vragd.stores.sending import sending
from vragd.sync.readers import READ, Documents, Readers
from vragd.sync.sampled import passages_of
from vragd.system.cores import usable_cores
from vragd.system.files import could_be_private
from vragd.vault.ignore import Rules
from vragd.vault.read import Content
from vragd.vault.scan import Scan
from vragd.vault.source import Source

MAX_BYTES = 8 << 20


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


def counted(folder: Path) -> tuple[int, int] | None:
    """
    How many notes there are below a folder, and how many files and folders of it Obsidian excludes; None where nobody
    can tell now. Blocks.
    """
    found = _scanned(folder, DEFAULT_INCLUDE)
    if found is None:
        return None
    return len(found.notes), sum(why == "excluded_by_obsidian" for why in found.skipped.values())


def _scanned(folder: Path, include: Sequence[str], exclude: Sequence[str] = ()) -> Scan | None:
    """What is in a folder; None where nobody can tell now."""
    with _opened(folder, include, exclude) as source:
        found = source.scan(proven=True) if source else None
    return None if found is None or found.stopped else found


@contextmanager
def _opened(
    folder: Path, include: Sequence[str] = DEFAULT_INCLUDE, exclude: Sequence[str] = ()
) -> Iterator[Source | None]:
    """A folder as a source that knows its rules; None where it is away."""
    source = Source(folder, 0, "", label=folder.name, include=include, exclude=exclude, max_file_bytes=MAX_BYTES)
    root = source.find(expect_obsidian=False)
    if root is None:
        yield None
        return
    try:
        source.take(root)
        source.refresh_rules(root, proven=True)
        yield source
    finally:
        source.close()


def sent(store: StoreSettings) -> dict[str, Any] | None:
    """What embedding all notes of a store's folders sends elsewhere, by their sizes; None if nothing. Blocks."""
    if not store.embedder.sends_to:
        return None
    scans = [_scanned(one.path, one.include, one.exclude) for one in store.sources]
    notes = [note for scan in scans if scan is not None for note in scan.notes.values()]
    return sending(store.embedder, len(notes), sum(note.size for note in notes))


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


TRIED_NOTES, TRIED_TEXTS, TRIED_S = 40, 64, 1.5
"""Of a folder so many notes are looked at, and of their passages so many embedded, for so long at most."""
MOST_CORES = 8  # that a model in this process takes
BESIDE_EMBEDDING = 1.25
"""What an index takes by what its embedding does: `python -m bench bulk` has the time outside the embedder."""


def seconds_to_index(folder: Path, settings: AnyEmbedder) -> tuple[float, float] | None:
    """
    How long this machine takes to index what is below a folder if it does nothing else, and as busy as it is now: a few
    passages of it are embedded.

    None where nobody can tell, as of a folder that is away. For an embedder of this process: nothing is to be sent
    before it was said. Reads notes, blocks for some seconds.
    """
    with _opened(folder) as source:
        if source is None:
            return None
        notes = source.scan(proven=True).notes
        paths = sorted(notes)[:: max(1, len(notes) // TRIED_NOTES)]
        read = [(path, one.data) for path in paths if isinstance(one := source.read(path), Content)]
    texts = passages_of(read)
    n_bytes = sum(len(data) for _, data in read)
    if not texts or not n_bytes:
        return 0.0, 0.0
    try:
        alone, now = _s_a_text(texts[:: max(1, len(texts) // TRIED_TEXTS)], settings)
    except VragdError:
        return None
    share = n_bytes / max(n_bytes, sum(note.size for note in notes.values()))
    n = BESIDE_EMBEDDING * len(texts) / share
    return n * min(alone, now), n * now


def _s_a_text(texts: Sequence[str], settings: AnyEmbedder) -> tuple[float, float]:
    """How many seconds a text takes that is embedded among others: of all cores, and now. Raises VragdError."""
    embedder = create_embedder(settings.type, settings)
    try:
        n, size = 0, embedder.batch_size
        embedder.embed_documents(texts[:1])  # loads the model
        started, worked = time.monotonic(), time.process_time()
        while n < len(texts) and time.monotonic() - started < TRIED_S:
            n += len(embedder.embed_documents(texts[n : n + size]))
        cores = min(MOST_CORES, usable_cores())
        return (time.process_time() - worked) / cores / n, (time.monotonic() - started) / n
    finally:
        embedder.close()


def share_foreign_in(folder: Path) -> float:
    """The share of the notes below a folder, of a sample of them, that are not English. Reads them, blocks."""
    with _opened(folder) as source:
        if source is None:
            return 0.0
        paths = sorted(source.scan(proven=True).notes)
        sample = paths[:: max(1, len(paths) // SAMPLE)]
        read = (source.read(path) for path in sample)
        return share_foreign(one.data.decode("utf-8", "replace") for one in read if isinstance(one, Content))


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
