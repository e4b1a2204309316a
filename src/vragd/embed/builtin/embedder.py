"""
The builtin embedder: all-MiniLM-L6-v2 (English, 384 dimensions) on ONNX Runtime, from files in the package.

The model was trained on texts of up to 256 word pieces. A longer text is embedded in windows and the
windows' vectors averaged, weighted by their length, so that nothing is cut off in silence.

Windows run one by one: the 8-bit model scales its activations by the whole batch, so in a batch a text's
vector would depend on its neighbours (a cosine of 0.96 at worst), and on one or two cores batches are not
quicker (342 texts: 4.9 s one by one, 5.9 s in batches sorted by length). Several run at once, a thread each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from vragd.embed.base import Space, checked
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.session import InferenceSession, open_tokenizer
from vragd.embed.session import open_session as opened
from vragd.embed.workers import Workers
from vragd.errors import EmbedderUnavailable

MODEL_DIR = Path(__file__).with_name("minilm")
MODEL_SHA256 = "b3b74181fefc4ee89e127f6738620e193884be370139a3b3b6bfec35166639c8"
DIMENSION = 384
WINDOW = 256
_CLS, _SEP = 101, 102
A_WORKER = 8  # texts in a call, for each: they run one by one, and what is handed over bounds how long a call takes


def create(settings: BuiltinEmbedder) -> MiniLM:
    """The embedder; loads the model (0.2 s, 90 MB)."""
    return MiniLM(settings.threads)


class MiniLM:
    """
    Thread-safe. Bulk work takes turns; a query runs beside it on the caller's own thread.

    `threads` for bulk work; 0 leaves it to `Workers`.
    """

    def __init__(
        self,
        threads: int,
        folder: Path = MODEL_DIR,
        open_session: Callable[[Path], InferenceSession] | None = None,
    ) -> None:
        try:
            self._tokenizer = open_tokenizer(folder / "tokenizer.json")
        except Exception as error:  # a bare one
            raise _damaged(error) from error
        self._session = (open_session or session)(folder)
        self._workers = Workers(threads)
        self.batch_size = A_WORKER * self._workers.most

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
        windows = list(self._windows(texts))
        # the longest first, so that nobody is left with one when the others have nothing more to do
        order = sorted(range(len(windows)), key=lambda at: -len(windows[at][1]))
        rows = self._workers.each(lambda at: _run(self._session, windows[at][1]), order)
        return _averaged(len(texts), windows, [row for _, row in sorted(zip(order, rows, strict=True), key=_first)])

    def embed_query(self, text: str) -> np.ndarray:
        """The unit vector of a question: float32, shape (384,). About 2 ms for a short one."""
        windows = list(self._windows([text]))
        with self._workers.question():
            rows = [_run(self._session, window) for _, window in windows]
        return np.asarray(_averaged(1, windows, rows)[0])

    def close(self) -> None:
        """End the threads for bulk work, when it is done."""
        self._workers.close()

    def _windows(self, texts: Sequence[str]) -> Iterator[tuple[int, list[int]]]:
        """The index of a text and the token ids of each of its windows."""
        step = WINDOW - 2
        proper = [text.encode("utf-8", "replace").decode() for text in texts]  # a lone surrogate is a TypeError
        for owner, encoding in enumerate(self._tokenizer.encode_batch(proper, add_special_tokens=False)):
            ids = encoding.ids
            for start in range(0, max(len(ids), 1), step):
                yield owner, [_CLS, *ids[start : start + step], _SEP]


def session(folder: Path = MODEL_DIR) -> InferenceSession:
    """The model. Raises EmbedderUnavailable."""
    try:
        return opened(folder / "model.onnx")
    except Exception as error:  # ONNX Runtime raises its own unrelated classes
        raise _damaged(error) from error


def _damaged(error: Exception) -> EmbedderUnavailable:
    return EmbedderUnavailable(
        f"the builtin model cannot be loaded: {type(error).__name__}",
        hint="the installation is damaged: install vragd again",
    )


def _first(pair: tuple[int, np.ndarray]) -> int:
    return pair[0]


def _averaged(n_texts: int, windows: Sequence[tuple[int, list[int]]], rows: Sequence[np.ndarray]) -> np.ndarray:
    """A unit vector of each text, of those of its windows, in their order."""
    total = np.zeros((n_texts, DIMENSION), dtype=np.float32)
    for (owner, window), row in zip(windows, rows, strict=True):
        total[owner] += row * len(window)
    return checked(total, count=n_texts, dimension=DIMENSION)


def _run(session: InferenceSession, window: Sequence[int]) -> np.ndarray:
    ids = np.array([window], dtype=np.int64)
    return np.asarray(session.run(["embedding"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0])
