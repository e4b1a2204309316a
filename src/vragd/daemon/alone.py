"""A question without a daemon, in the process of the command that asks: as little is loaded as it takes."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from vragd.client import encoded
from vragd.config.load import Loaded
from vragd.server import alone
from vragd.stores import unattended
from vragd.system.log import set_up


def ask_alone(loaded: Loaded, body: Any) -> Any:
    """
    What `/v1/query` answers where no daemon runs, by words alone: nothing is opened for writing. Raises VragdError.
    """
    set_up(level="error", style=loaded.config.log.format, show_paths=loaded.config.log.paths)
    return json.loads(alone.query(encoded(body), partial(unattended.query, loaded)))
