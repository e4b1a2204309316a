"""The settings of the search in memory: there are none."""

from __future__ import annotations

from typing import Literal

from vragd.backends.settings import BackendSettings


class MemoryBackend(BackendSettings):
    """Exact search in memory, rebuilt at every start. For small stores and for tests."""

    type: Literal["memory"]


Settings = MemoryBackend
