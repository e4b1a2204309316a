"""Whether a configuration can run, found out without running it: nothing is made, and nobody is asked."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from vragd.backends.base import create_backend
from vragd.config.load import Loaded
from vragd.embed.base import create_embedder
from vragd.errors import ConfigError, VragdError
from vragd.system.files import could_be_private


def could_run(loaded: Loaded) -> None:
    """Raise what the daemon would: for places it cannot use, for an embedder or a backend it cannot make."""
    could_be_private(loaded.data_dir)
    could_be_private(loaded.socket.parent)
    for name, store in loaded.config.stores.items():
        try:
            create_embedder(store.embedder.type, store.embedder).close()
            with TemporaryDirectory() as empty:
                create_backend(store.backend.type, store.backend, Path(empty)).close()
        except VragdError as error:
            raise ConfigError(f"store {name!r}: {error.message}", hint=error.hint) from error
