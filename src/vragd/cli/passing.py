"""How far something is: a line on a terminal that is written over, and gone in the end. Standard library only."""

from __future__ import annotations

import sys
from typing import TextIO


class Passing:
    """A line on `stream`, if that is a terminal; by default on standard error, past any pager."""

    def __init__(self, stream: TextIO | None = None) -> None:
        stream = sys.__stderr__ if stream is None else stream
        self._stream = stream if stream is not None and stream.isatty() else None
        self._shown = False

    def show(self, text: str) -> None:
        """Write it over what was shown before."""
        if self._stream is not None:
            self._stream.write(f"\r\033[K{text}")
            self._stream.flush()
            self._shown = True

    def end(self) -> None:
        """Take it away."""
        if self._stream is not None and self._shown:
            self._stream.write("\r\033[K")
            self._stream.flush()
            self._shown = False
