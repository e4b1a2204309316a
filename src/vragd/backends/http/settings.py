"""What the settings of servers that are reached over HTTP have in common. Loads no client."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import parse_qsl, unquote

from pydantic import Field, field_validator, model_validator

from vragd.backends.settings import BackendSettings
from vragd.terms.fields import Integer, PathText, Seconds
from vragd.terms.hosts import is_loopback

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
_URL = re.compile(
    r"(?:(?P<type>[a-z0-9]+)\+)?(?P<scheme>https?)://(?P<who>[^/?#]*@)?(?P<host>[^/?#@]*)/?(\?(?P<more>[^#]*))?"
)
_SECRETS = frozenset({"password", "api_key"})


class HttpSettings(BackendSettings):
    """
    A server or a cluster. `url` may be given instead of the parts it holds.

    A secret is no setting: it is looked for in a file and in the environment.
    """

    host: str
    scheme: Literal["https", "http"] = "https"
    ca_file: PathText | None = None
    pool_size: Annotated[Integer, Field(ge=1, le=50)] = 8
    remote_text: bool = False
    timeout_s: Seconds = 30.0
    query_timeout_s: Seconds = 5.0

    shared: ClassVar[bool] = True
    title: ClassVar[str] = ""
    """What people call the server."""
    ports: ClassVar[Mapping[str, int]] = {"https": 443, "http": 80}
    """Where it listens if nothing is said, by scheme: as its own clients have it."""
    shown: ClassVar[str] = "secret"
    """What it is shown, for people."""
    looked_for_in: ClassVar[str] = ""
    """Where that is looked for, for people."""

    @model_validator(mode="before")
    @classmethod
    def _parts_of_url(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or "url" not in given:
            return given
        parts = cls._parts(given["url"], given.get("type"))
        if twice := sorted(parts.keys() & given.keys()):
            raise ValueError(f"{twice[0]} is in url, too: say it once")
        return {key: value for key, value in given.items() if key != "url"} | parts

    @field_validator("host")
    @classmethod
    def _is_list_of_hosts(cls, value: str) -> str:
        _hosts(value, 1)
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

    def hosts(self) -> list[tuple[str, int]]:
        """Name and port of each host."""
        return _hosts(self.host, self.ports[self.scheme])

    def leaves_machine(self) -> bool:
        return any(not is_loopback(name) for name, _ in self.hosts())

    @property
    def longest_call_s(self) -> float:
        """Each host may keep one waiting, and a connection that was kept and turns out to be dead is replaced once."""
        return (len(self.hosts()) + 1) * self.timeout_s

    @classmethod
    def _parts(cls, url: object, kind: object) -> dict[str, Any]:
        """The settings in a URL. Raises ValueError, which never quotes it."""
        misplaced = f"a {cls.shown} does not belong here: use {cls.looked_for_in}"
        has_user = "user" in cls.model_fields
        if not isinstance(url, str) or not (parts := _URL.fullmatch(url)) or parts["type"] not in (None, kind):
            if isinstance(url, str) and ":" in url.partition("://")[2].rpartition("@")[0]:  # also one with / or ? in it
                raise ValueError(misplaced)
            of_type = f"{kind}+" if kind else ""  # without it it is no URL of the command line
            raise ValueError(f"expected url as {of_type}https://{'USER@' if has_user else ''}HOST[:PORT]?KEY=VALUE")
        who, colon, _ = (parts["who"] or "").removesuffix("@").partition(":")
        if colon or "@" in (parts["more"] or "") or (who and not has_user):
            raise ValueError(misplaced)
        found: dict[str, Any] = {"host": unquote(parts["host"]), "scheme": parts["scheme"]}
        if who:
            found["user"] = unquote(who)
        for key, value in parse_qsl(parts["more"] or "", keep_blank_values=True):
            if key in _SECRETS:
                raise ValueError(misplaced)
            if key in found or key in ("type", "url"):
                raise ValueError(f"{key} is in url twice" if key in found else f"{key} cannot be in url")
            found[key] = cls.typed(key, value)
        return found


def _hosts(text: str, port: int) -> list[tuple[str, int]]:
    """Name and port of each host of a list with commas. Raises ValueError for what is none."""
    found = []
    for part in text.split(","):
        if not (host := _HOST.fullmatch(part)) or not 0 < int(host["port"] or 1) < 65_536:
            raise ValueError("expected HOST[:PORT], several with commas")
        found.append((host["name"].strip("[]"), int(host["port"] or port)))
    return found
