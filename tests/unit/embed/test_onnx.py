"""Models in folders: the bundled one as others would have it, and tiny ones whose every number is known."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.folders import WORDS, bundled, table, tiny
from vragd.embed.base import Embedder
from vragd.embed.builtin.embedder import MiniLM
from vragd.embed.onnx.embedder import create
from vragd.embed.onnx.folder import read
from vragd.embed.onnx.settings import OnnxEmbedder
from vragd.errors import EmbedderUnavailable

MEAN = {"pooling_mode": "mean", "embedding_dimension": 16, "include_prompt": True}


def made(folder: Path, **given: Any) -> Embedder:
    return create(OnnxEmbedder(type="onnx", path=str(folder), **{"threads": 1, **given}))


def rows_of(*words: str) -> np.ndarray:
    return table()[[WORDS.index(word) for word in words]]


def unit(row: np.ndarray) -> np.ndarray:
    return np.asarray(row / np.linalg.norm(row))


def test_the_bundled_model_laid_out_like_others_gives_the_same_vectors(tmp_path: Path) -> None:
    texts = [
        "how to brew coffee",
        "",
        "日本語",
        "Café ☕ `x = 1`",
        "a long one " * 40,
        "longer than a window " * 200,
    ]
    here, there = MiniLM(1), made(bundled(tmp_path / "m"), threads=2)
    assert np.abs(here.embed_documents(texts) - there.embed_documents(texts)).max() <= 1e-5
    assert np.abs(here.embed_query("coffee") - there.embed_query("coffee")).max() <= 1e-5
    space = there.space("c")
    assert (space.provider, space.model, space.dimension) == ("onnx", "m", 384)
    assert there.embed_documents([]).shape == (0, 384)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (MEAN, lambda rows: rows.mean(axis=0)),
        ({"pooling_mode": ["mean"]}, lambda rows: rows.mean(axis=0)),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, lambda rows: rows.mean(axis=0)),
        ({"pooling_mode": "cls"}, lambda rows: rows[0]),
        ({"pooling_mode_cls_token": True}, lambda rows: rows[0]),
        ({"pooling_mode_max_tokens": True}, lambda rows: rows.max(axis=0)),
        ({"pooling_mode_lasttoken": True}, lambda rows: rows[-1]),
    ],
)
def test_tokens_are_pooled_as_either_generation_of_the_file_says(tmp_path: Path, config: Any, expected: Any) -> None:
    row = made(tiny(tmp_path / "m", config)).embed_documents(["one two"])[0]
    assert row == pytest.approx(unit(expected(rows_of("[CLS]", "one", "two", "[SEP]"))), abs=1e-6)


def test_a_text_beyond_the_limit_is_embedded_in_windows_and_none_of_it_is_lost(tmp_path: Path) -> None:
    row = made(tiny(tmp_path / "m", MEAN)).embed_documents(["one one one one one one two three"])[0]
    first = unit(rows_of("[CLS]", *["one"] * 6, "[SEP]").mean(axis=0))
    second = unit(rows_of("[CLS]", "two", "three", "[SEP]").mean(axis=0))
    assert row == pytest.approx(unit(first * 8 + second * 4), abs=1e-6)


def test_prompts_are_those_of_the_folder_unless_a_setting_says_otherwise(tmp_path: Path) -> None:
    said = {"prompts": {"query": "query: ", "document": "passage: "}, "default_prompt_name": None}
    folder = tiny(tmp_path / "m", MEAN, config_sentence_transformers=said)
    e, own = made(folder), made(folder, document_prompt="{text}", query_prompt="{text}")
    asked = unit(rows_of("[CLS]", "query", ":", "one", "[SEP]").mean(axis=0))
    assert e.embed_query("one") == pytest.approx(asked, abs=1e-6)
    kept = unit(rows_of("[CLS]", "passage", ":", "one", "[SEP]").mean(axis=0))
    assert e.embed_documents(["one"])[0] == pytest.approx(kept, abs=1e-6)
    assert own.embed_query("one") == pytest.approx(unit(rows_of("[CLS]", "one", "[SEP]").mean(axis=0)), abs=1e-6)
    assert e.space("c").prompts != own.space("c").prompts
    assert e.space("c").digest == own.space("c").digest


def test_prompts_are_known_by_the_folders_name_where_it_says_none(tmp_path: Path) -> None:
    e = made(tiny(tmp_path / "multilingual-e5-small", MEAN))
    asked = unit(rows_of("[CLS]", "query", ":", "one", "[SEP]").mean(axis=0))
    assert e.embed_query("one") == pytest.approx(asked, abs=1e-6)


def test_a_model_that_was_used_in_lower_case_is(tmp_path: Path) -> None:
    lower = tiny(tmp_path / "m", MEAN, sentence_bert_config={"max_seq_length": 8, "do_lower_case": True})
    assert made(lower).embed_query("ONE") == pytest.approx(made(lower).embed_query("one"), abs=1e-6)
    as_it_is = made(tiny(tmp_path / "n", MEAN))
    assert np.abs(as_it_is.embed_query("ONE") - as_it_is.embed_query("one")).max() > 0.1


def test_token_types_are_given_to_a_model_that_wants_them_and_nothing_unknown(tmp_path: Path) -> None:
    takes = ("input_ids", "attention_mask", "token_type_ids")
    assert made(tiny(tmp_path / "m", MEAN, takes=takes)).embed_query("one").shape == (16,)
    with pytest.raises(EmbedderUnavailable, match="wants pixel_values"):
        made(tiny(tmp_path / "n", MEAN, takes=("input_ids", "pixel_values")))


def test_shortened_vectors_are_units_and_another_space(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "m", MEAN)
    whole, short = made(folder), made(folder, dimensions=8)
    row = short.embed_documents(["one two"])[0]
    assert row == pytest.approx(unit(whole.embed_documents(["one two"])[0][:8]), abs=1e-6)
    assert short.space("c").dimension == 8
    assert not short.still_makes(whole.space("c"))
    with pytest.raises(EmbedderUnavailable, match="vectors of 16 numbers"):
        made(folder, dimensions=17)


def test_whatever_decides_a_vector_is_in_the_digest(tmp_path: Path) -> None:
    digests = {made(tiny(tmp_path / "a" / "m", MEAN)).space("c").digest}
    assert made(tiny(tmp_path / "b" / "m", MEAN)).space("c").digest in digests
    folder = tiny(tmp_path / "c" / "m", MEAN)
    (folder / "onnx/model.onnx_data").write_bytes(b"weights beside")
    digests.add(made(folder).space("c").digest)
    (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode": "cls"}))
    digests.add(made(folder).space("c").digest)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 9}))
    digests.add(made(folder).space("c").digest)
    tokenizer = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(tokenizer.replace("ONE", "TWO"))
    digests.add(made(folder).space("c").digest)
    (folder / "onnx/other.onnx").write_bytes((folder / "onnx/model.onnx").read_bytes() + b"\x12\x01x")
    digests.add(made(folder, weights="onnx/other.onnx").space("c").digest)
    assert len(digests) == 6


def test_data_of_other_weights_is_not_in_the_digest_and_shards_of_its_own_are(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "m", MEAN)
    digests = [made(folder).space("c").digest]
    for name in ("model_fp16.onnx_data", "model_q4.onnx_data_1", "model.onnx_data", "model.onnx_data_1", "model.data"):
        (folder / "onnx" / name).write_bytes(name.encode())
        digests.append(made(folder).space("c").digest)
    assert len(set(digests[:3])) == 1
    assert len(set(digests[2:])) == 4


def test_a_digest_stays_what_it_was_where_data_has_its_usual_name(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "m", MEAN)
    (folder / "onnx/model.onnx_data").write_bytes(b"weights beside")
    steps = json.dumps([["Normalize", "Pooling", "Transformer"], "mean", 8, False])
    expected = hashlib.sha256(steps.encode())
    for name in ("onnx/model.onnx", "onnx/model.onnx_data", "tokenizer.json"):
        expected.update(hashlib.sha256((folder / name).read_bytes()).digest())
    assert read(folder, None).digest == expected.hexdigest()


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"sentence_bert_config": {"max_seq_length": 9}, "config": {"max_position_embeddings": 512}}, 9),
        ({"sentence_bert_config": {}, "tokenizer_config": {"model_max_length": 10}}, 10),
        ({"sentence_bert_config": {"max_seq_length": None}, "tokenizer_config": {"model_max_length": 1e30},
          "config": {"max_position_embeddings": 11}}, 11),
        ({"sentence_bert_config": {}, "config": {"model_type": "xlm-roberta", "max_position_embeddings": 14,
                                                 "pad_token_id": 1}}, 12),
        ({"sentence_bert_config": {}}, 512),
    ],
)  # fmt: skip
def test_the_limit_is_what_the_files_say(tmp_path: Path, files: dict[str, Any], limit: int) -> None:
    e = made(tiny(tmp_path / "m", MEAN, **files))
    fits, too_long = " ".join(["one"] * (limit - 2)), " ".join(["one"] * (limit - 2) + ["two"])
    whole = unit(rows_of("[CLS]", *["one"] * (limit - 2), "[SEP]").mean(axis=0))
    assert e.embed_query(fits) == pytest.approx(whole, abs=1e-5)
    assert e.embed_query(too_long) == pytest.approx(
        unit(whole * limit + unit(rows_of("[CLS]", "two", "[SEP]").mean(axis=0)) * 3), abs=1e-5
    )


def test_what_the_files_say_and_is_not_done_here_is_refused(tmp_path: Path) -> None:
    dense = [{"path": "", "type": "x.Transformer"}, {"path": "2_Dense", "type": "x.Dense"}]
    refused: dict[str, Path] = {
        "step Dense": tiny(tmp_path / "a", MEAN, modules=dense),
        "weightedmean": tiny(tmp_path / "b", {"pooling_mode_weightedmean_tokens": True}),
        r"\['cls', 'mean'\]": tiny(tmp_path / "c", {"pooling_mode": ["cls", "mean"]}),
        "left out of pooling": tiny(tmp_path / "d", {"pooling_mode": "mean", "include_prompt": False}),
        "no file says how": tiny(tmp_path / "e", None),
        "at most 3 tokens": tiny(tmp_path / "f", MEAN, sentence_bert_config={"max_seq_length": 3}),
        "is no object": tiny(tmp_path / "g", MEAN, config=[]),
    }
    for why, folder in refused.items():
        with pytest.raises(EmbedderUnavailable, match=why):
            made(folder)


def test_what_is_missing_or_damaged_is_said_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match="there is no such folder") as caught:
        made(tmp_path / "nowhere")
    assert "sentence-transformers' layout" in caught.value.hint
    folder = tiny(tmp_path / "m", MEAN)
    with pytest.raises(EmbedderUnavailable, match=r"onnx/other\.onnx, which is no file there, of onnx/model\.onnx"):
        made(folder, weights="onnx/other.onnx")
    (folder / "onnx/model.onnx").rename(folder / "onnx/model_fp16.onnx")
    with pytest.raises(EmbedderUnavailable, match=r"of onnx/model_fp16\.onnx"):
        made(folder)
    assert made(folder, weights="onnx/model_fp16.onnx").embed_query("one").shape == (16,)
    (folder / "onnx/model.onnx").write_bytes(b"no model")
    with pytest.raises(EmbedderUnavailable, match="cannot be loaded"):
        made(folder)
    (folder / "modules.json").write_text("{")
    with pytest.raises(EmbedderUnavailable, match="cannot be read: JSONDecodeError"):
        made(folder)


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"),
        (b"", "not fetched whole"),
    ],
)
def test_weights_that_were_not_fetched_are_told_from_damaged_ones(tmp_path: Path, kept: bytes, why: str) -> None:
    folder = tiny(tmp_path / "model", MEAN)
    (folder / "onnx/model.onnx").write_bytes(kept)
    with pytest.raises(EmbedderUnavailable, match=why):
        made(folder)


def test_a_prompt_that_is_null_is_none(tmp_path: Path) -> None:
    said = {"prompts": {"query": None, "document": "passage: "}, "default_prompt_name": None}
    found = made(tiny(tmp_path / "model", MEAN, config_sentence_transformers=said))
    plain = made(tiny(tmp_path / "plain", MEAN))
    assert found.embed_query("one two") == pytest.approx(plain.embed_query("one two"))
