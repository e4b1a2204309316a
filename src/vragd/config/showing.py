"""A configuration as it may be shown: somebody may have written a secret where none belongs."""

from __future__ import annotations

from typing import Any

from vragd.terms.hosts import without_secrets


def shown(value: Any, key: str = "") -> Any:
    """`value`, as JSON has it, of the setting `key`: without what may be a password in a URL, or behind a name."""
    if isinstance(value, dict):
        return {name: shown(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [shown(each) for each in value]
    if not isinstance(value, str):
        return value
    return without_secrets(value.partition(":")[0] if key == "user" else value)
