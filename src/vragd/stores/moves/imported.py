"""Where imported stores are kept, by name. Whoever asks one loads nothing of a store on notes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from vragd.errors import BackendRefused, UsageError
from vragd.stores.elsewhere import Place
from vragd.stores.moves.nearby import IMPORTED

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
