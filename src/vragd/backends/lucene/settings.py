"""What the settings of engines on top of Lucene have in common. Loads no client."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import parse_qsl, unquote

from pydantic import AfterValidator, Field, field_validator, model_validator

from vragd.backends.settings import BackendSettings
from vragd.terms.fields import Integer, PathText, Seconds
from vragd.terms.hosts import is_loopback

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
_URL = re.compile(
    r"(?:(?P<type>[a-z0-9]+)\+)?(?P<scheme>https?)://(?P<who>[^/?#]*@)?(?P<host>[^/?#@]*)/?(\?(?P<more>[^#]*))?"
)
_MISPLACED = "a password does not belong here: use the environment or password_file"
PORTS = {"https": 443, "http": 9200}
"""As their own clients have it."""


def hosts(text: str, scheme: str) -> list[tuple[str, int]]:
    """Name and port of each host of a list with commas. Raises ValueError for what is none."""
    found = []
    for part in text.split(","):
        if not (host := _HOST.fullmatch(part)) or not 0 < int(host["port"] or 1) < 65_536:
            raise ValueError("expected HOST[:PORT], several with commas")
        found.append((host["name"].strip("[]"), int(host["port"] or PORTS[scheme])))
    return found


def _user(text: str) -> str:
    if ":" in text or not text.isprintable():
        raise ValueError("expected a user's name, which has no colon")
    return text


class LuceneSettings(BackendSettings):
    """
    Indices of a server or a cluster. `url` may be given instead of the parts it holds.

    A password is no setting: it is looked for in `password_file` and in the environment.
    """

    host: str
    scheme: Literal["https", "http"] = "https"
    user: Annotated[str, Field(min_length=1), AfterValidator(_user)] | None = None
    password_file: PathText | None = None
    ca_file: PathText | None = None
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)] = "vragd-"
    index: Literal["auto", "exact", "hnsw"] = "auto"
    m: Annotated[Integer, Field(ge=2, le=512)] = 16
    ef_construction: Annotated[Integer, Field(ge=4, le=3_200)] = 100
    candidates: Annotated[Integer, Field(ge=10, le=10_000)] = 200
    replicas: Annotated[Integer, Field(ge=0, le=20)] | None = None
    pool_size: Annotated[Integer, Field(ge=1, le=50)] = 8
    remote_text: bool = False
    timeout_s: Seconds = 30.0
    query_timeout_s: Seconds = 5.0

    shared: ClassVar[bool] = True
    title: ClassVar[str] = ""
    """What people call the engine."""
    word_from: ClassVar[str] = ""
    """The variable of the environment that a password is looked for in."""

    @model_validator(mode="before")
    @classmethod
    def _parts_of_url(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or "url" not in given:
            return given
        parts = _parts(given["url"], given.get("type"), cls.typed)
        if twice := sorted(parts.keys() & given.keys()):
            raise ValueError(f"{twice[0]} is in url, too: say it once")
        return {key: value for key, value in given.items() if key != "url"} | parts

    @field_validator("host")
    @classmethod
    def _is_list_of_hosts(cls, value: str) -> str:
        hosts(value, "https")
        return value

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if self.scheme == "http" and self.leaves_machine():
            raise ValueError("expected https: vectors never leave this machine unencrypted")
        return self

    @classmethod
    def from_url(cls, url: str) -> Self:
        """`TYPE+https://[USER@]HOST[:PORT][,HOST…]?prefix=…`, and any other setting by its key."""
        (kind,) = cls.model_fields["type"].annotation.__args__  # type: ignore[union-attr]
        return cls.model_validate_json(json.dumps({"type": kind, "url": url}))

    def where(self) -> str:
        return f"{self.title} at {self.host}, indices {self.prefix}*"

    def leaves_machine(self) -> bool:
        return any(not is_loopback(name) for name, _ in hosts(self.host, self.scheme))

    @property
    def longest_call_s(self) -> float:
        """Each host may keep one waiting, and a connection that was kept and turns out to be dead is replaced once."""
        return (len(hosts(self.host, self.scheme)) + 1) * self.timeout_s


def _parts(url: object, kind: object, typed: Callable[[str, str], object]) -> dict[str, Any]:
    """The settings in a URL. Raises ValueError, which never quotes it."""
    if not isinstance(url, str) or not (parts := _URL.fullmatch(url)) or parts["type"] not in (None, kind):
        if isinstance(url, str) and ":" in url.partition("://")[2].rpartition("@")[0]:  # also one with / or ? in it
            raise ValueError(_MISPLACED)
        raise ValueError("expected url as https://USER@HOST[:PORT]?KEY=VALUE")
    who, colon, _ = (parts["who"] or "").removesuffix("@").partition(":")
    if colon or "@" in (parts["more"] or ""):
        raise ValueError(_MISPLACED)
    found: dict[str, Any] = {"host": unquote(parts["host"]), "scheme": parts["scheme"]}
    if who:
        found["user"] = unquote(who)
    for key, value in parse_qsl(parts["more"] or "", keep_blank_values=True):
        if key in ("password", "api_key"):
            raise ValueError(_MISPLACED)
        if key in found or key in ("type", "url"):
            raise ValueError(f"{key} is in url twice" if key in found else f"{key} cannot be in url")
        found[key] = typed(key, value)
    return found
