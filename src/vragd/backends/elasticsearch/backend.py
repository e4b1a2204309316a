"""Elasticsearch, over HTTP."""

from __future__ import annotations

from pathlib import Path

from vragd.backends.elasticsearch.dialect import Elasticsearch
from vragd.backends.elasticsearch.settings import Settings
from vragd.backends.http.secrets import Basic, Header, secret, sendable
from vragd.backends.lucene.backend import LuceneBackend
from vragd.errors import ConfigError


class ApiKey(Header):
    """An API key as Kibana shows it, encoded; nothing where there is none."""

    kind = "the API key"

    def __init__(self, file: str | None, variable: str) -> None:
        super().__init__()
        self._file, self._variable = file, variable

    def _made(self) -> str:
        key = secret(self._file, "api_key_file", self._variable)
        where = self._variable if self._file is None else "api_key_file"
        return f"ApiKey {sendable(key, where)}" if key else ""


def create(settings: Settings, data_dir: Path) -> LuceneBackend:
    """A backend over the server. Contacts nobody; keeps nothing below `data_dir`."""
    return LuceneBackend(settings, Elasticsearch(settings), credentials(settings))


def credentials(settings: Settings) -> Header:
    if settings.user is not None and settings.api_key_file is not None:
        raise ConfigError("backend: both user and api_key_file are there", hint="leave one of them out")
    if settings.user is None:
        return ApiKey(settings.api_key_file, settings.key_variable)
    return Basic(settings.user, settings.password_file, settings.word_from)
