"""The embedders of all stores: one of each kind, however many stores it serves."""

from __future__ import annotations

import threading
from contextlib import suppress

from pydantic import TypeAdapter, ValidationError

from vragd.embed.base import Embedder, create_embedder
from vragd.errors import VragdError
from vragd.settings import EmbedderSettings, OllamaEmbedder


class Embedders:
    """One embedder per distinct settings, shared by stores. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, Embedder] = {}

    def get(self, settings: EmbedderSettings) -> Embedder:
        """The embedder for these settings; loads a model the first time."""
        with self._lock:
            key = settings.model_dump_json()
            if key not in self._made:
                self._made[key] = create_embedder(settings.type, settings)
            return self._made[key]

    def expect(self, settings: EmbedderSettings) -> None:
        """Begin to load the embedder for these settings on a thread beside, so that `get` finds it."""
        threading.Thread(target=self._load, args=(settings,), name="embedder", daemon=True).start()

    def _load(self, settings: EmbedderSettings) -> None:
        with suppress(Exception):  # what fails here fails again for `get`, where somebody listens
            self.get(settings)

    def recorded(self, record: str) -> Embedder | None:
        """
        The embedder of settings as they once were, in JSON; None if there is none of them in this version.

        None for one that may be elsewhere, too: that it was allowed once is no leave to send it questions now.
        """
        try:
            settings: EmbedderSettings = TypeAdapter(EmbedderSettings).validate_json(record)
            if isinstance(settings, OllamaEmbedder) and settings.allow_remote:
                return None
            return self.get(settings)
        except (ValidationError, VragdError):
            return None

    def close(self) -> None:
        with self._lock:
            for embedder in self._made.values():
                embedder.close()
