"""What can be moved, by name: a store on notes, what was imported, an index elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

from vragd.backends.base import CollectionInfo, Entry, VectorBackend
from vragd.config.load import Loaded
from vragd.errors import StoreExists, StoreMismatch, Unsupported, UsageError
from vragd.store.exported import Indexed, Origin, Record, Records, Shape
from vragd.stores import elsewhere
from vragd.stores.elsewhere import Place
from vragd.stores.moves.imported import GO_ON, is_imported, opened_import, unfinished
from vragd.stores.registry import Registry
from vragd.system.files import vault_around

OURS = ("source", "folder")
"""What vragd itself says of a passage in its metadata."""
AT_ONCE = 500


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
