"""What is wrong with a configuration: errors that name file, line, key, what was expected and the nearest known key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from vragd.config.settings import Config
from vragd.errors import ConfigError, nearest
from vragd.terms.variants import OneOf

Loc = tuple[str | int, ...]
_MAY_BE_SECRET = re.compile(
    r"(^|_)((api)?key|pass|passfile|pass(word|phrase)|pwd|secret|token|auth|credentials?|user|host|ur[il])(_|$)", re.I
)
"""Settings that name a secret, or in which people write one: what stands there is not shown."""
IN_QUOTES = "in quotes, if it looks like a number, a date, yes, no, on or off"
_SHAPES = {
    "tuple_type": "a list, such as [A, B] or a line '- A' for each",
    "dict_type": "keys with values below it",
    "model_type": "keys with values below it",
    "model_attributes_type": "keys with values below it",
    "int_type": "a whole number without quotes or a unit",
    "int_from_float": "a whole number",
    "float_type": "a number without quotes or a unit",
    "bool_type": "true or false, without quotes",
    "string_type": f"a text; {IN_QUOTES}",
}
"""What pydantic says in Python's words, in those of the file."""
_QUOTED = 4  # characters that a text has at least which is looked for in a message


def complaint(name: str, line: int, what: str, *, hint: str = "") -> ConfigError:
    """The error that `what` is wrong in line `line` of the file called `name`."""
    return ConfigError(f"{name}:{line}: {what}", hint=hint, line=line)


def dotted(path: Iterable[str | int]) -> str:
    """The path of a key, for people, without what may be a password in the place of one."""
    return ".".join(_masked(str(part)) for part in path)


def refusal(items: Sequence[Mapping[str, Any]], lines: Mapping[Loc, int], name: str) -> ConfigError:
    """One error for all that pydantic finds wrong; its `line` is that of the first. `lines` are those of the keys."""
    told = [_complaint(item, lines) for item in items]
    return ConfigError(
        "\n".join(f"{name}:{line}: {what}" for line, what in told),
        hint="vragd config check tries a file without starting",
        line=told[0][0],
    )


def _masked(text: str) -> str:
    """`text` without what in a URL would be a password, or a query that may hold a key."""
    if "://" in text:
        text = re.sub(r"[?#][^@]*$", "?…", text)
    return re.sub(r":.*@", ":…@", text, flags=re.DOTALL)


def _strings(value: object, key: str) -> Iterator[tuple[str, str]]:
    """All texts in `value`, the setting `key`, and each as it may be shown."""
    if isinstance(value, str):
        yield value, "…" if _MAY_BE_SECRET.search(key) else _masked(value)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield str(name), _masked(str(name))
            yield from _strings(each, str(name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each, key)


def _unquoting(message: str, value: object, key: str) -> str:
    """A validator's `message` without what it quotes of `value` that may not be shown."""
    for text, shown in sorted(_strings(value, key), key=lambda pair: -len(pair[0])):
        if text != shown and len(text) >= _QUOTED:
            message = message.replace(text, shown).replace(repr(text)[1:-1], shown)
    return message


def _complaint(item: Mapping[str, Any], lines: Mapping[Loc, int]) -> tuple[int, str]:
    # pydantic puts the tag of a union and '[key]' into the path; the file has neither
    loc: Loc = tuple(part for part in item["loc"])
    path = loc
    while path and path not in lines:
        dropped = [path[:i] + path[i + 1 :] for i in range(len(path) - 1, -1, -1)]
        path = next((each for each in dropped if each in lines), path[:-1])
    line, shown = lines.get(path, 1), dotted(path)
    key = str(loc[-1]) if loc else ""
    if item["type"] == "extra_forbidden":
        known = _known_keys(loc[:-1])
        near = nearest(key, known)
        advice = f"did you mean {near!r}?" if near else f"known here: {', '.join(known)}"
        return line, f"unknown key {shown!r}; {advice}"
    if item["type"] == "missing":
        return line, f"{shown or 'the file'} needs the key {key!r}"
    value = item.get("input")
    if key == "[key]" or item["type"] == "invalid_key":
        at = dotted(loc[:-2]) or "the file"
        found = _found(value, (*path, key)).replace("found ", "found the key ", 1)
        return line, f"{at}: expected a text; {IN_QUOTES}{found}"
    if item["type"] == "union_tag_not_found":
        return line, f"{shown} needs the key 'type'"
    if expected := _SHAPES.get(item["type"]):
        kind = {list: "a list", dict: "keys", type(None): "nothing: leave the key out to have what is usual"}
        found = f", found {kind[type(value)]}" if type(value) in kind else _found(value, (*path, key))
        return line, f"{shown}: expected {expected}{found}"
    message = _unquoting(str(item["msg"]).removeprefix("Value error, "), value, key)
    if item["type"] != "value_error":  # ours may begin with what was given
        message = message[0].lower() + message[1:]
    return line, f"{shown}: {message}{_found(value, (*path, key))}"


def _found(value: object, path: Loc) -> str:
    """The end of a complaint: what was found, unless it may be a secret."""
    if isinstance(value, str) and any(_MAY_BE_SECRET.search(str(part)) for part in path[-2:]):
        return "; what was found may be a secret, and is not shown"
    if isinstance(value, str):
        return f", found {_masked(value)!r}"
    if value is None or isinstance(value, bool):  # as the file has them
        return f", found {'nothing' if value is None else str(value).lower()}"
    return f", found {value!r}" if isinstance(value, int | float) else ""


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
