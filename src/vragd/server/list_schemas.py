"""What goes over the socket where tags, properties, tasks, notes and headings are listed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vragd.server.bodies import Body, Request, Strings, UnknownModel
from vragd.server.narrowing import Where
from vragd.server.schemas import FileRefModel
from vragd.terms.bounds import MAX_LISTED, MAX_NAMES
from vragd.terms.fields import Integer


class ListRequest(Request):
    """Of which notes: `where` has filters. Empty means of all."""

    stores: Strings = ()
    sources: Strings = ()
    folder: str = ""
    where: Where = ""


class TagsRequest(ListRequest):
    """The tags of those notes."""

    sort: Literal["count", "name"] = "count"


class PropertiesRequest(ListRequest):
    """The properties of those notes, or with `name` that one and its values."""

    name: str = Field(default="", max_length=4096)
    sort: Literal["count", "name"] = "count"


class TasksRequest(ListRequest):
    """The tasks of those notes; any character but a blank between the brackets is done."""

    state: Literal["todo", "done", "all"] = "todo"


class RecentRequest(ListRequest):
    """Those notes, the last changed first."""

    top_k: Integer = Field(default=10, ge=1, le=MAX_LISTED)


class OutlineRequest(Request):
    """The headings of `note`: a path as hits have it, a name, an alias, a title; with `#` and a heading below that."""

    note: str = Field(min_length=1, max_length=4096)
    stores: Strings = ()
    sources: Strings = ()


class NamesRequest(Request):
    """
    Names that begin with `prefix`, in whatever case but for paths. Of notes: what links call them, and paths, a part at
    a time; a folder's ends in `/`.
    """

    kind: Literal["store", "source", "tag", "property", "folder", "note"]
    prefix: str = Field(default="", max_length=4096)
    limit: Integer = Field(default=100, ge=1, le=MAX_NAMES)


class NamesAnswer(Body):
    """Sorted; `whole` is whether there are no more. A name that is no UTF-8 is left out."""

    names: tuple[str, ...]
    whole: bool


class State(Body):
    """`n_unread` notes are still to be read for this; `pending` and `degraded` as in an answer to a question."""

    n_unread: int
    generation: int
    pending: int
    degraded: tuple[str, ...]


class ListAnswer(State):
    """`n_notes` pass the filters. A file that several stores have counts once."""

    n_notes: int
    unknown: tuple[UnknownModel, ...]


class TagModel(Body):
    """`count` notes have the tag or one nested in it, `own` of them the tag itself. As it was first written."""

    name: str
    count: int
    own: int


class TagsAnswer(ListAnswer):
    """`n_tagged` of the notes have a tag at all."""

    tags: tuple[TagModel, ...]
    n_tagged: int


class PropertyModel(Body):
    """`name` is in lower case; `types` says of how many notes the value is a text, a number, and so on."""

    name: str
    count: int
    types: dict[str, int]


class ValueModel(Body):
    """How many notes have the value, or it in a list. An empty list is a `list`, a property without a value `empty`."""

    value: str
    type: Literal["text", "number", "checkbox", "date", "datetime", "list", "empty"]
    count: int


class PropertiesAnswer(ListAnswer):
    """`values` are those of the property that was named."""

    properties: tuple[PropertyModel, ...]
    values: tuple[ValueModel, ...]


class TaskModel(Body):
    """A task of the note `of` under `heading`; `state` is the character in its brackets."""

    of: FileRefModel
    line: int
    state: str
    done: bool
    text: str
    heading: tuple[str, ...]


class TaskCounts(Body):
    """Open tasks and done ones of the notes that pass, whichever were asked for; and notes that have any."""

    todo: int
    done: int
    notes: int


class TasksAnswer(ListAnswer):
    tasks: tuple[TaskModel, ...]
    counts: TaskCounts


class ChangedModel(Body):
    note: FileRefModel
    modified: float = Field(description="when the file was, in seconds since 1970")


class RecentAnswer(ListAnswer):
    notes: tuple[ChangedModel, ...]


class HeadingModel(Body):
    line: int
    level: int
    text: str


class OutlineAnswer(State):
    """The headings of `note`, or of the `place` or the `lines` in it that were asked for."""

    note: FileRefModel
    place: str
    lines: tuple[int, int] | None
    headings: tuple[HeadingModel, ...]


MAX_WAIT_S = 25.0
"""That a picture is waited for."""


class PointModel(Body):
    """A note at the mean of its chunks' vectors, laid out in a plane. `id` is the note's as long as it has its path."""

    id: str
    path: str
    title: str
    source: str
    folder: str
    tags: tuple[str, ...]
    x: float = Field(ge=-1, le=1)
    y: float = Field(ge=-1, le=1)


class RegionModel(Body):
    """Where notes crowd: `name` is up to three words that are said there and not elsewhere, `x` and `y` its middle."""

    name: str
    x: float = Field(ge=-1, le=1)
    y: float = Field(ge=-1, le=1)
    notes: int


class PictureModel(Body):
    """
    Of one store, in one space. While it is `computing` some notes have no point yet and are not among `notes`; ask
    again, or with `wait_s`. `links` are pairs of places in `notes`. `without` have no vector; where the store keeps
    `words_alone`, none gets one. `reason` says why there is no layout, where one failed: `too_slow`,
    `too_much_memory`, `crashed`, `not_kept`.
    """

    store: str
    space: str
    state: Literal["ready", "computing", "empty"]
    notes: tuple[PointModel, ...]
    links: tuple[tuple[int, int], ...]
    regions: tuple[RegionModel, ...]
    without: int
    reason: str
    generation: int
    words_alone: bool


class MapAnswer(Body):
    pictures: tuple[PictureModel, ...]
