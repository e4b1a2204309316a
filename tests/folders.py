"""Models in folders of sentence-transformers' layout: the bundled one, and tiny ones whose every number is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from vragd.embed.builtin.embedder import MODEL_DIR, WINDOW

WORDS = ("[UNK]", "[CLS]", "[SEP]", "one", "two", "three", "query", "passage", ":", "ONE")
DIMENSION = 16


def bundled(folder: Path) -> Path:
    """The builtin model as others would have it."""
    (folder / "onnx").mkdir(parents=True)
    (folder / "onnx/model.onnx").symlink_to(MODEL_DIR / "model.onnx")
    (folder / "tokenizer.json").symlink_to(MODEL_DIR / "tokenizer.json")
    (folder / "modules.json").write_text(json.dumps([_step("Transformer", "")]))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": WINDOW, "do_lower_case": False}))
    return folder


def table() -> np.ndarray:
    """The vector of each of `WORDS`, shape (words, 16): what a tiny model makes of a token."""
    return np.random.default_rng(5).normal(size=(len(WORDS), DIMENSION)).astype(np.float32)


def tiny(folder: Path, pooling: dict[str, Any] | None, *, output: str = "last_hidden_state",
         takes: tuple[str, ...] = ("input_ids", "attention_mask"), rows: np.ndarray | None = None, **files: Any
         ) -> Path:  # fmt: skip
    """A model that looks words up, in `rows` or `table`. `files`: what other files hold, by name without suffix."""
    (folder / "onnx").mkdir(parents=True)
    (folder / "onnx/model.onnx").write_bytes(lookup(table() if rows is None else rows, output, takes))
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    special = [("[CLS]", 1), ("[SEP]", 2)]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
    tokenizer.save(str(folder / "tokenizer.json"))
    steps = [_step("Transformer", ""), _step("Normalize", "2_Normalize")]
    if pooling is not None:
        steps.insert(1, _step("Pooling", "1_Pooling"))
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))
    for name, content in {"modules": steps, "sentence_bert_config": {"max_seq_length": 8}, **files}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def reading(folder: Path, worth: Mapping[str, float], *, limit: int = 64, n_numbers: int = 1,
            weights: str = "onnx/model.onnx", takes: tuple[str, ...] = ("input_ids", "attention_mask"), **files: Any
            ) -> Path:  # fmt: skip
    """A cross-encoder to which a pair is worth what its words are, of `WORDS`, on average. `files` as of `tiny`."""
    (folder / weights).parent.mkdir(parents=True)
    rows = np.array([[worth.get(word, 0.0)] * n_numbers for word in WORDS], dtype=np.float32)
    (folder / weights).write_bytes(lookup(rows, "logits", takes, meant=True))
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    pair = "[CLS] $A [SEP] $B:1 [SEP]:1"
    special = [("[CLS]", 1), ("[SEP]", 2)]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", pair=pair, special_tokens=special)
    tokenizer.save(str(folder / "tokenizer.json"))
    said = {"config": {"id2label": {"0": "LABEL_0"}}, "tokenizer_config": {"model_max_length": limit}}
    for name, content in {**said, **files}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def _step(kind: str, path: str) -> dict[str, str]:
    return {"idx": "0", "name": "0", "path": path, "type": f"sentence_transformers.models.{kind}"}


# -- a graph in protobuf, by hand: the library that writes them is large ---------------------------------------------


def lookup(rows: np.ndarray, output: str, takes: tuple[str, ...], *, meant: bool = False) -> bytes:
    """
    An ONNX model: `output` = rows[input_ids], shape (texts, tokens, dimension); `meant`: the mean of all tokens.
    """
    looked_up = "by_token" if meant else output
    nodes = [_text(1, "rows") + _text(1, "input_ids") + _text(2, looked_up) + _text(4, "Gather")]
    if meant:
        axes = _text(1, "axes") + _number(8, 1) + _number(20, 7)
        keeps = _text(1, "keepdims") + _number(3, 0) + _number(20, 2)
        node = _text(1, looked_up) + _text(2, output) + _text(4, "ReduceMean")
        nodes.append(node + _bytes(5, axes) + _bytes(5, keeps))
    raw = rows.astype("<f4").tobytes()
    dims = b"".join(_number(1, size) for size in rows.shape)
    weights = dims + _number(2, 1) + _text(8, "rows") + _bytes(9, raw)
    graph = b"".join(_bytes(1, node) for node in nodes) + _text(2, "lookup") + _bytes(5, weights)
    graph += b"".join(_bytes(11, _value(name, 7, ("b", "t"))) for name in takes)
    graph += _bytes(12, _value(output, 1, ("b", rows.shape[1]) if meant else ("b", "t", rows.shape[1])))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def _value(name: str, kind: int, shape: tuple[str | int, ...]) -> bytes:
    dims = b"".join(_bytes(1, _text(2, d) if isinstance(d, str) else _number(1, d)) for d in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims)))


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
