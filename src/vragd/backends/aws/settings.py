"""How a service is reached that speaks AWS's protocols. Loads nothing of AWS."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field, field_validator

from vragd.backends.settings import BackendSettings
from vragd.terms.fields import Seconds

ENDPOINT = re.compile(
    r"(https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])|(?P<here>http://(localhost|127\.\d+\.\d+\.\d+|\[::1\])))"
    r"(:(?P<port>[0-9]{1,5}))?/?"
)
CACHES = (".aws/sso/cache", ".aws/cli/cache", ".aws/login/cache")
"""Where botocore keeps tokens that it renews, below the home folder."""


class AwsSettings(BackendSettings):
    """Credentials come from AWS's own chain, never from here."""

    region: str | None = Field(default=None, min_length=1)
    profile: str | None = Field(default=None, min_length=1)
    endpoint_url: str | None = None
    remote_text: bool = False
    timeout_s: Seconds = 10.0
    query_timeout_s: Seconds = 3.0

    shared: ClassVar[bool] = True
    caches: ClassVar[tuple[str, ...]] = CACHES

    @field_validator("endpoint_url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is None or ((url := ENDPOINT.fullmatch(value)) and 0 < int(url["port"] or 443) < 65_536):
            return value
        raise ValueError("expected https://HOST[:PORT], or http:// of this machine: vectors never leave it unencrypted")

    def reached(self) -> str:
        return (self.endpoint_url or "").rstrip("/") or self.region or ""

    def leaves_machine(self) -> bool:
        url = ENDPOINT.fullmatch(self.endpoint_url or "")
        return url is None or url["here"] is None

    @property
    def longest_query_s(self) -> float:
        """How long a query waits, whatever for: an answer, asked for twice, or what gives the credentials."""
        return 2 * self.query_timeout_s

    @property
    def longest_call_s(self) -> float:
        return self.timeout_s


def bucket_name(name: str, pattern: str, allowed: str) -> str:
    """`name`, or ValueError for one that is not of the pattern, which people are told as the characters `allowed`."""
    if not re.fullmatch(pattern, name):
        told = "" if "@" in name else f" {name!r}"  # with that it is a URL of something, which may hold a password
        raise ValueError(
            f"bucket name{told} is not 3 to 63 characters of {allowed}, beginning and ending with a-z or 0-9"
        )
    return name
