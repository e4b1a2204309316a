"""
The builtin embedder: all-MiniLM-L6-v2 (English, 384 dimensions) on ONNX Runtime, from files in the package.

The model was trained on texts of up to 256 word pieces. A longer text is embedded in windows and the
windows' vectors averaged, weighted by their length, so that nothing is cut off in silence.

Windows run one by one: the 8-bit model scales its activations by the whole batch, so in a batch a text's
vector would depend on its neighbours (a cosine of 0.96 at worst), and on one or two cores batches are not
quicker (342 texts: 4.9 s one by one, 5.9 s in batches sorted by length).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from vragd.embed.base import Space, checked
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.session import InferenceSession, open_tokenizer, threads_for
from vragd.embed.session import open_session as opened
from vragd.errors import EmbedderUnavailable

MODEL_DIR = Path(__file__).with_name("minilm")
MODEL_SHA256 = "b3b74181fefc4ee89e127f6738620e193884be370139a3b3b6bfec35166639c8"
DIMENSION = 384
WINDOW = 256
_CLS, _SEP = 101, 102


def create(settings: BuiltinEmbedder) -> MiniLM:
    """The embedder; loads the model (0.2 s, 90 MB)."""
    return MiniLM(threads_for(settings.threads))


class MiniLM:
    """Thread-safe. Bulk work takes turns; a query runs beside it on the caller's own thread."""

    batch_size = 4  # they run one by one: what is handed over bounds how long a call takes

    def __init__(
        self,
        threads: int,
        folder: Path = MODEL_DIR,
        open_session: Callable[[int, Path], InferenceSession] | None = None,
    ) -> None:
        open_session = open_session or session
        try:
            self._tokenizer = open_tokenizer(folder / "tokenizer.json")
        except Exception as error:  # a bare one
            raise _damaged(error) from error
        self._bulk = open_session(threads, folder)
        # A session of one thread has no pool that a query could wait for: both may use it at once.
        self._query = self._bulk if threads == 1 else open_session(1, folder)
        self._bulk_turn = threading.Lock()

    def space(self, chunker: str) -> Space:
        """The space; the digest is that of the model file in this package."""
        return Space("builtin", "all-MiniLM-L6-v2", MODEL_SHA256[:16], DIMENSION, f"windows-{WINDOW}", chunker)

    def still_makes(self, space: Space) -> bool:
        """Whether they may be compared with those of `space`."""
        return self.space("").meaning == space.meaning

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        """
        One unit vector per text: float32, shape (len(texts), 384), row i is texts[i].

        Blocks for about 15 ms per text of 100 words.
        """
        with self._bulk_turn:
            return self._embed(self._bulk, texts)

    def embed_query(self, text: str) -> np.ndarray:
        """The unit vector of a question: float32, shape (384,). About 2 ms for a short one."""
        return np.asarray(self._embed(self._query, [text])[0])

    def close(self) -> None:
        """Nothing is held that needs closing."""

    def _embed(self, session: InferenceSession, texts: Sequence[str]) -> np.ndarray:
        total = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for owner, window in self._windows(texts):
            total[owner] += _run(session, window) * len(window)
        return checked(total, count=len(texts), dimension=DIMENSION)

    def _windows(self, texts: Sequence[str]) -> Iterator[tuple[int, list[int]]]:
        """The index of a text and the token ids of each of its windows."""
        step = WINDOW - 2
        proper = [text.encode("utf-8", "replace").decode() for text in texts]  # a lone surrogate is a TypeError
        for owner, encoding in enumerate(self._tokenizer.encode_batch(proper, add_special_tokens=False)):
            ids = encoding.ids
            for start in range(0, max(len(ids), 1), step):
                yield owner, [_CLS, *ids[start : start + step], _SEP]


def session(threads: int, folder: Path = MODEL_DIR) -> InferenceSession:
    """The model, run by so many threads. Raises EmbedderUnavailable."""
    try:
        return opened(threads, folder / "model.onnx")
    except Exception as error:  # ONNX Runtime raises its own unrelated classes
        raise _damaged(error) from error


def _damaged(error: Exception) -> EmbedderUnavailable:
    return EmbedderUnavailable(
        f"the builtin model cannot be loaded: {type(error).__name__}",
        hint="the installation is damaged: install vragd again",
    )


def _run(session: InferenceSession, window: Sequence[int]) -> np.ndarray:
    ids = np.array([window], dtype=np.int64)
    return np.asarray(session.run(["embedding"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0])
