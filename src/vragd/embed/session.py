"""Models on ONNX Runtime, in this process. Nobody else imports that library: it is to be told something before."""

from __future__ import annotations

import os
from pathlib import Path

# Read when it is imported: official builds from 1.29 on report to their maker otherwise, and keep an
# identity of the machine below the home directory.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
from onnxruntime import InferenceSession, SessionOptions
from tokenizers import Tokenizer

__all__ = ["InferenceSession", "open_session", "open_tokenizer"]


def open_session(file: Path) -> InferenceSession:
    """
    A model, run on the thread of whoever calls it: several may at once. Raises whatever ONNX Runtime raises: classes of
    its own, of no one tree.
    """
    options = SessionOptions()
    options.intra_op_num_threads = 1  # no pool, for which a question would wait
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # an arena keeps the largest batch it ever saw for good
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # an idle daemon is idle
    return InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def open_tokenizer(file: Path) -> Tokenizer:
    """A tokenizer that neither cuts nor pads. Raises a bare Exception for what is none."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # two cores are ours to share, not to fill
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
