"""
Vectors as Chroma keeps them beside its database: elements of hnswlib's, and a pickle that says whose they are.

A pickle runs what it says when it is loaded, so this one is not: of its operations those that make plain data are
followed, and no name in it is looked up.
"""

from __future__ import annotations

import os
import pickletools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vragd.errors import UsageError

_HEAD = struct.Struct("<iQQQQQQ")
_LABEL = struct.Struct("<Q")
_PLAIN = frozenset({
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BININT", "BININT1", "BININT2", "INT", "LONG1", "LONG4",
    "BINFLOAT", "FLOAT", "SHORT_BINBYTES", "BINBYTES", "BINSTRING", "SHORT_BINSTRING", "STRING",
})  # fmt: skip
_MADE: dict[str, Any] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set}
_NONE = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_MARK, _INERT = object(), object()
ROW_BYTES = 1 << 22


class Elements:
    """The rows of one folder by the id that Chroma gave them, until `close`. Raises UsageError where it is damaged."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self._name, self.dimension = folder.name, dimension
        self._at = dict[str, int]()
        self._fd = -1
        head, pickled = folder / "header.bin", folder / "index_metadata.pickle"
        if not (head.is_file() and pickled.is_file()):  # nothing was written there yet
            return
        labels = labels_of(pickled)
        try:
            self._fd = os.open(folder / "data_level0.bin", os.O_RDONLY | os.O_CLOEXEC)
            self._place(head.read_bytes(), labels)
        except (OSError, struct.error) as error:
            self.close()
            raise self._damaged(str(error)) from None
        except BaseException:
            self.close()
            raise

    def _damaged(self, why: str) -> UsageError:
        return UsageError(f"the vectors in {self._name} are damaged: {why}", hint="--reembed does without them")

    def _place(self, head: bytes, labels: dict[str, int]) -> None:
        _, begins, _, count, size, label_at, data_at = _HEAD.unpack_from(head)
        n_there = os.fstat(self._fd).st_size
        if not (
            0 < size <= ROW_BYTES and data_at + 4 * self.dimension <= label_at and label_at + 8 <= size
            and begins + count * size <= n_there
        ):  # fmt: skip
            raise self._damaged("their head does not say what is there")
        self._begins = begins + data_at
        of = {label: name for name, label in labels.items()}
        for i in range(count):
            (label,) = _LABEL.unpack(os.pread(self._fd, 8, begins + i * size + label_at))
            if (name := of.get(label)) is not None:
                self._at[name] = begins + i * size + data_at

    def __contains__(self, name: str) -> bool:
        return name in self._at

    def row(self, name: str) -> np.ndarray | None:
        """float32, shape (dimension,), of length 1 where the collection is compared by the cosine; None for none."""
        if name not in self._at:
            return None
        raw = os.pread(self._fd, 4 * self.dimension, self._at[name])
        if len(raw) != 4 * self.dimension:
            raise self._damaged("they were changed while they were read")
        return np.frombuffer(raw, dtype="<f4").astype(np.float32)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def labels_of(pickled: Path) -> dict[str, int]:
    """The number of each id. Raises UsageError for what is not of plain data alone."""
    try:
        found = _plain_data(pickled.read_bytes())
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, OverflowError) as error:
        raise UsageError(f"{pickled.name} is damaged: {error}", hint="--reembed does without it") from None
    labels = found.get("id_to_label") if isinstance(found, dict) else None
    if not isinstance(labels, dict) or not all(
        isinstance(name, str) and isinstance(label, int) for name, label in labels.items()
    ):  # fmt: skip
        raise UsageError(f"{pickled.name} does not say whose the vectors are", hint="--reembed does without it")
    return labels


def _plain_data(raw: bytes) -> Any:
    """What a pickle builds of dicts, lists, text and numbers; an object is the state it was given."""
    stack, memo = list[Any](), dict[int, Any]()
    for operation, argument, _ in pickletools.genops(raw):
        name = operation.name
        if name in _PLAIN:
            stack.append(argument)
        elif name in _NONE:
            stack.append(_NONE[name])
        elif name in _MADE:
            stack.append(_MADE[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"):
            memo[len(memo) if name == "MEMOIZE" else int(str(argument))] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[int(str(argument))])
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            _build(name, stack)
    raise ValueError("it does not end")


def _build(name: str, stack: list[Any]) -> None:
    if name in ("SETITEM", "SETITEMS"):
        items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else list(_marked(stack))
        stack[-1].update(zip(items[::2], items[1::2], strict=True))
    elif name in ("APPEND", "APPENDS"):
        items = [stack.pop()] if name == "APPEND" else list(_marked(stack))
        stack[-1].extend(items)
    elif name in ("TUPLE", "LIST", "DICT"):
        items = list(_marked(stack))
        stack.append(dict(zip(items[::2], items[1::2], strict=True)) if name == "DICT" else items)
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        n = int(name[-1])
        stack[-n:] = [tuple(stack[-n:])]
    elif name in ("GLOBAL", "STACK_GLOBAL"):  # a class: what it is called is of no matter
        if name == "STACK_GLOBAL":
            del stack[-2:]
        stack.append(_INERT)
    elif name in ("NEWOBJ", "REDUCE", "BUILD"):
        state = stack.pop()
        stack[-1] = state if name == "BUILD" else {}
    else:
        raise ValueError(f"{name} is not of plain data")


def _marked(stack: list[Any]) -> Iterator[Any]:
    """What stands behind the last mark, which goes with it."""
    at = next((i for i in range(len(stack) - 1, -1, -1) if stack[i] is _MARK), None)
    if at is None:
        raise ValueError("it ends what never began")
    items = stack[at + 1 :]
    del stack[at:]
    return iter(items)
