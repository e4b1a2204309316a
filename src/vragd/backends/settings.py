"""
What the settings of every type of backend say, whatever else they hold.

Loads no backend: the configuration is read by commands that never search.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin
from urllib.parse import parse_qsl, unquote

from vragd.errors import BackendRefused, BackendUnavailable, DataDirError, UsageError
from vragd.system.places import expanded
from vragd.system.writers import OnlyWriter
from vragd.terms.fields import PathText, Settings
from vragd.terms.metric import METRICS, Metric


class BackendSettings(Settings):
    """The settings of a backend. A subclass has a field `type: Literal["NAME"]`."""

    type: str

    metrics: ClassVar[frozenset[Metric]] = METRICS
    shared: ClassVar[bool] = False
    """Whether stores of other machines may use the same place: what is left there outlives our data directory."""
    needs_folder: ClassVar[bool] = False
    """Whether it keeps its files below the folder it is given."""
    caches: ClassVar[tuple[str, ...]] = ()
    """Folders below the home directory that a client library writes, for credentials it renews."""
    suits: ClassVar[int | None] = None
    """The most vectors of a store that it is meant for; None for any number."""
    beyond: ClassVar[str] = ""
    """What to use instead for more."""

    kept: ClassVar[str] = ""
    """
    A regular expression of the names of files it keeps below our data directory: `vragd purge` leaves others. Empty for
    none, or for whoever does not say, whose folder goes as a whole.
    """

    @classmethod
    def from_url(cls, url: str) -> Self:
        """
        The settings that `TYPE://PLACE?KEY=VALUE` means, as given on the command line.

        Raises pydantic's ValidationError for settings that cannot be, UsageError for a type that has no places.
        """
        raise UsageError(f"{url.partition('://')[0]} is no backend that others reach by a name")

    @classmethod
    def typed(cls, key: str, text: str) -> object:
        """The text of a URL's key as the setting of that name takes it; the text where it cannot be that."""
        kinds = _kinds(cls.model_fields[key].annotation) if key in cls.model_fields else frozenset()
        if bool in kinds:
            return {"true": True, "false": False}.get(text, text)
        if int in kinds and text.isdecimal():
            return int(text)
        if float in kinds:
            with suppress(ValueError):
                return float(text)
        return text

    @classmethod
    def keys_of(cls, query: str, place: Collection[str]) -> dict[str, Any]:
        """The settings behind the `?` of a URL, which may not say again what its place says. Raises UsageError."""
        given = dict(parse_qsl(query, keep_blank_values=True))
        if twice := given.keys() & place:
            raise UsageError(f"{min(twice)} cannot be in a URL's keys")
        return {key: cls.typed(key, value) for key, value in given.items()}

    def where(self) -> str:
        """The place, for people, such as "bucket NAME"; empty below our data directory."""
        return ""

    def files(self) -> tuple[Path, ...]:
        """What it writes outside our data directory, which must be in no vault."""
        return ()

    def room_for(self, collection: str) -> None:
        """Raise BackendRefused where no such collection can be made: what is there is somebody else's. Only looks."""

    def may_write(self) -> None:
        """
        Raise what a write would, as far as a look at this machine tells. Makes nothing.

        BackendRefused, BackendUnavailable while another process writes there.
        """

    def merged(self, given: BackendSettings | None) -> BackendSettings:
        """`given`; where it means the very same place, with what it leaves unsaid as it is here."""
        if given is None:
            return self
        if self.shared and type(given) is type(self) and given.where() == self.where():
            return self.model_copy(update={key: getattr(given, key) for key in given.model_fields_set})
        return given

    def advice(self, n_vectors: int | None = None) -> str:
        """For people, where so many vectors are more than it is meant for, or nobody knows how many there will be."""
        if self.suits is None or (n_vectors is not None and n_vectors <= self.suits):
            return ""
        return f"{self.type} suits up to {self.suits:,} vectors; for more: {self.beyond}"

    def leaves_machine(self) -> bool:
        """Whether vectors and what belongs to them may be sent to another machine."""
        return False

    @property
    def longest_call_s(self) -> float:
        """How long one call may wait for somebody else; 0 if it never does."""
        return 0.0


class PathSettings(BackendSettings):
    """The settings of a backend whose place is a path of this machine, outside every vault."""

    path: PathText
    remote_text: bool = False

    shared: ClassVar[bool] = True

    @classmethod
    def from_url(cls, url: str) -> Self:
        """`TYPE:PATH`, or `TYPE:///PATH?remote_text=true`; a relative path is below the working directory."""
        kind, _, rest = url.partition(":")
        name, _, more = rest.removeprefix("//").partition("?")
        if not name:
            raise UsageError(f"expected a path behind {kind}:", hint=f"such as {kind}:notes")
        place = {"type": kind, "path": str(expanded(unquote(name)).absolute())}
        return cls.model_validate({**place, **cls.keys_of(more, place.keys())})

    def where(self) -> str:
        return self.path

    def files(self) -> tuple[Path, ...]:
        return (Path(self.path),)

    def may_write(self) -> None:
        path = Path(self.path)
        for link in (path, *path.parents):
            if link.is_symlink() and not link.exists():
                raise BackendRefused(f"{link} is a link that leads nowhere", hint="choose another path, or remove it")
        there = next(folder for folder in path.parents if folder.exists())
        if not there.is_dir():
            raise BackendRefused(f"{there} is not a directory", hint="choose another path")
        for one in (there, path):
            if one.exists() and not os.access(one, os.W_OK):
                raise BackendUnavailable(f"{one} cannot be written", hint="look at its owner and its permissions")
        try:
            OnlyWriter(path).look()
        except DataDirError as error:
            raise BackendUnavailable(error.message, hint=f"look at {path} and its permissions") from error


def _kinds(annotation: Any) -> frozenset[Any]:
    """The types in an annotation: of `Annotated[int, …] | None` int and that of None."""
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _kinds(inner[0])
    return frozenset({annotation}) if not inner else frozenset().union(*map(_kinds, inner))
