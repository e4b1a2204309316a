"""What files say of a model that was exported for ONNX Runtime into a folder: its weights, how long a text may be."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePath
from typing import Any

NO_LIMIT = 1 << 20
USUAL_LIMIT, LEAST_LIMIT = 512, 8
WEIGHTS = ("onnx/model.onnx", "model.onnx", "onnx/model_optimized.onnx", "model_optimized.onnx")
POINTER = b"version https://git-lfs.github.com/"


class Unfit(ValueError):
    """What was found, in words of ours."""


def limit_in(inner: Path) -> int:
    """What the model was used with at most, or else what it has places for."""
    config = object_in(inner / "config.json")
    places = config.get("max_position_embeddings")
    if isinstance(places, int) and "roberta" in str(config.get("model_type")):
        places -= int(config.get("pad_token_id", 1)) + 1  # theirs begin behind the padding
    said = (
        object_in(inner / "sentence_bert_config.json").get("max_seq_length"),
        object_in(inner / "tokenizer_config.json").get("model_max_length"),
        places,
    )
    limit = next((int(value) for value in said if isinstance(value, int | float) and 0 < value < NO_LIMIT), USUAL_LIMIT)
    if limit < LEAST_LIMIT:
        raise Unfit(f"texts of at most {limit} tokens, where vragd expects {LEAST_LIMIT}")
    return limit


def weights_in(folder: Path, inner: Path, wanted: str | None) -> Path:
    """
    The file `wanted` in `folder`, or the usual one of its part `inner`. Raises Unfit, which names what is there, and
    where that was not fetched whole.
    """
    found = _weights(folder, inner, wanted)
    with found.open("rb") as opened:
        begins = opened.read(len(POINTER))
    if begins == POINTER:
        raise Unfit(f"{found.name} is what Git LFS keeps in its place: git lfs pull fetches it")
    if not begins:
        raise Unfit(f"{found.name} is empty: it was not fetched whole")
    return found


def _weights(folder: Path, inner: Path, wanted: str | None) -> Path:
    if wanted is not None and (folder / wanted).is_file():
        return folder / wanted
    for name in WEIGHTS if wanted is None else ():
        if (inner / name).exists():
            return inner / name
    there = sorted(path.relative_to(folder).as_posix() for path in folder.glob("**/*.onnx"))
    known = ", ".join(there) or "which there is none"
    if wanted is not None:
        raise Unfit(f"weights: names {wanted}, which is no file there, of {known}")
    raise Unfit(f"no {WEIGHTS[0]}; weights: names another file, of {known}")


def is_data_of(weights: PurePath, other: PurePath) -> bool:
    """
    Whether `other` is named as external data of the file `weights`, or a shard of it: as exporters name it.

    `model_fp16.onnx_data` is that of `model_fp16.onnx`, not of `model.onnx`. `vragd purge` knows these names, too.
    """
    name, stem = re.escape(weights.name), re.escape(weights.stem)
    beside = other.parent == weights.parent
    return beside and re.fullmatch(rf"{name}[._]data(?:_[0-9]+)?|{stem}\.data", other.name) is not None


def object_in(file: Path) -> dict[str, Any]:
    """An object; an empty one where there is no such file. Raises Unfit, OSError, ValueError."""
    found = json.loads(file.read_bytes()) if file.exists() else {}
    if not isinstance(found, dict):
        raise Unfit(f"{file.name} is no object")
    return found
