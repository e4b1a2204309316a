"""The settings of PostgreSQL with pgvector. Loads no client."""

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

_NAME = r"^[a-z_][a-z0-9_]*$"
_HOST = re.compile(r"(?P<name>/[^\0,]*|[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\])(:(?P<port>[0-9]{1,5}))?")
_URL = re.compile(
    r"(pgvector|postgresql|postgres)://(?P<who>[^/?#]*@)?(?P<host>[^/?#@]*)/?(?P<db>[^/?#]*)(\?(?P<more>[^#]*))?"
)
_IN_CLEAR = frozenset({"disable", "allow", "prefer"})
_MISPLACED = "a password does not belong here: use PGPASSWORD, passfile or ~/.pgpass"


def hosts(text: str) -> list[tuple[str, str]]:
    """Name, or folder of a socket, and port of each host of a list with commas. Raises ValueError for what is none."""
    found = []
    for part in text.split(","):
        if not (host := _HOST.fullmatch(part)) or not 0 < int(host["port"] or 5432) < 65_536:
            raise ValueError("expected HOST[:PORT], several with commas, or the folder of a socket")
        found.append((host["name"].strip("[]"), host["port"] or "5432"))
    return found


def _plain(text: str) -> str:
    if "\0" in text or len(text.encode("utf-8", "replace")) > 63:
        raise ValueError("expected a name of at most 63 bytes")
    return text


Name = Annotated[str, Field(min_length=1), AfterValidator(_plain)]


class PgvectorBackend(BackendSettings):
    """
    Tables of a database. `url` may be given instead of the parts it holds.

    A password is no setting: libpq looks for it in PGPASSWORD, in `passfile` and in ~/.pgpass.
    """

    type: Literal["pgvector"]
    host: str
    database: Name
    user: Name | None = None
    passfile: PathText | None = None
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = None
    sslrootcert: PathText | None = None
    schema_name: Annotated[str, Field(pattern=_NAME, max_length=40)] = "vragd"
    prefix: Annotated[str, Field(pattern=r"^([a-z_][a-z0-9_]*)?$", max_length=16)] = ""
    vector_type: Literal["vector", "halfvec"] = "vector"
    index: Literal["auto", "exact", "hnsw", "ivfflat"] = "auto"
    m: Annotated[Integer, Field(ge=2, le=100)] = 16
    ef_construction: Annotated[Integer, Field(ge=4, le=1_000)] = 64
    ef_search: Annotated[Integer, Field(ge=10, le=1_000)] = 200
    lists: Annotated[Integer, Field(ge=1, le=32_768)] | None = None
    probes: Annotated[Integer, Field(ge=1, le=32_768)] | None = None
    build_memory_mib: Annotated[Integer, Field(ge=1, le=65_536)] = 512
    pool_size: Annotated[Integer, Field(ge=1, le=50)] = 8
    remote_text: bool = False
    timeout_s: Seconds = 30.0
    query_timeout_s: Seconds = 5.0

    shared: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _parts_of_url(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or "url" not in given:
            return given
        parts = _parts(given["url"], cls.typed)
        if twice := sorted(parts.keys() & given.keys()):
            raise ValueError(f"{twice[0]} is in url, too: say it once")
        return {key: value for key, value in given.items() if key != "url"} | parts

    @field_validator("host")
    @classmethod
    def _is_list_of_hosts(cls, value: str) -> str:
        hosts(value)
        return value

    @field_validator("schema_name")
    @classmethod
    def _is_no_system_schema(cls, value: str) -> str:
        if value.startswith("pg_") or value == "information_schema":
            raise ValueError("expected a schema that is not PostgreSQL's own")
        return value

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if self.sslmode in _IN_CLEAR and self.leaves_machine():
            raise ValueError("expected sslmode require, verify-ca or verify-full: vectors never leave it unencrypted")
        if self.ef_construction < 2 * self.m:
            raise ValueError("expected ef_construction to be twice m at least")
        return self

    @classmethod
    def from_url(cls, url: str) -> Self:
        """`pgvector://[USER@]HOST[:PORT][,HOST…]/DATABASE?sslmode=…`, and any other setting by its key."""
        return cls.model_validate_json(json.dumps({"type": "pgvector", "url": url}))

    def where(self) -> str:
        return f"database {self.database} at {self.host}, schema {self.schema_name}" + (
            f", prefix {self.prefix}" if self.prefix else ""
        )

    def leaves_machine(self) -> bool:
        return any(not name.startswith("/") and not is_loopback(name) for name, _ in hosts(self.host))

    @property
    def longest_call_s(self) -> float:
        return 2 * self.timeout_s  # a connection that was kept and turns out to be dead is replaced once


def _parts(url: object, typed: Callable[[str, str], object]) -> dict[str, Any]:
    """The settings in a URL. Raises ValueError, which never quotes it."""
    if not isinstance(url, str) or not (parts := _URL.fullmatch(url)):
        raise ValueError("expected url as postgresql://USER@HOST[:PORT]/DATABASE?KEY=VALUE")
    who, colon, _ = (parts["who"] or "").removesuffix("@").partition(":")
    if colon or "@" in parts["db"] + (parts["more"] or ""):  # of a password with / or ? in it the rest stands there
        raise ValueError(_MISPLACED)
    found: dict[str, Any] = {"host": unquote(parts["host"]), "database": unquote(parts["db"])}
    if who:
        found["user"] = unquote(who)
    for key, value in parse_qsl(parts["more"] or "", keep_blank_values=True):
        if key in ("password", "sslpassword"):
            raise ValueError(_MISPLACED)
        if key in found or key in ("type", "url"):
            raise ValueError(f"{key} is in url twice" if key in found else f"{key} cannot be in url")
        found[key] = typed(key, value)
    return found


Settings = PgvectorBackend
