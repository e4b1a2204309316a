"""A cross-encoder in a folder is run as its files say, or refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.folders import reading
from vragd.embed.cross import CrossEncoder
from vragd.errors import EmbedderUnavailable

WORTH = {"one": 1.0, "two": 8.0, "[SEP]": -2.0}
IDENTITY = {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "5.1.0"}}


class Making:
    """Makes folders, and models of them."""

    def __init__(self, home: Path, opened: ExitStack) -> None:
        self._home, self._opened, self._n = home, opened, 0

    def __call__(self, *, weights: str | None = None, timeout_s: float = 20.0, **given: Any) -> CrossEncoder:
        self._n += 1
        folder = reading(self._home / f"model{self._n}", WORTH, **given)
        return self.of(folder, weights, timeout_s)

    def of(self, folder: Path, weights: str | None = None, timeout_s: float = 20.0) -> CrossEncoder:
        return self._opened.enter_context(closing(CrossEncoder(folder, weights, timeout_s)))


@pytest.fixture
def making(tmp_path: Path) -> Iterator[Making]:
    with ExitStack() as opened:
        yield Making(tmp_path, opened)


def mean(*words: str) -> float:
    tokens = ["[CLS]", *words]
    return sum(WORTH.get(word, 0.0) for word in tokens) / len(tokens)


def sigmoid(number: float) -> float:
    return 1 / (1 + math.exp(-number))


def test_question_and_passage_are_read_together_and_each_gets_the_models_number(making: Making) -> None:
    found = making(config=IDENTITY).relevance("one", ["two three", "three", "", "two \ud800"])
    assert found == pytest.approx(
        [
            mean("one", "[SEP]", "two", "three", "[SEP]"),
            mean("one", "[SEP]", "three", "[SEP]"),
            mean("one", "[SEP]", "[SEP]"),
            mean("one", "[SEP]", "two", "[UNK]", "[SEP]"),
        ],
        abs=1e-6,
    )


@pytest.mark.parametrize(
    ("config", "is_sigmoid"),
    [
        ({}, True),
        ({"id2label": {"0": "LABEL_0"}}, True),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, False),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}, True),
        (IDENTITY, False),
    ],
)
def test_what_is_made_of_its_number_is_said_by_its_config(
    making: Making, config: dict[str, Any], is_sigmoid: bool
) -> None:
    (found,) = making(config=config).relevance("one", ["two"])
    raw = mean("one", "[SEP]", "two", "[SEP]")
    assert found == pytest.approx(sigmoid(raw) if is_sigmoid else raw, abs=1e-6)


def test_the_longer_of_both_is_cut_to_what_the_model_takes(making: Making) -> None:
    model = making(config=IDENTITY, limit=8)
    long = ["one", "[SEP]", *["two"] * 4, "[SEP]"]
    assert model.relevance("one", ["two " * 50]) == pytest.approx([mean(*long)], abs=1e-6)
    (found,) = model.relevance("one " * 50, ["two"])
    assert found == pytest.approx(mean(*["one"] * 4, "[SEP]", "two", "[SEP]"), abs=1e-6)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"config": {"id2label": {"0": "a", "1": "b", "2": "c"}}}, "tells 3 labels apart"),
        ({"config": {"num_labels": 2}}, "tells 2 labels apart"),
        ({"config": {"sentence_transformers": {"activation_fn": "torch.nn.Softmax"}}}, "activation Softmax is none"),
        ({"config": []}, "config.json is no object"),
        ({"takes": ("input_ids", "pixel_values")}, "wants pixel_values"),
        ({"limit": 3}, "at most 3 tokens"),
        ({"weights": "onnx/model_O3.onnx"}, "weights: names another file, of onnx/model_O3.onnx"),
    ],
)
def test_what_cannot_be_run_as_it_was_trained_is_refused(making: Making, tmp_path: Path, given: Any, why: str) -> None:
    folder = reading(tmp_path / "odd", WORTH, **given)
    with pytest.raises(EmbedderUnavailable, match=why) as caught:
        making.of(folder)
    assert "cross-encoder" in caught.value.hint


def test_a_folder_that_is_none_or_lacks_a_file_is_refused(making: Making, tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match="no such folder"):
        making.of(tmp_path / "nowhere")
    folder = reading(tmp_path / "model", WORTH)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EmbedderUnavailable, match="cannot be loaded"):
        making.of(folder)
    (folder / "onnx/model.onnx").write_bytes(b"no weights")
    with pytest.raises(EmbedderUnavailable, match="cannot be loaded"):
        making.of(folder)


def test_other_weights_are_taken_by_name_and_lines_may_end_as_on_windows(making: Making, tmp_path: Path) -> None:
    folder = reading(tmp_path / "model", WORTH, weights="onnx/model_q8.onnx", config=IDENTITY)
    for file in folder.glob("*.json"):
        file.write_bytes(json.dumps(json.loads(file.read_bytes()), indent=1).replace("\n", "\r\n").encode())
    found = making.of(folder, "onnx/model_q8.onnx").relevance("one", ["two"])
    assert found == pytest.approx([mean("one", "[SEP]", "two", "[SEP]")], abs=1e-6)


def test_a_number_that_is_none_and_several_are_no_answer(making: Making, tmp_path: Path) -> None:
    broken = reading(tmp_path / "broken", {"two": math.nan})
    with pytest.raises(EmbedderUnavailable, match="none that is one"):
        making.of(broken).relevance("one", ["two"])
    wide = reading(tmp_path / "wide", WORTH, n_numbers=3)  # whose config does not say so
    with pytest.raises(EmbedderUnavailable, match="gives 3 numbers"):
        making.of(wide).relevance("one", ["two"])


def test_it_ends_where_nobody_waits_any_longer(making: Making) -> None:
    with pytest.raises(EmbedderUnavailable, match="took longer than"):
        making(timeout_s=-1.0).relevance("one", ["two"] * 50)
