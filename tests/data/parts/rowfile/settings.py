"""The settings of the files of JSON lines."""

from __future__ import annotations

from typing import Literal

from vragd.backends.settings import BackendSettings


class RowfileBackend(BackendSettings):
    """Exact search over files of JSON lines. For stores small enough to read at every start."""

    type: Literal["rowfile"]
    sync: bool = True


Settings = RowfileBackend
