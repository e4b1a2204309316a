"""What can be moved, by name: a store on notes, what was imported, an index elsewhere; and where imports are kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from vragd.backends.base import CollectionInfo, Entry, VectorBackend
from vragd.config.load import Loaded
from vragd.errors import BackendRefused, StoreExists, StoreMismatch, Unsupported, UsageError
from vragd.store.exported import Indexed, Origin, Record, Records, Shape
from vragd.stores import elsewhere
from vragd.stores.elsewhere import Place
from vragd.stores.moves.nearby import IMPORTED
from vragd.stores.registry import Registry
from vragd.system.files import vault_around

OURS = ("source", "folder")
"""What vragd itself says of a passage in its metadata."""
AT_ONCE = 500
GO_ON = "the same vragd import again goes on; vragd store delete takes it away"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def imported_file(data_dir: Path, name: str) -> Path:
    """Where an imported store of this name is, if there is one."""
    return data_dir / IMPORTED / f"{name}.db"


def imported_url(data_dir: Path, name: str) -> str:
    """
    The place of an imported store, as `--backend` has it: whatever reads that asks it like any other index.

    A file for each: it is opened without reading it, and deleted as a whole.
    """
    return f"sqlite:{quote(str(imported_file(data_dir, name)))}?remote_text=true"


def unfinished(data_dir: Path, name: str) -> Path:
    """The mark beside an imported store that is not whole: it is there from before the first put until all is found."""
    return data_dir / IMPORTED / f"{name}.db.part"


def is_imported(data_dir: Path, name: str) -> bool:
    """Whether `name` is an imported store. One on notes comes first: what it was imported as is then superseded."""
    return (
        _NAME.fullmatch(name) is not None and imported_file(data_dir, name).is_file()
        and not (data_dir / "stores" / name).is_dir()
    )  # fmt: skip


@contextmanager
def opened_import(data_dir: Path, name: str) -> Iterator[Place]:
    """The place of an imported store. What is said of a file that is none says the way out of an import."""
    try:
        with Place.named(imported_url(data_dir, name), {}) as place:
            yield place
    except BackendRefused as error:
        error.hint = f"vragd store delete {name}, and import it again"
        raise


def checked_name(name: str) -> str:
    """`name`, which every backend takes. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"a store cannot be called {name[:80]!r}", hint="3 to 63 of a-z, 0-9, - and .")
    return name


def check_free(loaded: Loaded, name: str) -> None:
    """Raise StoreExists for the name of a store on notes: an imported one would stand in its way."""
    if name in Registry(loaded).entries():
        raise StoreExists(f"{name!r} is a store on notes already", hint="name another with --store")


def outside_notes(path: Path, loaded: Loaded) -> None:
    """Raise UsageError for a place in a vault, or in a source: nothing is ever written there."""
    real = path.resolve()
    sources = [one.path.resolve() for entry in Registry(loaded).entries().values() if entry.settings
               for one in entry.settings.sources]  # fmt: skip
    hint = "name a place outside: vragd never writes in a vault"
    if vault := vault_around(path):
        raise UsageError(f"{path} is inside the vault {vault}", hint=hint)
    if inside := next((source for source in sources if source in (real, *real.parents)), None):
        raise UsageError(f"{path} is inside {inside}, where notes are", hint=hint)


def place_outside_notes(place: Place, loaded: Loaded) -> None:
    """As `outside_notes`, of the files where a place keeps vectors, if it keeps any on this machine."""
    for file in place.settings.files():
        outside_notes(file, loaded)


class Collection:
    """Another index as an origin: what its backend gives back."""

    def __init__(self, backend: VectorBackend, info: CollectionInfo, where: str) -> None:
        if backend.traits.value_error is None:
            raise Unsupported(f"{where} gives no vector back", condition="values")
        self._backend, self._name = backend, info.name
        self.title = f"index {info.name}"
        self.shape = Shape(info.dimension, info.metric, info.space, info.model)
        self.count, self.with_text = info.count, True
        self.left_out = Counter[str]()

    def records(self) -> Records:
        self.left_out = Counter()
        keys = self._backend.list_keys(self._name, versions=True)
        while some := dict(islice(keys, AT_ONCE)):
            held = self._backend.get(self._name, list(some), values=True, metadata=True)
            for key, version in some.items():
                if one := held.get(key):
                    entry = Entry(key, one.values, one.metadata, one.payload, one.version or version)
                    yield Record(entry, {name: it for name, it in one.metadata.items() if name not in OURS})

    def close(self) -> None:
        """The backend is whose that opened it."""


@contextmanager
def origin_of(loaded: Loaded, name: str, place: Place | None = None) -> Iterator[Origin]:
    """
    What `name` is: a store on notes, an imported one, or an index at `place`.

    Raises UnknownStore, naming those there are, StoreMismatch for an import that broke off, and what opening it does.
    """
    with ExitStack() as stack:
        if place is None and is_imported(loaded.data_dir, name):
            if unfinished(loaded.data_dir, name).exists():
                raise StoreMismatch(f"the import of {name} broke off: it is not whole", hint=GO_ON)
            place = stack.enter_context(opened_import(loaded.data_dir, name))
        if place is not None:
            info = elsewhere.resolve(place.backend, name)
            yield Collection(place.backend, info, place.where())
            return
        registry = Registry(loaded)
        entry = registry.known(name)
        if entry.settings is None:
            raise UsageError(f"store {name!r} has no configuration any more", hint="name it in config.yaml again")
        indexed = Indexed(name, entry.settings, registry.folder(name), loaded.config.limits)
        stack.callback(indexed.close)
        yield indexed
