"""OpenSearch, over HTTP."""

from __future__ import annotations

from pathlib import Path

from vragd.backends.http.connect import Credentials
from vragd.backends.http.secrets import Basic
from vragd.backends.lucene.backend import LuceneBackend
from vragd.backends.opensearch.dialect import OpenSearch
from vragd.backends.opensearch.settings import Settings
from vragd.errors import ConfigError


def create(settings: Settings, data_dir: Path) -> LuceneBackend:
    """A backend over the server. Contacts nobody; keeps nothing below `data_dir`."""
    return LuceneBackend(settings, OpenSearch(settings), credentials(settings))


def credentials(settings: Settings) -> Credentials:
    if settings.region is not None and settings.user is not None:
        raise ConfigError("backend: both user and region are there", hint="region: requests are signed for AWS instead")
    if settings.region is None:
        return Basic(settings.user, settings.password_file, settings.word_from)
    from vragd.backends.opensearch.signing import Signed  # loads botocore

    return Signed(settings.region, settings.profile)
