"""
How relevant passages are to a question, by a cross-encoder in a folder, on ONNX Runtime in this process.

Its files say how it is run, as those of sentence-transformers do: pairs of question and passage, of which the longer
one is cut to what the model takes; one number each; what is made of that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding

from vragd.embed.exported import Unfit, limit_in, object_in, weights_in
from vragd.embed.remote import encodable
from vragd.embed.reranker import MOST_CHARS
from vragd.embed.session import open_session, open_tokenizer
from vragd.embed.workers import Workers
from vragd.errors import EmbedderUnavailable

TAKEN = frozenset({"input_ids", "attention_mask", "token_type_ids"})
EXPECTED = "expected a cross-encoder as sentence-transformers keeps them, with config.json, tokenizer.json and weights"
GRACE_S = 0.1
"""Nobody waits for it then, and it ends."""


class CrossEncoder:
    """
    A model in `folder`, its weights those of the file `weights` in it or the usual one. Any thread.

    Loads it, which takes a second or more. Raises EmbedderUnavailable.
    """

    def __init__(self, folder: Path, weights: str | None, timeout_s: float) -> None:
        self._folder, self._timeout_s = folder, timeout_s
        try:
            if not folder.is_dir():
                raise Unfit("there is no such folder")
            file = weights_in(folder, folder, weights)
            self._activate = _activation(folder)
            self._tokenizer = open_tokenizer(folder / "tokenizer.json")
            self._tokenizer.enable_truncation(limit_in(folder), strategy="longest_first")
            self._session = open_session(file)
            self._takes = [given.name for given in self._session.get_inputs()]
            if unknown := sorted(set(self._takes) - TAKEN):
                raise Unfit(f"it wants {unknown[0]}, which vragd cannot give")
        except Exception as error:  # both libraries raise classes of their own, of no one tree
            found = str(error) if isinstance(error, Unfit) else f"{type(error).__name__}: {str(error)[:200]}"
            raise EmbedderUnavailable(f"the re-ranker in {folder} cannot be loaded: {found}", hint=EXPECTED) from error
        self._workers = Workers(0)

    def relevance(self, question: str, passages: Sequence[str]) -> list[float]:
        """
        A number for each passage, higher for one that answers the question better. Blocks for `timeout_s`, about.

        Raises EmbedderUnavailable, also where it takes longer.
        """
        ends, asked = time.monotonic() + self._timeout_s + GRACE_S, encodable(question)

        def read(passage: str) -> float:
            if time.monotonic() > ends:
                raise EmbedderUnavailable(f"the re-ranker in {self._folder} took longer than {self._timeout_s:g} s")
            return self._read(self._tokenizer.encode(asked, encodable(passage[:MOST_CHARS])))

        return self._workers.each(read, passages)

    def close(self) -> None:
        """End its threads. Never raises for a second call."""
        self._workers.close()

    def _read(self, pair: Encoding) -> float:
        given = {"input_ids": pair.ids, "attention_mask": pair.attention_mask, "token_type_ids": pair.type_ids}
        feed = {name: np.array([given[name]], dtype=np.int64) for name in self._takes}
        made = np.asarray(self._session.run(None, feed)[0], dtype=np.float64)
        if made.size != 1 or not np.isfinite(made).all():
            raise EmbedderUnavailable(
                f"the re-ranker in {self._folder} gives {made.size} numbers for a passage, or none that is one",
                hint="expected a model with one label",
            )
        return float(self._activate(made.reshape(())))


def _activation(folder: Path) -> Callable[[Any], Any]:
    """What is made of the model's number. Raises Unfit for a model of several, and for what vragd cannot do."""
    config = object_in(folder / "config.json")
    labels = config.get("num_labels") or len(config.get("id2label") or {"0": ""})
    if labels != 1:
        raise Unfit(f"it tells {labels} labels apart, and a re-ranker gives one number")
    newer = config.get("sentence_transformers")
    said = newer.get("activation_fn") if isinstance(newer, dict) else config.get("sbert_ce_default_activation_function")
    match str(said or "Sigmoid").rpartition(".")[2]:
        case "Sigmoid":
            return lambda number: 0.5 * (1.0 + np.tanh(0.5 * number))  # which overflows nowhere
        case "Identity":
            return lambda number: number
        case name:
            raise Unfit(f"its activation {name} is none that vragd can do (Identity, Sigmoid)")
