"""What is wrong with a configuration: errors that name file, line, key, what was expected and the nearest known key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from vragd.config.settings import Config
from vragd.config.variants import OneOf
from vragd.errors import ConfigError, nearest

Loc = tuple[str | int, ...]


def complaint(name: str, line: int, what: str, *, hint: str = "") -> ConfigError:
    """The error that `what` is wrong in line `line` of the file called `name`."""
    return ConfigError(f"{name}:{line}: {what}", hint=hint, line=line)


def dotted(path: Iterable[str | int]) -> str:
    """The path of a key, for people."""
    return ".".join(str(part) for part in path)


def refusal(items: Sequence[Mapping[str, Any]], lines: Mapping[Loc, int], name: str) -> ConfigError:
    """One error for all that pydantic finds wrong; its `line` is that of the first. `lines` are those of the keys."""
    told = [_told(item, lines) for item in items]
    return ConfigError(
        "\n".join(f"{name}:{line}: {what}" for line, what in told),
        hint="vragd config check tries a file without starting",
        line=told[0][0],
    )


def _without_password(text: str) -> str:
    """`text` without what stands between a colon and an @, where a URL would have a password."""
    return re.sub(r":\S.*@", ":…@", text, flags=re.DOTALL)


def _told(item: Mapping[str, Any], lines: Mapping[Loc, int]) -> tuple[int, str]:
    line, what = _complaint(item, lines)
    return line, _without_password(what)


def _complaint(item: Mapping[str, Any], lines: Mapping[Loc, int]) -> tuple[int, str]:
    # pydantic puts the tag of a union and '[key]' into the path; the file has neither
    loc: Loc = tuple(part for part in item["loc"])
    shown = loc
    while shown and shown not in lines:
        dropped = [shown[:i] + shown[i + 1 :] for i in range(len(shown) - 1, -1, -1)]
        shown = next((path for path in dropped if path in lines), shown[:-1])
    line = lines.get(shown, 1)
    if item["type"] == "extra_forbidden":
        known = _known_keys(loc[:-1])
        near = nearest(str(loc[-1]), known)
        advice = f"did you mean {near!r}?" if near else f"known here: {', '.join(known)}"
        return line, f"unknown key {dotted(shown)!r}; {advice}"
    if item["type"] == "missing":
        return line, f"{dotted(shown) or 'the file'} needs the key {str(loc[-1])!r}"
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] != "value_error":  # ours may begin with what was given
        message = message[0].lower() + message[1:]
    value = item.get("input")
    found = f", found {value!r}" if isinstance(value, str | int | float | bool | None) else ""
    return line, f"{dotted(shown)}: {message}{found}"


def _known_keys(loc: Loc) -> list[str]:
    """The keys of the model at `loc`, or of all models when a union hides which one it is."""
    models: list[type[BaseModel]] = [Config]
    for part in loc:
        field = models[0].model_fields.get(str(part)) if len(models) == 1 else None
        if field is not None:
            models = _models_of(field)
        elif len(models) > 1:
            models = [model for model in models if _tag(model) == part] or models
    return sorted({key for model in models for key in model.model_fields})


def _models_of(field: FieldInfo) -> list[type[BaseModel]]:
    for mark in field.metadata:
        if isinstance(mark, OneOf):
            return mark.classes()
    return _models_in(field.annotation)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for arg in getattr(annotation, "__args__", ()) for model in _models_in(arg)]


def _tag(model: type[BaseModel]) -> object:
    return getattr(model.model_fields["type"].annotation, "__args__", (None,))[0]
