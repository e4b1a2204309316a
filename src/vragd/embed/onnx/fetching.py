"""What of a model is fetched, and fetching it: `vragd models download` alone comes here, and nobody by himself."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vragd.embed.exported import WEIGHTS, is_data_of
from vragd.embed.onnx import fetched
from vragd.embed.onnx.download import fetch, n_here, part_of
from vragd.embed.onnx.folder import look
from vragd.embed.onnx.hub import BY_HAND, Hub, Listed, Wait
from vragd.errors import DiskFull, EmbedderUnavailable
from vragd.system.files import private_dir
from vragd.terms.settings import Named

READ = frozenset(
    {"added_tokens.json", "config.json", "config_sentence_transformers.json", "modules.json",
     "sentence_bert_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"}
)  # fmt: skip
"""What says how a model is run: of the first folder, and of those of its steps, such as 1_Pooling."""
STEP = re.compile(r"\d+_\w+")
MOST_BYTES = 100_000_000
"""Of such a file: tokenizers of many languages have tens of them."""
ROOM_LEFT = 64 << 20
"""Nothing is fetched that would leave less."""

Told = Callable[[str, int], None]
"""Is told which file is fetched, and how many bytes of all files are here."""


@dataclass(frozen=True, slots=True)
class Offer:
    """
    What a hub has of a model, and what of it is here. `folder` is where it will be, `was` the commit that the revision
    was here before; `files` begin with the small ones.
    """

    named: Named
    hub: Hub
    commit: str
    folder: Path
    files: Sequence[Listed]
    was: str | None

    @property
    def host(self) -> str:
        return self.hub.host

    @property
    def paths(self) -> list[str]:
        return [file.path for file in self.files]

    @property
    def n_bytes(self) -> int:
        return sum(file.n_bytes for file in self.files)

    @property
    def n_missing(self) -> int:
        """Bytes that are not here yet."""
        return self.n_bytes - sum(min(n_here(self.folder / file.path), file.n_bytes) for file in self.files)

    @property
    def is_here(self) -> bool:
        """Whether there is nothing to fetch, and nothing to note."""
        return self.was == self.commit and all((self.folder / file.path).is_file() for file in self.files)

    def ensure_room(self) -> None:
        """Raise DiskFull where it would not fit."""
        missing, free = self.n_missing, _free(self.folder)
        if missing and free is not None and missing + ROOM_LEFT > free:
            raise DiskFull(
                f"{self.named.name} takes {missing >> 20:,} MiB more, and {free >> 20:,} MiB are free at {self.folder}",
                hint="free some space, or choose another place with paths.data",
            )

    def fetch(self, told: Told, wait: Wait = time.sleep) -> Path:
        """
        Have all of it, going on where it was interrupted; its folder. What says how it is run comes first, and is
        looked at before its weights, and their data, come. Blocks. Raises EmbedderUnavailable, DiskFull, DataDirError.
        """
        self.ensure_room()
        here = {file.path: min(n_here(self.folder / file.path), file.n_bytes) for file in self.files}

        def said(path: str, n_bytes: int) -> None:
            here[path] = n_bytes
            told(path, sum(here.values()))

        for file in self.files:
            if not _says_how(file):
                look(self.folder)
            target = self.folder / file.path
            _private(self.folder.parents[1], target.parent)
            self._linked(file, target)
            url = self.hub.address(self.named.name, self.commit, file.path)
            fetch(url, file, target, lambda n_bytes, path=file.path: said(path, n_bytes), wait)  # type: ignore[misc]
        digests = {file.path: file.digest for file in self.files}
        fetched.note(self.folder.parent, self.named.revision, self.commit, digests)
        return self.folder

    def _linked(self, file: Listed, target: Path) -> None:
        """Take the file of another commit, where that has the same: then nothing of it is fetched."""
        if file.digest and not target.exists() and not part_of(target).exists():
            for twin in fetched.twins_of(self.folder.parent, file.path, file.digest):
                with suppress(OSError):  # then it is fetched
                    os.link(twin, target)
                    return


def asked(named: Named, data_dir: Path, wait: Wait = time.sleep) -> Offer:
    """
    Ask the hub what it has of a model. Blocks; fetches nothing.

    Raises UsageError, EmbedderRefused and EmbedderUnavailable as `Hub.listed`, and for a model that cannot be run.
    """
    hub = Hub(wait)
    commit, files = hub.listed(named)
    place = fetched.place_of(data_dir, named.name)
    chosen = chosen_of(named, files)
    return Offer(named, hub, commit, place / commit, chosen, fetched.commit_of(place, named.revision))


def chosen_of(named: Named, files: Sequence[Listed]) -> list[Listed]:
    """The files that are read, the weights last. Raises EmbedderUnavailable where some of them are not there."""
    there = {file.path: file for file in files}
    small = [file for file in files if _says_how(file)]
    usual = [path for inner in ("", *_inner(files)) for path in (f"{inner}{name}" for name in WEIGHTS)]
    wanted = [named.weights] if named.weights is not None else usual
    weights = next((there[path] for path in wanted if path in there), None)
    if weights is None:
        raise _no_weights(named, sorted(there))
    if not any(PurePosixPath(file.path).name == "tokenizer.json" for file in small):
        raise EmbedderUnavailable(f"{named.name} has no tokenizer.json, which vragd reads", hint=BY_HAND)
    pure = PurePosixPath(weights.path)
    beside = [file for path, file in sorted(there.items()) if is_data_of(pure, PurePosixPath(path))]
    return [*sorted(small), *beside, weights]


def _says_how(file: Listed) -> bool:
    pure = PurePosixPath(file.path)
    inner = len(pure.parts) == 1 or (len(pure.parts) == 2 and STEP.fullmatch(pure.parts[0]))
    return bool(inner) and pure.name in READ and file.n_bytes <= MOST_BYTES


def _inner(files: Sequence[Listed]) -> list[str]:
    """The folders of its steps, one of which may have the weights."""
    return sorted({f"{file.path.partition('/')[0]}/" for file in files if STEP.fullmatch(file.path.partition("/")[0])})


def _no_weights(named: Named, there: Sequence[str]) -> EmbedderUnavailable:
    exported = [path for path in there if path.endswith(".onnx")]
    if exported:
        wanted = named.weights or WEIGHTS[0]
        hint = f"--weights, and weights: of the embedder, name another file: {', '.join(exported[:8])}"
        return EmbedderUnavailable(f"{named.name} has no {wanted}", hint=hint)
    kinds = ("safetensors", "bin", "gguf")
    others = sorted({path.rpartition(".")[2] for path in there if path.endswith(kinds)}, key=kinds.index)
    return EmbedderUnavailable(
        f"{named.name} has no weights for ONNX" + (f", only {', '.join(others)}" if others else ""),
        hint=f"optimum-cli export onnx --model {named.name} FOLDER makes some, for path: FOLDER; or have Ollama run it",
    )


def _private(above: Path, folder: Path) -> None:
    """Every folder from below `above` down to `folder`, for us alone."""
    for each in reversed([folder, *folder.parents]):
        if above in each.parents or each == above:
            private_dir(each)


def _free(folder: Path) -> int | None:
    """Bytes that may still be written there; None where nobody can tell."""
    for each in (folder, *folder.parents):
        with suppress(OSError):
            info = os.statvfs(each)
            return info.f_bavail * info.f_frsize
    return None
