"""
The shape of the configuration: frozen models, unknown keys refused. Units are in the key names.

Only shape and range are checked here; what needs the disk is checked by `config.load`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pathspec import GitIgnoreSpec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from vragd.config import crontab

DEFAULT_INCLUDE = ("*.md", "*.markdown", "*.txt")
STORE_NAME = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"  # the strictest backend's rule (an index of S3 Vectors)
BUCKET_NAME = r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"  # AWS's rule, which has no dots here
ENDPOINT = re.compile(
    r"(https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])|http://(localhost|127\.\d+\.\d+\.\d+|\[::1\]))"
    r"(:(?P<port>[0-9]{1,5}))?/?"
)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _expanded(value: object) -> object:
    if not isinstance(value, str | Path):
        raise ValueError("expected a path (a ~ alone is nothing in YAML)")  # noqa: TRY004
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # ~somebody
        raise ValueError(str(error)) from None


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError(f"{value} is not an absolute path (a leading ~ is fine)")
    if "\0" in str(value):
        raise ValueError("a path cannot hold a NUL character")
    return value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _valid_patterns(value: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in value:
        try:
            GitIgnoreSpec.from_lines([pattern])
        except (ValueError, re.error):
            raise ValueError(f"{pattern!r} is not a pattern as in .gitignore") from None
    return value


AbsolutePath = Annotated[Path, BeforeValidator(_expanded), AfterValidator(_absolute)]
Patterns = Annotated[tuple[str, ...], BeforeValidator(_tuple), AfterValidator(_valid_patterns)]
Seconds = Annotated[float, Field(gt=0, strict=False, allow_inf_nan=False)]


class SourceSettings(Settings):
    """One watched directory. Patterns are those of .gitignore, relative to `path`."""

    path: AbsolutePath
    name: str = ""
    include: Patterns = DEFAULT_INCLUDE
    exclude: Patterns = ()
    watch: bool = True

    @property
    def label(self) -> str:
        """`name`, or the folder's own name."""
        return self.name or self.path.name


class BuiltinEmbedder(Settings):
    """MiniLM inside the package: English, 384 dimensions, no server, no network."""

    type: Literal["builtin"] = "builtin"
    threads: int = Field(default=0, ge=0, le=64)


class OllamaEmbedder(Settings):
    """A model served by Ollama."""

    type: Literal["ollama"]
    model: str = Field(min_length=1)
    url: str = "http://127.0.0.1:11434"
    allow_remote: bool = False
    batch_size: int = Field(default=16, ge=1, le=512)
    timeout_s: Seconds = 60.0
    query_timeout_s: Seconds = 3.0
    keep_alive: str = "10m"

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not re.match(r"^https?://[^/\s]+/?$", value):
            raise ValueError("expected something like http://127.0.0.1:11434")
        return value.rstrip("/")


EmbedderSettings = Annotated[BuiltinEmbedder | OllamaEmbedder, Field(discriminator="type")]


class FaissBackend(Settings):
    """FAISS in the daemon's memory, with a cache on disk."""

    type: Literal["faiss"] = "faiss"
    index: Literal["auto", "flat", "ivf", "hnsw"] = "auto"


class MemoryBackend(Settings):
    """Exact search in memory, rebuilt at every start. For small stores and for tests."""

    type: Literal["memory"]


def _bucket_name(name: str) -> str:
    if not re.fullmatch(BUCKET_NAME, name):
        raise ValueError(
            f"bucket name {name!r} is not 3 to 63 characters of a-z, 0-9 and '-', beginning and ending with a-z or 0-9"
        )
    return name


class S3VectorsBackend(Settings):
    """An index of a bucket of Amazon S3 Vectors. Credentials come from AWS's own chain, never from here."""

    type: Literal["s3vectors"]
    bucket: Annotated[str, AfterValidator(_bucket_name), Field(json_schema_extra={"pattern": BUCKET_NAME})]
    region: str | None = Field(default=None, min_length=1)
    profile: str | None = Field(default=None, min_length=1)
    endpoint_url: str | None = None
    remote_text: bool = False
    timeout_s: Seconds = 10.0
    query_timeout_s: Seconds = 3.0

    @field_validator("endpoint_url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is None or ((url := ENDPOINT.fullmatch(value)) and 0 < int(url["port"] or 443) < 65_536):
            return value
        raise ValueError("expected https://HOST[:PORT], or http:// of this machine: vectors never leave it unencrypted")


BackendSettings = Annotated[FaissBackend | MemoryBackend | S3VectorsBackend, Field(discriminator="type")]


class StoreSettings(Settings):
    """A searchable collection."""

    sources: Annotated[tuple[SourceSettings, ...], BeforeValidator(_tuple)] = ()
    embedder: EmbedderSettings = BuiltinEmbedder()
    backend: BackendSettings = FaissBackend()
    metric: Literal["cosine", "euclidean", "dot"] = "cosine"

    @model_validator(mode="after")
    def _metric_is_possible(self) -> StoreSettings:
        if self.backend.type == "s3vectors" and self.metric == "dot":
            raise ValueError("backend s3vectors has the metrics cosine and euclidean, not dot")
        return self


def _crontab(text: str) -> str:
    crontab.parse(text)
    return text


CrontabText = Annotated[str, AfterValidator(_crontab)]


class ScheduleSettings(Settings):
    """What is done at times of the calendar, each as crontab(5) has it, in the zone of the machine."""

    rescan: CrontabText | None = None
    verify: CrontabText | None = None


class WatchSettings(Settings):
    settle_ms: int = Field(default=250, ge=10, le=10_000)
    settle_max_s: Seconds = 10.0
    rescan_minutes: Seconds = 60.0
    poll_s: Seconds = 30.0
    mode: Literal["auto", "poll"] = "auto"
    schedule: ScheduleSettings = ScheduleSettings()


class LimitSettings(Settings):
    max_file_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    max_connections: int = Field(default=64, ge=2, le=1024)
    min_free_mib: int = Field(default=64, ge=0)
    keep_embeddings_days: int = Field(default=30, ge=0)
    delete_guard_share: float = Field(default=0.25, gt=0, le=1, strict=False)


class PathSettings(Settings):
    data: AbsolutePath | None = None
    socket: AbsolutePath | None = None


class LogSettings(Settings):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "pretty"] = "auto"
    paths: bool = False
    file: AbsolutePath | None = None
    max_mib: int = Field(default=10, ge=1, le=1024)
    keep: int = Field(default=3, ge=1, le=100)


def _valid_names(stores: Mapping[str, StoreSettings]) -> Mapping[str, StoreSettings]:
    for name in stores:
        check_store_name(name)
    return stores


def check_store_name(name: str) -> str:
    """`name`, or ValueError saying what a store may be called."""
    if not re.fullmatch(STORE_NAME, name):
        raise ValueError(f"store name {name!r} is not 3 to 63 characters of a-z, 0-9, '-' and '.'")
    return name


class Config(Settings):
    """A whole configuration file."""

    stores: Annotated[Mapping[str, StoreSettings], AfterValidator(_valid_names)] = Field(default_factory=dict)
    watch: WatchSettings = WatchSettings()
    limits: LimitSettings = LimitSettings()
    paths: PathSettings = PathSettings()
    log: LogSettings = LogSettings()
