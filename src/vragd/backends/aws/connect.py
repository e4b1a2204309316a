"""
A client of a service, and whether anything may be sent to where it leads.

Where that is only the client knows: besides the setting there are the environment (`AWS_ENDPOINT_URL…`) and AWS's own
files. Vectors and metadata tell what notes say, so they never leave the machine unencrypted.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.session import Session

from vragd.backends.aws.process import bound
from vragd.backends.aws.settings import AwsSettings
from vragd.errors import BackendRefused
from vragd.terms.hosts import is_here, stays_private

CONNECT_TIMEOUT_S = 3.0
ATTEMPTS, QUERY_ATTEMPTS = 3, 2
_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def make_client(
    service: str, title: str, settings: AwsSettings, *, for_query: bool,
    elsewhere: Mapping[str, Any] = MappingProxyType({}),
) -> Any:  # fmt: skip
    """
    A client of botocore's for `service`, which people know as `title`; `elsewhere` is how to speak to one that is not
    AWS's. Contacts nobody.

    Raises BackendRefused for an endpoint that is not this machine and not encrypted, besides what botocore raises.
    """
    guess = _way(settings.endpoint_url or "", elsewhere)
    client = _client(service, settings, for_query, guess)
    url = client.meta.endpoint_url
    if not stays_private(url):
        client.close()
        raise BackendRefused(
            f"{title} is to be reached at {_without_secrets(url)}: vectors would leave this machine unencrypted",
            hint=f"use https: endpoint_url, AWS_ENDPOINT_URL_{service.upper()}, AWS_ENDPOINT_URL or ~/.aws/config says"
            " where",
        )
    if (way := _way(url, elsewhere)) != guess:
        client.close()
        client = _client(service, settings, for_query, way)
    return client


def _way(url: str, elsewhere: Mapping[str, Any]) -> dict[str, Any]:
    """Options of botocore's for an endpoint."""
    host = urlsplit(url).hostname or ""
    way = {} if is_aws(url) else dict(elsewhere)
    if is_here(host):  # a proxy could not reach it, and would see what is in the notes
        way["proxies"] = {}
    return way


def is_aws(url: str) -> bool:
    """Whether an endpoint is AWS's own; so is none at all."""
    host = urlsplit(url).hostname or ""
    return not host or host.endswith(_AWS)


def _client(service: str, settings: AwsSettings, for_query: bool, way: dict[str, Any]) -> Any:
    retries, timeout_s = {"mode": "adaptive", "total_max_attempts": ATTEMPTS}, settings.timeout_s
    if for_query:
        retries, timeout_s = {"mode": "standard", "total_max_attempts": QUERY_ATTEMPTS}, settings.query_timeout_s
    config = Config(
        retries=retries, read_timeout=timeout_s, connect_timeout=min(CONNECT_TIMEOUT_S, timeout_s), **way
    )  # fmt: skip
    bound()
    known = Session(profile=settings.profile)
    known.register_component("data_loader", _loader())
    session = boto3.Session(botocore_session=known, region_name=settings.region)
    return session.client(service, endpoint_url=settings.endpoint_url, config=config)


@cache
def _loader() -> Any:
    """What knows the services; to read about one takes longer than all the rest of making a client."""
    return Session().get_component("data_loader")


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
