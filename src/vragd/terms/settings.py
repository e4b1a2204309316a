"""
What the settings of every type of backend, and of every type of embedder, say, whatever else they hold; and which are
meant where nothing is said. What of a source assistants may see.

Loads none of them: the configuration is read by commands that never search or embed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Self, get_args, get_origin
from urllib.parse import parse_qsl

from pydantic import BeforeValidator, Discriminator, Tag

from vragd.errors import UsageError
from vragd.terms import backends, embedders
from vragd.terms.fields import Patterns, Settings
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

    def reached(self) -> str:
        """For people, what tells places apart of which `where` says the same, such as a region; empty for nothing."""
        return ""

    def files(self) -> tuple[Path, ...]:
        """What it writes outside our data directory, which must be in no vault."""
        return ()

    def kept_files(self) -> tuple[Path, ...]:
        """Damaged files of it that mending kept, which may hold text of notes: the user's to delete."""
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


class Named(NamedTuple):
    """
    A model by its `name` on a hub, as OWNER/NAME: fetched once, and found in the data directory from then on.

    `revision` is a branch, a tag or a commit; `weights` which file of it, or None for the usual one. `here_only`: it is
    never to be fetched.
    """

    name: str
    revision: str
    weights: str | None
    here_only: bool


class EmbedderSettings(Settings):
    """The settings of an embedder. A subclass has a field `type: Literal["NAME"]`."""

    gives_vectors: ClassVar[bool] = True
    """Whether texts become vectors at all; in a store whose embedder gives none, words alone are searched."""

    only_how: ClassVar[frozenset[str]] = frozenset()
    """Settings of how it is asked alone: where others are as they were, each text keeps its vector."""

    type: str

    def of_vectors(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Of such settings those that say what a vector is."""
        return {key: value for key, value in settings.items() if key not in self.only_how}

    @property
    def title(self) -> str:
        """The type, and the model where the type has several: as a space's title begins."""
        return self.type

    def leaves_machine(self) -> bool:
        """Whether the text of notes may be sent to another machine."""
        return False

    @property
    def sends_to(self) -> str:
        """The host that the text of notes goes to, for people; "" where it stays on this machine."""
        return "another machine" if self.leaves_machine() else ""

    @property
    def account(self) -> str:
        """
        Under what name the tokens it is sent are counted, by month, in the data directory; "" where none are.
        """
        return ""

    @property
    def named(self) -> Named | None:
        """The model that `vragd models download` fetches for it; None where nothing is fetched."""
        return None

    @property
    def wants_data_dir(self) -> bool:
        """Whether it is made by `create(settings, data_dir)`, where the second may be None: it counts, or has files."""
        return bool(self.account or self.named)

    @property
    def most_tokens(self) -> int | None:
        """How many tokens it is sent in a month at most; None for any number."""
        return None

    @property
    def limit_key(self) -> str:
        """Which setting says `most_tokens`."""
        return ""

    @property
    def price(self) -> float | None:
        """What a million tokens cost, in the money of whoever pays; None where nobody says."""
        return None

    @property
    def is_english(self) -> bool:
        """Whether its model is known to do badly with notes in other languages."""
        return False

    @property
    def sets_the_scale(self) -> bool:
        """Whether the weights of ranking were measured with its vectors: what the cosines of others are moved to."""
        return False

    @property
    def longest_call_s(self) -> float:
        """How long one call may wait for somebody else; 0 if it never does."""
        return 0.0


def default_backend() -> BackendSettings:
    """The settings of a store that says nothing of a backend."""
    settings: BackendSettings = backends.TYPES.settings(backends.DEFAULT).model_validate({"type": backends.DEFAULT})
    return settings


def default_embedder() -> EmbedderSettings:
    """The settings of a store that says nothing of an embedder."""
    settings: EmbedderSettings = embedders.TYPES.settings(embedders.DEFAULT).model_validate({"type": embedders.DEFAULT})
    return settings


class McpSettings(Settings):
    """What of a source assistants may see: all but what these patterns match."""

    exclude: Patterns = ()


def _whole_or_part(value: object) -> object:
    if not isinstance(value, bool | Mapping | McpSettings):
        raise ValueError("expected true, false, or {exclude: [PATTERN, ...]}")  # noqa: TRY004
    return value


def _which(value: object) -> str:
    return "whole" if isinstance(value, bool) else "part"


Mcp = Annotated[
    Annotated[bool, Tag("whole")] | Annotated[McpSettings, Tag("part")],
    Discriminator(_which),
    BeforeValidator(_whole_or_part),
]


def _kinds(annotation: Any) -> frozenset[Any]:
    """The types in an annotation: of `Annotated[int, …] | None` int and that of None."""
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _kinds(inner[0])
    return frozenset({annotation}) if not inner else frozenset().union(*map(_kinds, inner))
