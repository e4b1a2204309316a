"""Types of settings: what a value in the configuration may be, and how it is read from YAML and JSON."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pathspec import GitIgnoreSpec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from vragd.errors import UsageError
from vragd.system.places import expanded


class Settings(BaseModel):
    """Frozen; unknown keys are refused, and so is a value of another type than asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _expanded(value: object) -> object:
    if not isinstance(value, str | Path):
        raise ValueError("expected a path (a ~ alone is nothing in YAML)")  # noqa: TRY004
    try:
        return expanded(str(value))
    except UsageError as error:
        raise ValueError(error.message) from None


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError(f"{value} is not an absolute path (a leading ~ is fine)")
    if "\0" in str(value):
        raise ValueError("a path cannot hold a NUL character")
    return value


def _absolute_text(value: str) -> str:
    try:
        return str(_absolute(Path(str(_expanded(value)))))
    except ValueError:  # its words quote the value, and a secret may stand where its file should
        raise ValueError("expected an absolute path; ~ is a home directory that there is") from None


def as_tuple(value: object) -> object:
    """`value`, a list of YAML or JSON as the tuple that a frozen setting holds."""
    return tuple(value) if isinstance(value, list) else value


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _valid_patterns(value: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in value:
        try:
            read = GitIgnoreSpec.from_lines([pattern]).patterns
        except (ValueError, re.error):
            raise ValueError(f"{pattern!r} is not a pattern as in .gitignore") from None
        if not any(one.include is not None for one in read):  # empty, or as a comment there
            way = rf": \{pattern} is one that begins so" if pattern.startswith("#") else ""
            raise ValueError(f"{pattern!r} is a pattern that matches nothing, as in .gitignore{way}")
    return value


AbsolutePath = Annotated[Path, BeforeValidator(_expanded), AfterValidator(_absolute)]
PathText = Annotated[str, AfterValidator(_absolute_text)]
"""An absolute path as text, so that settings are the same in Python and in JSON."""
Patterns = Annotated[tuple[str, ...], BeforeValidator(as_tuple), AfterValidator(_valid_patterns)]
Integer = Annotated[int, BeforeValidator(_whole)]
"""JSON Schema has 1.0 among the integers (Validation, 6.1.1)."""
Seconds = Annotated[float, Field(gt=0, le=2_000_000, allow_inf_nan=False)]
"""poll(2) takes milliseconds as an int: what is longer than 24 days would wait for ever, or not at all."""
