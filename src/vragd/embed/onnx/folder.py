"""
What the files of a sentence-transformers folder say of a model: its steps, its limit, its prompts, and what is in it.

What they say and we cannot do is refused: a model that is run otherwise than it was trained finds less, without a word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vragd.embed.prompts import NONE, TEXT, Prompts
from vragd.errors import EmbedderUnavailable

Pooling = Literal["cls", "mean", "max", "lasttoken"]
POOLINGS: tuple[Pooling, ...] = ("cls", "mean", "max", "lasttoken")
OF_OLD = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max", "lasttoken": "lasttoken",
          "mean_sqrt_len_tokens": "mean_sqrt_len", "weightedmean_tokens": "weightedmean"}  # fmt: skip
"""Pooling as one key for each way, as it was written before version 6."""
KNOWN = ("Transformer", "Pooling", "Normalize")  # every vector is made a unit one way or the other
NO_LIMIT = 1 << 20
USUAL_LIMIT, LEAST_LIMIT = 512, 8
WEIGHTS = ("onnx/model.onnx", "model.onnx")


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


class _Unfit(ValueError):
    """What was found, in words of ours."""


def read(folder: Path, weights: str | None) -> Layout:
    """
    What is in `folder`; its weights are those of the file `weights` in it, or of the usual one.

    Reads every file that matters, for the digest: seconds for a large model. Raises EmbedderUnavailable.
    """
    try:
        if not folder.is_dir():
            raise _Unfit("there is no such folder")
        return _read(folder, weights)
    except (OSError, ValueError, TypeError, AttributeError, LookupError) as error:
        found = str(error) if isinstance(error, _Unfit) else f"{type(error).__name__}: {error}"
        raise EmbedderUnavailable(
            f"the model in {folder} cannot be read: {found}",
            hint="expected a folder in sentence-transformers' layout, with tokenizer.json and onnx/model.onnx",
        ) from error


def _read(folder: Path, weights: str | None) -> Layout:
    modules = _modules(folder)
    inner = folder / modules.get("Transformer", "")
    file = _weights(folder, inner, weights)
    tokenizer = inner / "tokenizer.json"
    pooling = _pooling(_json(folder / modules["Pooling"] / "config.json")) if "Pooling" in modules else None
    limit = _limit(inner)
    lowers = bool(_json(inner / "sentence_bert_config.json").get("do_lower_case"))
    prompts = _prompts(_json(folder / "config_sentence_transformers.json"))
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
        raise _Unfit(f"its step {unknown[0]} is none that vragd can do ({', '.join(KNOWN)})")
    return found


def _limit(inner: Path) -> int:
    """What the model was used with at most, or else what it has places for."""
    config = _json(inner / "config.json")
    places = config.get("max_position_embeddings")
    if isinstance(places, int) and "roberta" in str(config.get("model_type")):
        places -= int(config.get("pad_token_id", 1)) + 1  # theirs begin behind the padding
    said = (
        _json(inner / "sentence_bert_config.json").get("max_seq_length"),
        _json(inner / "tokenizer_config.json").get("model_max_length"),
        places,
    )
    limit = next((int(value) for value in said if isinstance(value, int | float) and 0 < value < NO_LIMIT), USUAL_LIMIT)
    if limit < LEAST_LIMIT:
        raise _Unfit(f"texts of at most {limit} tokens, where vragd expects {LEAST_LIMIT}")
    return limit


def _weights(folder: Path, inner: Path, wanted: str | None) -> Path:
    if wanted is not None and (folder / wanted).is_file():
        return folder / wanted
    for name in WEIGHTS if wanted is None else ():
        if (inner / name).exists():
            return inner / name
    there = sorted(path.relative_to(folder).as_posix() for path in folder.glob("**/*.onnx"))
    known = ", ".join(there) or "which there is none"
    if wanted is not None:
        raise _Unfit(f"weights: names {wanted}, which is no file there, of {known}")
    raise _Unfit(f"no {WEIGHTS[0]}; weights: names another file, of {known}")


def _parts_of(weights: Path) -> Iterator[Path]:
    """The file, and what stands beside it as its external data."""
    yield weights
    yield from sorted(
        path for path in weights.parent.iterdir()
        if path != weights and path.name.startswith(weights.stem) and path.suffix.endswith("data")
    )  # fmt: skip


def _pooling(config: Mapping[str, Any]) -> Pooling:
    ways = config.get("pooling_mode")
    if ways is None:
        ways = [way for key, way in OF_OLD.items() if config.get(f"pooling_mode_{key}")]
    chosen = [ways] if isinstance(ways, str) else list(ways)
    if config.get("include_prompt") is False:
        raise _Unfit("its prompts are left out of pooling, which vragd cannot do")
    for known in POOLINGS:
        if chosen == [known]:
            return known
    raise _Unfit(f"its pooling {chosen} is none that vragd can do ({', '.join(POOLINGS)})")


def _prompts(config: Mapping[str, Any]) -> Prompts:
    prompts = config.get("prompts") or {}
    default = prompts.get(config.get("default_prompt_name") or "", "")
    query = next((prompts[name] for name in ("query", "search_query") if name in prompts), default)
    names = ("document", "passage", "search_document", "corpus")
    document = next((prompts[name] for name in names if name in prompts), default)
    return Prompts(str(document) + TEXT, str(query) + TEXT) if query or document else NONE


def _json(file: Path) -> dict[str, Any]:
    """An object; an empty one where there is no such file."""
    found = json.loads(file.read_bytes()) if file.exists() else {}
    if not isinstance(found, dict):
        raise _Unfit(f"{file.name} is no object")
    return found
