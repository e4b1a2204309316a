"""The embedders of all stores: one of each kind, however many stores it serves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vragd.embed.base import Embedder
from vragd.embed.registry import create_embedder
from vragd.embed.settings import EmbedderSettings, of_record
from vragd.errors import ConfigError, EmbedderRefused, EmbedderUnavailable, VragdError

LOADING_S = 5.0  # by far the longest that loading takes


class Embedders:
    """One embedder per distinct settings, shared by stores. Thread-safe."""

    def __init__(
        self,
        create: Callable[[str, EmbedderSettings, Path | None], Embedder] = create_embedder,
        data_dir: Path | None = None,
    ) -> None:
        self._create, self._data_dir = create, data_dir
        self._lock = threading.Lock()
        self._made: dict[str, Embedder] = {}
        self._loading: dict[str, threading.Thread] = {}
        self._closed = False

    def get(self, settings: EmbedderSettings) -> Embedder:
        """
        The embedder for these settings; loads a model the first time.

        Raises EmbedderUnavailable when closed, and EmbedderRefused for one that cannot be made of them: words are
        found without.
        """
        with self._lock:
            if self._closed:
                raise EmbedderUnavailable("vragd is stopping")
            key = settings.model_dump_json()
            if key not in self._made:
                try:
                    self._made[key] = self._create(settings.type, settings, self._data_dir)
                except ConfigError as error:
                    raise EmbedderRefused(error.message, hint=error.hint) from error
            return self._made[key]

    def expect(self, settings: EmbedderSettings) -> None:
        """Begin to load the embedder for these settings on a thread beside, so that `get` finds it. One caller's."""
        key = settings.model_dump_json()
        if key not in self._loading:
            self._loading[key] = threading.Thread(target=self._load, args=(settings,), name="embedder", daemon=True)
            self._loading[key].start()

    def _load(self, settings: EmbedderSettings) -> None:
        with suppress(Exception):  # what fails here fails again for `get`, where somebody listens
            self.get(settings)

    def recorded(self, record: str) -> Embedder | None:
        """
        The embedder of settings as they once were, in JSON; None if there is none of them in this version.

        None for one that may be elsewhere, too: that it was allowed once is no leave to send it questions now.
        """
        try:
            settings = of_record(record)
            if settings.leaves_machine():
                return None
            return self.get(settings)
        except (ValueError, VragdError):
            return None

    def close(self) -> None:
        """Close all of them, and wait for one that is being loaded: it must not be when the interpreter ends."""
        with self._lock:
            self._closed = True
            for embedder in self._made.values():
                embedder.close()
        for thread in self._loading.values():
            thread.join(LOADING_S)
