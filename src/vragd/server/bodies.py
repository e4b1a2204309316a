"""What all bodies that go over the socket have in common, and what those of several routes are made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from vragd.terms.fields import as_tuple

Strings = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]

MAX_FLOAT32 = 3.4028234663852886e38
Finite = Annotated[float, Field(ge=-MAX_FLOAT32, le=MAX_FLOAT32, allow_inf_nan=False)]


class Body(BaseModel):
    # a validator takes a millisecond to make: each is made when it is first asked for, not while the daemon starts
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Request(Body):
    """Read from JSON: a value of another type than asked for is refused."""

    model_config = ConfigDict(strict=True)


class UnknownModel(Body):
    """
    A tag, property or folder the question names and no note has, or a note whose links it asks for and that there is
    not. `nearest` is one that there is, or empty.
    """

    kind: Literal["tag", "property", "folder", "note"]
    name: str
    nearest: str
