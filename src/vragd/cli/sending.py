"""What starting a daemon sends elsewhere, said before it is sent. Nothing heavy is imported where nothing is sent."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vragd.cli.reasons import on_sending
from vragd.cli.render import say, within
from vragd.errors import VragdError

if TYPE_CHECKING:
    from vragd.config.load import Loaded

COUNT_S = 10.0
"""How long a start waits for notes to be counted: their file system may hang."""


def say_at_start(loaded: Loaded, within_s: float = COUNT_S) -> None:
    """Say what a daemon that is started now sends to another machine because that model has embedded nothing yet."""
    made = any((loaded.data_dir / "stores").glob("*/store.json"))  # by commands
    if not made and not any(store.embedder.sends_to for store in loaded.config.stores.values()):
        return  # what follows takes a while to import
    from vragd.stores import trial

    found = dict[str, dict[str, Any]]()

    def count() -> None:
        with suppress(VragdError, OSError):  # whoever starts then says what is wrong
            found.update(trial.sent_at_start(loaded))

    looking = threading.Thread(target=count, name="sending", daemon=True)
    looking.start()
    looking.join(within_s)
    for name, sending in list(found.items()):
        say(within(f"store {name}: {on_sending(sending)}"))
    if looking.is_alive():
        say("what is sent elsewhere could not be counted: a folder does not answer, or is very large")
