"""What is wrong with a collection's files, as the error that says what the user must do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from vragd.backends.segments.held import Foreign
from vragd.backends.segments.segment import Damaged, OtherVersion
from vragd.errors import BackendDamaged, BackendRefused


def damaged(place: str, why: str) -> BackendDamaged:
    """That the files of the collection at a place are not what was written."""
    return BackendDamaged(
        f"{place} is damaged: {why}",
        hint="vragd verify --repair mends that of a store on notes, without embedding; else move it away",
    )


@contextmanager
def faults_told(place: str) -> Iterator[None]:
    """Have what reading a manifest or a segment of the collection at a place raises told so."""
    try:
        yield
    except Foreign as error:
        raise BackendRefused(
            f"{place} is not vragd's: its manifest is none that vragd writes",
            hint="choose another path or another name for the store, or move it away if nobody needs it",
        ) from error
    except OtherVersion as error:
        raise BackendRefused(
            f"{place} is damaged, or newer than this vragd: {error}",
            hint="use the newer version; or move it away: a store on notes fills it anew, without embedding",
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:  # its words are a library's
        raise damaged(place, "what it says of itself is not what vragd writes") from error
    except (Damaged, ValueError) as error:
        raise damaged(place, str(error)) from error
