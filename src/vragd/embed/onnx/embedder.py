"""
Embeddings by a model in a folder, on ONNX Runtime in this process.

A text longer than the model's limit is embedded in windows, and their vectors averaged, weighted by their length, as
with the builtin model. Windows run one by one and unpadded: a dynamic 8-bit model scales by the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from vragd.embed.base import Embedder, Space, checked
from vragd.embed.onnx.fetched import folder_of
from vragd.embed.onnx.folder import Layout, Pooling, read
from vragd.embed.onnx.settings import OnnxEmbedder
from vragd.embed.prompts import NONE, Prompts, prompts_for
from vragd.embed.remote import PROBE, kept, shortened, shortening
from vragd.embed.session import open_session, open_tokenizer
from vragd.embed.workers import Workers
from vragd.errors import EmbedderRejected, EmbedderUnavailable

TAKEN = frozenset({"input_ids", "attention_mask", "token_type_ids"})
WHOLE = ("sentence_embedding", "embedding")
"""Outputs that are pooled already: shape (texts, dimension)."""
BY_TOKEN = ("last_hidden_state", "token_embeddings")
"""Outputs to be pooled: shape (texts, tokens, dimension)."""
A_WORKER = 4  # texts in a call, for each: they run one by one, and what is handed over bounds how long a call takes

Window = tuple[int, Encoding]


def create(settings: OnnxEmbedder, data_dir: Path | None = None) -> Embedder:
    """
    The embedder of `settings`; loads the model. Asks nobody for one that is not here.

    `data_dir`: below which a model is that was fetched by its name. Raises EmbedderUnavailable.
    """
    if settings.named is not None:
        return OnnxFolder(settings, folder_of(data_dir, settings.named), settings.named.name)
    folder = Path(settings.path or "")
    return OnnxFolder(settings, folder, folder.name)


class OnnxFolder:
    """Thread-safe. Bulk work takes turns; a query runs beside it on the caller's own thread."""

    def __init__(self, settings: OnnxEmbedder, folder: Path, name: str) -> None:
        # The last word alone: one and the same model in a folder of that name makes no other space.
        self._settings, self._name = settings, name.rpartition("/")[2]
        self._layout = read(folder, settings.weights)
        self._prompts = _prompts(settings, self._layout, self._name)
        try:
            self._tokenizer = _windowing(open_tokenizer(self._layout.tokenizer), self._layout.limit)
            self._session = open_session(self._layout.weights)
        except Exception as error:  # both libraries raise classes of their own, of no one tree
            raise EmbedderUnavailable(
                f"the model in {folder} cannot be loaded: {type(error).__name__}: {str(error)[:200]}",
                hint="see the embedder's path and weights",
            ) from error
        self._takes = [given.name for given in self._session.get_inputs()]
        if unknown := sorted(set(self._takes) - TAKEN):
            raise EmbedderUnavailable(f"the model in {folder} wants {unknown[0]}, which vragd cannot give")
        self._output, self._pooling = self._pooled(folder)
        self._workers = Workers(settings.threads)
        self.batch_size = A_WORKER * self._workers.most
        self._whole = self._tried(folder)
        self._dimension = kept(self._whole, settings.dimensions)

    def space(self, chunker: str) -> Space:
        """The space; the digest is that of weights, tokenizer and all that decides how they are run."""
        digest = self._layout.digest[:32] + shortening(self._settings.dimensions)
        return Space("onnx", self._name, digest, self._dimension, self._prompts.identity, chunker)

    def still_makes(self, space: Space) -> bool:
        """Whether they may be compared with those of `space`."""
        return self.space("").meaning == space.meaning

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        """One unit vector per text: float32, shape (len(texts), dimension), row i is texts[i]. Blocks."""
        windows = list(self._windows([self._prompts.document_text(text) for text in texts]))
        return self._averaged(len(texts), windows, self._workers.each(lambda window: self._run(window[1]), windows))

    def embed_query(self, text: str) -> np.ndarray:
        """The unit vector of a question: float32, shape (dimension,)."""
        windows = list(self._windows([self._prompts.query_text(text)]))
        with self._workers.question():
            rows = [self._run(window) for _, window in windows]
        return np.asarray(self._averaged(1, windows, rows)[0])

    def close(self) -> None:
        """End the threads for bulk work, when it is done."""
        self._workers.close()

    def _tried(self, folder: Path) -> int:
        """The dimension of the model's whole vectors. Raises EmbedderUnavailable: our own word is no poison."""
        try:
            return int(checked([self._run(self._tokenizer.encode(PROBE))], count=1, dimension=None).shape[1])
        except EmbedderRejected as error:
            raise EmbedderUnavailable(
                f"the model in {folder} cannot embed: {error.message}", hint="see the embedder's path and weights"
            ) from None

    def _pooled(self, folder: Path) -> tuple[str, Pooling | None]:
        """Which output is taken, and how it is pooled; None where it is pooled already."""
        there = [made.name for made in self._session.get_outputs()]
        for name in WHOLE:
            if name in there:
                return name, None
        if self._layout.pooling is None:
            raise EmbedderUnavailable(
                f"the model in {folder} gives {', '.join(there)}, and no file says how that becomes one vector",
                hint="modules.json names a Pooling, with a config.json in its folder",
            )
        return next((name for name in BY_TOKEN if name in there), there[0]), self._layout.pooling

    def _averaged(self, n_texts: int, windows: Sequence[Window], rows: Sequence[np.ndarray]) -> np.ndarray:
        """A vector of each text, of those of its windows, in their order."""
        total = np.zeros((n_texts, self._whole), dtype=np.float32)
        for (owner, window), row in zip(windows, rows, strict=True):
            total[owner] += row / max(float(np.linalg.norm(row)), 1e-12) * len(window.ids)
        return shortened(checked(total, count=n_texts, dimension=self._whole), self._settings.dimensions)

    def _windows(self, texts: Sequence[str]) -> Iterator[Window]:
        """The index of a text and each of its windows."""
        for owner, text in enumerate(texts):
            proper = text.encode("utf-8", "replace").decode()  # a lone surrogate is a TypeError
            first = self._tokenizer.encode(proper.lower() if self._layout.lowers else proper)
            yield owner, first
            yield from ((owner, more) for more in first.overflowing)

    def _run(self, window: Encoding) -> np.ndarray:
        given = {"input_ids": window.ids, "attention_mask": window.attention_mask, "token_type_ids": window.type_ids}
        feed = {name: np.array([given[name]], dtype=np.int64) for name in self._takes}
        (made,) = self._session.run([self._output], feed)
        return np.asarray(made[0] if self._pooling is None else _pool(made[0], self._pooling), dtype=np.float32)


def _windowing(tokenizer: Tokenizer, limit: int) -> Tokenizer:
    tokenizer.enable_truncation(limit)  # the rest is not dropped: it is what overflows, window by window
    return tokenizer


def _pool(tokens: np.ndarray, way: Pooling) -> np.ndarray:
    """One vector of those of all tokens, none of which is padding."""
    match way:
        case "cls":
            return np.asarray(tokens[0])
        case "lasttoken":
            return np.asarray(tokens[-1])
        case "max":
            return np.asarray(tokens.max(axis=0))
        case "mean":
            return np.asarray(tokens.mean(axis=0))


def _prompts(settings: OnnxEmbedder, layout: Layout, name: str) -> Prompts:
    """Those of the settings, else of the folder, else of the model's name."""
    known = layout.prompts if layout.prompts != NONE else prompts_for(name)
    return known.changed(settings.document_prompt, settings.query_prompt)
