"""
What the files of a sentence-transformers folder say of a model: its steps, its limit, its prompts, and what is in it.

What they say and we cannot do is refused: a model that is run otherwise than it was trained finds less, without a word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vragd.embed.exported import Unfit, is_data_of, limit_in, object_in, weights_in
from vragd.embed.prompts import NONE, TEXT, Prompts
from vragd.errors import EmbedderUnavailable

Pooling = Literal["cls", "mean", "max", "lasttoken"]
POOLINGS: tuple[Pooling, ...] = ("cls", "mean", "max", "lasttoken")
OF_OLD = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max", "lasttoken": "lasttoken",
          "mean_sqrt_len_tokens": "mean_sqrt_len", "weightedmean_tokens": "weightedmean"}  # fmt: skip
"""Pooling as one key for each way, as it was written before version 6."""
KNOWN = ("Transformer", "Pooling", "Normalize")  # every vector is made a unit one way or the other


@dataclass(frozen=True, slots=True)
class Layout:
    """
    A model as its folder describes it.

    `limit`: tokens of a text at most, special ones included. `lowers`: whether texts are made lower case before.
    """

    weights: Path
    tokenizer: Path
    limit: int
    lowers: bool
    pooling: Pooling | None
    prompts: Prompts
    digest: str


def read(folder: Path, weights: str | None) -> Layout:
    """
    What is in `folder`; its weights are those of the file `weights` in it, or of the usual one.

    Reads every file that matters, for the digest: seconds for a large model. Raises EmbedderUnavailable.
    """
    with _understood(folder):
        if not folder.is_dir():
            raise Unfit("there is no such folder")
        return _read(folder, weights)


def look(folder: Path) -> None:
    """Raise EmbedderUnavailable where its files say something that vragd cannot do. Its weights need not be there."""
    with _understood(folder):
        modules = _modules(folder)
        if "Pooling" in modules:
            _pooling(object_in(folder / modules["Pooling"] / "config.json"))
        limit_in(folder / modules.get("Transformer", ""))
        _prompts(object_in(folder / "config_sentence_transformers.json"))


@contextmanager
def _understood(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, TypeError, AttributeError, LookupError) as error:
        found = str(error) if isinstance(error, Unfit) else f"{type(error).__name__}: {error}"
        raise EmbedderUnavailable(
            f"the model in {folder} cannot be read: {found}",
            hint="expected a folder in sentence-transformers' layout, with tokenizer.json and onnx/model.onnx",
        ) from error


def _read(folder: Path, weights: str | None) -> Layout:
    modules = _modules(folder)
    inner = folder / modules.get("Transformer", "")
    file = weights_in(folder, inner, weights)
    tokenizer = inner / "tokenizer.json"
    pooling = _pooling(object_in(folder / modules["Pooling"] / "config.json")) if "Pooling" in modules else None
    limit = limit_in(inner)
    lowers = bool(object_in(inner / "sentence_bert_config.json").get("do_lower_case"))
    prompts = _prompts(object_in(folder / "config_sentence_transformers.json"))
    digest = hashlib.sha256(json.dumps([sorted(modules), pooling, limit, lowers]).encode())
    for each in [*_parts_of(file), tokenizer]:
        with each.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return Layout(file, tokenizer, limit, lowers, pooling, prompts, digest.hexdigest())


def _modules(folder: Path) -> dict[str, str]:
    """The folder of each step, by the last word of its type. A folder without a list has the first step alone."""
    listed = folder / "modules.json"
    modules = json.loads(listed.read_bytes()) if listed.exists() else [{"type": "Transformer", "path": ""}]
    found = {str(each["type"]).rpartition(".")[2]: str(each["path"]) for each in modules}
    if unknown := [name for name in found if name not in KNOWN]:
        raise Unfit(f"its step {unknown[0]} is none that vragd can do ({', '.join(KNOWN)})")
    return found


def _parts_of(weights: Path) -> Iterator[Path]:
    """The file, and what stands beside it as its external data."""
    yield weights
    yield from sorted(path for path in weights.parent.iterdir() if is_data_of(weights, path))


def _pooling(config: Mapping[str, Any]) -> Pooling:
    ways = config.get("pooling_mode")
    if ways is None:
        ways = [way for key, way in OF_OLD.items() if config.get(f"pooling_mode_{key}")]
    chosen = [ways] if isinstance(ways, str) else list(ways)
    if config.get("include_prompt") is False:
        raise Unfit("its prompts are left out of pooling, which vragd cannot do")
    for known in POOLINGS:
        if chosen == [known]:
            return known
    raise Unfit(f"its pooling {chosen} is none that vragd can do ({', '.join(POOLINGS)})")


def _prompts(config: Mapping[str, Any]) -> Prompts:
    prompts = {name: prompt for name, prompt in (config.get("prompts") or {}).items() if prompt is not None}
    default = prompts.get(config.get("default_prompt_name") or "", "")
    query = next((prompts[name] for name in ("query", "search_query") if name in prompts), default)
    names = ("document", "passage", "search_document", "corpus")
    document = next((prompts[name] for name in names if name in prompts), default)
    return Prompts(str(document) + TEXT, str(query) + TEXT) if query or document else NONE
