"""What goes over the socket: requests are checked against these, the OpenAPI document is made from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from vragd.server.bodies import Body, Request, Strings
from vragd.terms import backends, embedders
from vragd.terms.fields import Integer, Patterns
from vragd.terms.metric import Metric
from vragd.terms.names import STORE
from vragd.terms.settings import BackendSettings, EmbedderSettings, Mcp, default_backend, default_embedder
from vragd.terms.variants import OneOf

AnyBackend = Annotated[BackendSettings, OneOf(backends.TYPES)]
AnyEmbedder = Annotated[EmbedderSettings, OneOf(embedders.TYPES)]

# Some bounds are enforced where they belong, with a better complaint, and only described here.
StoreName = Annotated[str, Field(json_schema_extra={"pattern": f"^{STORE}$"})]


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("a path cannot hold a NUL character")
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError(f"{value} is not an absolute path")
    return value


AnyPath = Annotated[str, AfterValidator(_no_nul), Field(json_schema_extra={"pattern": r"^[^\x00]*$"})]
AbsolutePath = Annotated[
    str, AfterValidator(_no_nul), AfterValidator(_absolute), Field(json_schema_extra={"pattern": r"^/[^\x00]*$"})
]


class SyncRequest(Request):
    """Scan now; with `wait_s`, answer when all is searchable or time is up. `tickets` of an earlier answer wait on."""

    stores: Strings = ()
    path: AnyPath | None = None
    wait_s: float = Field(default=0, ge=0, le=25)
    tickets: dict[str, Integer] | None = None
    confirm_deletes: bool = False


class SyncAnswer(Body):
    done: bool
    tickets: dict[str, int]
    pending: int
    left_s: float | None
    degraded: tuple[str, ...]


class SourceRequest(Request):
    path: Annotated[str, Field(json_schema_extra={"pattern": r"^[/~][^\x00]*$"})]
    name: str = ""
    include: Patterns | None = None
    exclude: Patterns = ()
    watch: bool = True
    mcp: Mcp = True


class StoreRequest(Request):
    """A store to make. With `replace`, an existing one made by a command gets these settings."""

    name: StoreName
    sources: tuple[SourceRequest, ...] = ()
    embedder: AnyEmbedder = default_embedder()
    backend: AnyBackend = default_backend()
    metric: Metric = "cosine"
    replace: bool = False


class IndexRequest(Request):
    """
    Index what matches `include` below `path`, once: the source is not watched. Makes the store if need be,
    with `backend`; one made so before moves to it.
    """

    store: StoreName
    path: AbsolutePath
    include: Patterns
    backend: AnyBackend | None = None


class ReindexRequest(Request):
    """Read every note of a store from the vault again; with `embed` every text is embedded again, too."""

    store: StoreName
    embed: bool = False


class VerifyRequest(Request):
    stores: Strings = ()
    repair: bool = False


class ProblemModel(Body):
    kind: str
    source: str
    path: str
    detail: str
    replica: str


class VerifiedStore(Body):
    store: str
    problems: tuple[ProblemModel, ...]
    n_mended: int
    kept: Strings


class VerifyAnswer(Body):
    stores: tuple[VerifiedStore, ...]
    ok: bool


class FileModel(Body):
    store: str
    source: str
    path: str
    path_b64: str | None = None
    state: str
    reason: str | None
    n_chunks: int
    size: int | None
    changed_at: float | None
    retry_at: float | None
    closed: tuple[Literal["note", "configuration", "unread"], ...]
    """Why assistants are not shown it: it says so, the configuration does, or what it says was not read yet."""


class FilesAnswer(Body):
    files: tuple[FileModel, ...]


class LinksRequest(Request):
    """
    The links of a file and those to it; or of everything what leads nowhere and what no note leads to, or counts alone.

    `note`: a path as hits have it, a name as links have it, an alias, a title; `#` and a place behind it.
    """

    note: str = Field(default="", max_length=4096)
    unresolved: bool = False
    orphans: bool = False
    stores: Strings = ()
    sources: Strings = ()


class FileRefModel(Body):
    """A file of a vault; `title` is empty for one that is no note."""

    store: str
    source: str
    path: str
    path_b64: str | None = None
    title: str


class LinkModel(Body):
    """
    A link as it stands in the note `of`, under `heading`, and the file `to` it leads to.

    `subpath` is the place in that: headings parted by `#`, or `^` and a block's id; `alias` is what is shown instead.
    `how` it leads: by `path`, by an `alias` of the note (which Obsidian would not follow), within it`self`, or `none`.
    `missing`: the file has no such heading or block.
    """

    of: FileRefModel
    line: int
    heading: tuple[str, ...]
    kind: Literal["wiki", "markdown", "property", "canvas"]
    embed: bool
    target: str
    subpath: str
    alias: str
    how: Literal["path", "alias", "self", "none"]
    to: FileRefModel | None
    missing: bool


class NowhereModel(Body):
    """A name that leads nowhere, and how many links have it."""

    name: str
    count: int


class LinkCounts(Body):
    """Links by how they lead; names that lead nowhere; notes, and those among them that no other note links to."""

    links: int
    path: int
    alias: int
    self: int
    none: int
    names: int
    notes: int
    orphans: int


class LinksAnswer(Body):
    """
    `out` are the links of the `note` that lead somewhere, `unresolved` those that do not, `back` those of others to it;
    of the `place` or the `lines` in it, if such were asked for. `misplaced`, of all notes, lead to a file without that
    place. Of `n_unread` notes the links are still to be read.
    """

    note: FileRefModel | None
    place: str
    lines: tuple[int, int] | None
    out: tuple[LinkModel, ...]
    back: tuple[LinkModel, ...]
    unresolved: tuple[LinkModel, ...]
    misplaced: tuple[LinkModel, ...]
    names: tuple[NowhereModel, ...]
    orphans: tuple[FileRefModel, ...]
    counts: LinkCounts
    n_unread: int
    generation: int
    pending: int
    degraded: tuple[str, ...]


class StoreRow(Body):
    name: str
    origin: Literal["config", "command", "left"]
    sources: tuple[str, ...]
    backend: str | None
    trouble: str | None
    states: dict[str, int]
    notes: int | None
    chunks: int | None


class StoresAnswer(Body):
    stores: tuple[StoreRow, ...]


class DeletedAnswer(Body):
    """
    `origin` is `config` for a store that will be made anew at the next start unless it leaves the file; `left_behind`
    names the shared places where it had vectors once, and which were not asked to forget it.
    """

    deleted: str
    origin: str
    left_behind: list[str]


class Open(BaseModel):
    """An answer whose further fields may grow."""

    model_config = ConfigDict(extra="allow", defer_build=True)


class StatusAnswer(Open):
    version: str
    pid: int
    stores: list[dict[str, Any]]
    pending: int
    generation: int
    degraded: list[str]


class StoreAnswer(Open):
    name: str


class WebRequest(Request):
    """Without a `ticket`: a new one."""

    ticket: str = Field(default="", max_length=100)


class WebAnswer(Body):
    """
    The page's address, empty where none is kept; a ticket, good once after `/#` or `/enter/`. Asked with a ticket: that
    one, if nobody has used it yet, else none.
    """

    url: str
    ticket: str


class HealthAnswer(Body):
    ok: bool
    pid: int


class PlaceInText(Body):
    """Where a question is mistyped: half-open, in code points of `text`."""

    text: str
    span: tuple[int, int]


class ErrorDetail(Body):
    """`at` is there where `code` is `mistyped`."""

    code: str
    message: str
    hint: str
    at: PlaceInText | None = None


class ErrorAnswer(Body):
    error: ErrorDetail
