"""Arguments of a tool, checked by its schema; what is wrong is said in words a model can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class BadArguments(Exception):
    """Which argument is wrong, and how it should be."""


def checked(given: object, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, with what is not given as its default or None. Raises BadArguments."""
    if not isinstance(given, dict):
        raise BadArguments(f"arguments must be an object, not {_kind(given)}")
    takes = schema["properties"]
    if unknown := next((name for name in given if name not in takes), None):
        raise BadArguments(f"there is no argument {unknown[:60]!r}; there are: {', '.join(takes) or 'none'}")
    if missing := next((name for name in schema.get("required", ()) if given.get(name) is None), None):
        raise BadArguments(f"the argument {missing} is missing")
    return {name: _checked(name, given.get(name), rule) for name, rule in takes.items()}


def _checked(name: str, value: Any, rule: Mapping[str, Any]) -> Any:
    if value is None:
        return rule.get("default")
    if rule["type"] == "string":
        if not isinstance(value, str):
            raise BadArguments(f"{name} must be a text, not {_kind(value)}")
        if not rule.get("minLength", 0) <= len(value) <= rule["maxLength"]:
            least = rule.get("minLength", 0)
            raise BadArguments(f"{name} has {len(value):,} characters; it may have {least} to {rule['maxLength']:,}")
        return value
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(whole, bool) or not isinstance(whole, int):
        raise BadArguments(f"{name} must be a whole number, not {_kind(value)}")
    if not rule["minimum"] <= whole <= rule["maximum"]:
        raise BadArguments(f"{name} must be from {rule['minimum']} to {rule['maximum']}")
    return whole


def _kind(value: object) -> str:
    """What JSON calls it."""
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")
