"""
The shape of the configuration: frozen models, unknown keys refused. Units are in the key names.

Only shape and range are checked here; what needs the disk is checked by `config.load`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from vragd.config import crontab
from vragd.config.reranking import RerankSettings
from vragd.terms import backends, embedders
from vragd.terms.fields import AbsolutePath, Patterns, Seconds, Settings, as_tuple
from vragd.terms.metric import Metric
from vragd.terms.names import STORE
from vragd.terms.settings import BackendSettings, EmbedderSettings, Mcp, default_backend, default_embedder
from vragd.terms.variants import OneOf

DEFAULT_INCLUDE = ("*.md", "*.markdown", "*.txt")
PRIMARY = "primary"
REPLICA_NAME = r"[a-z0-9][a-z0-9-]{0,39}"
STORE_NAME = rf"^{STORE}$"

AnyBackend = Annotated[BackendSettings, OneOf(backends.TYPES)]
AnyEmbedder = Annotated[EmbedderSettings, OneOf(embedders.TYPES)]


def no_embedder() -> EmbedderSettings:
    """The settings of a store of words alone."""
    kind = embedders.WORDS_ALONE
    settings: EmbedderSettings = embedders.TYPES.settings(kind).model_validate({"type": kind})
    return settings


def of_model(model: str) -> EmbedderSettings:
    """The settings that the mere name of a model means. Raises pydantic's ValidationError for an empty one."""
    kind = embedders.BY_MODEL
    settings: EmbedderSettings = embedders.TYPES.settings(kind).model_validate({"type": kind, "model": model})
    return settings


def kept_by(settings: BackendSettings | None) -> str:
    """
    A regular expression of the names of files that a backend keeps below our data directory: of one of a package what
    it says, or any; of one of ours, or that nobody knows (None), those of all of ours.
    """
    if settings is not None and settings.type not in backends.TYPES.ours:
        return settings.kept or ".*"
    return "|".join(kept for name in backends.TYPES.ours if (kept := backends.TYPES.settings(name).kept))


class SourceSettings(Settings):
    """One watched directory. Patterns are those of .gitignore, relative to `path`."""

    path: AbsolutePath
    name: str = ""
    include: Patterns = DEFAULT_INCLUDE
    exclude: Patterns = ()
    watch: bool = True
    mcp: Mcp = True

    @model_validator(mode="after")
    def _patterns_are_no_paths(self) -> SourceSettings:
        """A path in place of a pattern would match nothing: what it should keep private would be read and shown."""
        closed = () if isinstance(self.mcp, bool) else self.mcp.exclude
        places = ("~/", "./", "../")
        own = f"{self.path}/"  # of include it may be a folder called alike, which the command index names so
        for key, patterns, starts in (
            ("include", self.include, places), ("exclude", self.exclude, (*places, own)),
            ("mcp.exclude", closed, (*places, own)),
        ):  # fmt: skip
            for pattern in patterns:
                if f"{pattern.removeprefix('!')}/".startswith(starts):
                    raise ValueError(f"{key}: {pattern!r} is a path, expected a pattern below {self.path}: Private/")
        return self

    @property
    def label(self) -> str:
        """`name`, or the folder's own name."""
        return self.name or self.path.name


class StoreSettings(Settings):
    """A searchable collection."""

    sources: Annotated[tuple[SourceSettings, ...], BeforeValidator(as_tuple)] = ()
    embedder: AnyEmbedder = default_embedder()
    backend: AnyBackend = default_backend()
    replicas: Mapping[str, AnyBackend] = Field(default_factory=dict)
    answers: str = PRIMARY
    rerank: RerankSettings | None = None
    metric: Metric = "cosine"

    @model_validator(mode="after")
    def _metric_is_possible(self) -> StoreSettings:
        for backend in self.backends:
            if self.metric not in backend.metrics:
                has = " and ".join(sorted(backend.metrics))
                raise ValueError(f"backend {backend.type} has the metrics {has}, not {self.metric}")
        return self

    @model_validator(mode="after")
    def _replicas_are_told_apart(self) -> StoreSettings:
        for name in self.replicas:
            if not re.fullmatch(REPLICA_NAME, name) or name == PRIMARY:
                raise ValueError(
                    f"replica name {name!r} is not 1 to 40 characters of a-z, 0-9 and '-', and not primary"
                )
        places = [(one.type, one.where()) for one in self.backends if one.shared]
        if twice := [f"{kind}, {where}" for kind, where in places if places.count((kind, where)) > 1]:
            raise ValueError(f"two of backend and replicas are one place: {twice[0]}")
        if self.answers != PRIMARY and self.answers not in self.replicas:
            known = ", ".join([PRIMARY, *self.replicas])
            raise ValueError(f"answers: there is no replica {self.answers!r}, expected one of {known}")
        return self

    @property
    def backends(self) -> tuple[BackendSettings, ...]:
        """The primary one, and then the replicas'."""
        return (self.backend, *self.replicas.values())

    @property
    def places(self) -> tuple[str, ...]:
        """Where vectors are kept that outlive our data directory, for people."""
        return tuple(one.where() for one in self.backends if one.shared)

    def elsewhere(self) -> str:
        """`places` in one line; empty if there is none."""
        return ", ".join(self.places)


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
    max_file_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, le=2**40)
    max_connections: int = Field(default=64, ge=2, le=1024)
    min_free_mib: int = Field(default=64, ge=0, le=2**30)
    keep_embeddings_days: int = Field(default=30, ge=0, le=36_500)
    delete_guard_share: float = Field(default=0.25, gt=0, le=1, strict=False)
    remembered_questions: int = Field(default=256, ge=0, le=65_536)


class DocumentSettings(Settings):
    """PDF and Office files, each read in a process of its own within these bounds."""

    read: bool = False
    timeout_s: Seconds = 60.0
    memory_mib: int = Field(default=1024, ge=128, le=65_536)


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
    documents: DocumentSettings = DocumentSettings()
    paths: PathSettings = PathSettings()
    log: LogSettings = LogSettings()
    web: bool = False
