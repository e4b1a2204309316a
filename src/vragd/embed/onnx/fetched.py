"""
Models that were fetched by their names: `models/OWNER--NAME/COMMIT/` below the data directory, a folder as any other.

`whole.json` beside says which commit a revision was when it was fetched, and of which commits all that was wanted came
and was what the hub said it is. What is not in it is no model yet. Nobody here asks a network.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from vragd.errors import EmbedderUnavailable
from vragd.system.files import private_dir, write_atomic
from vragd.terms.settings import Named

FOLDER, RECORD = "models", "whole.json"


def place_of(data_dir: Path, name: str) -> Path:
    """Where all of a model is, of every revision."""
    return data_dir / FOLDER / name.replace("/", "--")  # which is in no name


def folder_of(data_dir: Path | None, named: Named) -> Path:
    """The folder of a model that was fetched whole. Raises EmbedderUnavailable, which says how to fetch it."""
    if data_dir is not None:
        place = place_of(data_dir, named.name)
        commit = commit_of(place, named.revision)
        if commit is not None and _has(place / commit, named.weights):
            return place / commit
    raise EmbedderUnavailable(f"the model {named.name} is not on this machine", hint=command_for(named))


def command_for(named: Named) -> str:
    """The command that fetches a model."""
    revision = "" if named.revision == "main" else f" --revision {named.revision}"
    return f"vragd models download {named.name}{revision}" + (f" --weights {named.weights}" if named.weights else "")


def commit_of(place: Path, revision: str) -> str | None:
    """Which commit a revision was when it was fetched last; None where it was not, or not whole."""
    record = _read(place)
    commit = record["revisions"].get(revision, revision)
    return commit if commit in record["commits"] else None


def note(place: Path, revision: str, commit: str, digests: dict[str, str]) -> None:
    """Say that all of a commit is there, which a revision is now; the digest of each file. Raises as `write_atomic`."""
    record = _read(place)
    record["revisions"][revision] = commit
    record["commits"][commit] = {**record["commits"].get(commit, {}), **digests}
    write_atomic(private_dir(place) / RECORD, [json.dumps(record, indent=1).encode()])


def twins_of(place: Path, path: str, digest: str) -> list[Path]:
    """Files of other commits with the same content, as they were noted."""
    record = _read(place)
    return [place / commit / path for commit, digests in record["commits"].items() if digests.get(path) == digest]


def _has(folder: Path, weights: str | None) -> bool:
    return weights is None or (folder / weights).is_file()


def _read(place: Path) -> dict[str, dict[str, Any]]:
    """An empty record where there is none, or none that can be read: then it is fetched anew, which mends it."""
    with suppress(OSError, ValueError):
        found = json.loads((place / RECORD).read_bytes())
        if isinstance(found, dict) and all(isinstance(found.get(key), dict) for key in ("revisions", "commits")):
            return {key: found[key] for key in ("revisions", "commits")}
    return {"revisions": {}, "commits": {}}
