"""
A client of S3 Vectors, and whether anything may be sent to where it leads.

Where that is only the client knows: besides the setting there are the environment (`AWS_ENDPOINT_URL…`) and AWS's own
files. Vectors and metadata tell what notes say, so they never leave the machine unencrypted.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from vragd.backends.s3vectors.settings import S3VectorsBackend as Settings
from vragd.errors import BackendRefused
from vragd.terms.hosts import is_here, stays_private

CONNECT_TIMEOUT_S = 3.0
ATTEMPTS, QUERY_ATTEMPTS = 3, 2


def make_client(settings: Settings, *, for_query: bool) -> Any:
    """
    A client of botocore's. Contacts nobody. Raises BackendRefused for an endpoint that is not this machine and not
    encrypted, besides what botocore raises.
    """
    direct = is_here(urlsplit(settings.endpoint_url or "").hostname or "")
    client = _client(settings, for_query=for_query, direct=direct)
    url = client.meta.endpoint_url
    if not stays_private(url):
        client.close()
        raise BackendRefused(
            f"S3 Vectors is to be reached at {_without_secrets(url)}: vectors would leave this machine unencrypted",
            hint="use https: endpoint_url, AWS_ENDPOINT_URL_S3VECTORS, AWS_ENDPOINT_URL or ~/.aws/config says where",
        )
    if not direct and is_here(
        urlsplit(url).hostname or ""
    ):  # a proxy could not reach it, and would see what is in the notes
        client.close()
        client = _client(settings, for_query=for_query, direct=True)
    return client


def _client(settings: Settings, *, for_query: bool, direct: bool) -> Any:
    retries, timeout_s = {"mode": "adaptive", "total_max_attempts": ATTEMPTS}, settings.timeout_s
    if for_query:
        retries, timeout_s = {"mode": "standard", "total_max_attempts": QUERY_ATTEMPTS}, settings.query_timeout_s
    config = Config(
        retries=retries, read_timeout=timeout_s, connect_timeout=min(CONNECT_TIMEOUT_S, timeout_s),
        proxies={} if direct else None,
    )  # fmt: skip
    session = boto3.Session(profile_name=settings.profile, region_name=settings.region)
    return session.client("s3vectors", endpoint_url=settings.endpoint_url, config=config)


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
