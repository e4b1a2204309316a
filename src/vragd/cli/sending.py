"""What starting a daemon sends elsewhere, said before it is sent. Nothing heavy is imported where nothing is sent."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from vragd.cli.reasons import on_sending
from vragd.cli.render import say, within
from vragd.errors import VragdError

if TYPE_CHECKING:
    from vragd.config.load import Loaded


def say_at_start(loaded: Loaded) -> None:
    """Say what a daemon that is started now sends to another machine because that model has embedded nothing yet."""
    made = any((loaded.data_dir / "stores").glob("*/store.json"))  # by commands
    if not made and not any(store.embedder.sends_to for store in loaded.config.stores.values()):
        return  # what follows takes a while to import
    from vragd.stores import trial

    with suppress(VragdError, OSError):  # whoever starts then says what is wrong
        for name, sending in trial.sent_at_start(loaded).items():
            say(within(f"store {name}: {on_sending(sending)}"))
