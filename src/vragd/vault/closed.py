"""Which files of a source assistants are not shown, by the configuration."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

from vragd.vault.fold import same_name_key


class ClosedPaths:
    """
    The verdict on a path: of a source that is closed as a `whole`, or of these patterns. From any thread.

    Letter case is ignored, and how a name is composed: to close too much is the safer mistake.
    """

    def __init__(self, patterns: Sequence[str] = (), *, whole: bool = False) -> None:
        self.whole, self.patterns = whole, tuple(patterns)
        self.said = json.dumps([whole, list(patterns)]) if whole or patterns else ""
        """All that it is made of; "" for nothing."""
        self._spec = GitIgnoreSpec.from_lines([_key(pattern) for pattern in patterns]) if patterns else None

    def __call__(self, path: str) -> bool:
        """Whether the file at `path`, or a folder around it, is closed."""
        if self.whole or self._spec is None:
            return self.whole
        key = _key(path)
        if self._spec.match_file(key):
            return True
        end = key.find("/")
        while end >= 0:
            if self._spec.match_file(key[: end + 1]):
                return True
            end = key.find("/", end + 1)
        return False


def _key(name: str) -> str:
    return same_name_key(name, ignore_case=True)
