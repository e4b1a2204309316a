"""PostgreSQL with pgvector, through psycopg, which the extra `vragd[pgvector]` brings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vragd.backends.pgvector.settings import Settings
from vragd.errors import ConfigError

if TYPE_CHECKING:
    from vragd.backends.pgvector.tables import PgvectorBackend


def create(settings: Settings, data_dir: Path) -> PgvectorBackend:
    """
    A backend over the database. Contacts nobody; keeps nothing below `data_dir`.

    Raises ConfigError where psycopg is not installed.
    """
    try:
        from vragd.backends.pgvector.tables import PgvectorBackend
    except ImportError as error:
        raise ConfigError(
            f"the backend pgvector needs psycopg 3: {error}", hint="pip install 'vragd[pgvector]'"
        ) from error
    return PgvectorBackend(settings)
