"""What lies where in one FAISS collection: key, metadata and version of each slot."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from vragd.backends import plain
from vragd.backends.base import Among, key_id
from vragd.terms.filter import Filter, Metadata, holds

_NOTHING: Metadata = MappingProxyType({})


class Table:
    """
    Which key, metadata and version each slot holds. A slot is a row's place; it never moves.

    Equal metadata is held once. Not locked: its owner's lock guards it.
    """

    def __init__(self) -> None:
        self.slots: dict[str, int] = {}
        self.free: list[int] = []
        self._keys: list[str | None] = []
        self._metadata_of = np.empty(0, dtype=np.int32)  # -1 for a free slot
        self._metadata: list[Metadata | None] = []
        self._uses: list[int] = []
        self._ids: dict[str, int] = {}
        self._free_ids: list[int] = []
        self._versions = np.empty(0, dtype=np.uint64)  # 0 for none
        self._numbers: np.ndarray | None = None  # `key_id` of each slot, once somebody asked

    @property
    def size(self) -> int:
        """Slots, free ones included."""
        return len(self._keys)

    @property
    def is_full(self) -> bool:
        """Whether every slot holds a key."""
        return len(self.slots) == self.size

    def plan(self, keys: Sequence[str], *, in_place: bool) -> np.ndarray:
        """A slot for each of the distinct `keys`: its own, else a free one, else a new one. Changes nothing."""
        slots = np.empty(len(keys), dtype=np.int64)
        reused, new = 0, self.size
        for i, key in enumerate(keys):
            have = self.slots.get(key) if in_place else None
            if have is not None:
                slots[i] = have
            elif in_place and reused < len(self.free):
                reused += 1
                slots[i] = self.free[-reused]
            else:
                slots[i] = new
                new += 1
        return slots

    def assign(
        self, keys: Sequence[str], slots: np.ndarray, metadata: Sequence[Metadata], versions: Sequence[str]
    ) -> None:  # fmt: skip
        """Carry out a `plan`. A key that moves leaves its old slot free."""
        places: list[int] = slots.tolist()
        reused = sum(slot < self.size and self._keys[slot] is None for slot in places)
        del self.free[len(self.free) - reused :]  # `plan` takes from the end
        self._grow(max(places, default=-1) + 1)
        for key, slot, data, version in zip(keys, places, metadata, versions, strict=True):
            old = self.slots.get(key)
            if old is not None and old != slot:
                self._release(old)
            self._keys[slot] = key
            self.slots[key] = slot
            self.describe(slot, data, version)
            if self._numbers is not None:
                self._numbers[slot] = key_id(key)

    def describe(self, slot: int, metadata: Metadata, version: str) -> None:
        """Replace metadata and version of a slot that holds a key."""
        self._set_metadata(slot, metadata)
        self._versions[slot] = int(version or "0", 16)

    def remove(self, keys: Iterable[str]) -> None:
        """Forget these keys, which are all there."""
        for key in keys:
            self._release(self.slots.pop(key))

    def key(self, slot: int) -> str:
        """What lies there; the slot is not free."""
        key = self._keys[slot]
        assert key is not None
        return key

    def metadata(self, slot: int) -> Metadata:
        return self._metadata[self._metadata_of[slot]] or _NOTHING

    def version(self, slot: int) -> str:
        found = int(self._versions[slot])
        return f"{found:016x}" if found else ""

    def same(self, slot: int, metadata: Metadata, version: str) -> bool:
        """Whether the slot is described so."""
        return bool(self._ids.get(_canonical(metadata)) == self._metadata_of[slot]) and self.version(slot) == version

    def allowed(self, where: Filter | None, among: Among | None = None) -> np.ndarray:
        """For each slot whether it holds a key that passes: bool, shape (size,). One look per distinct metadata."""
        ids = self._metadata_of[: self.size]
        chosen: np.ndarray = ids >= 0
        if where is not None and self._metadata:
            good = np.array([data is not None and holds(where, data) for data in self._metadata], dtype=bool)
            chosen = chosen & good[ids]
        if among is not None:
            chosen = chosen & among.has(self._key_numbers())
        return chosen

    def _key_numbers(self) -> np.ndarray:
        """Those of all slots. Made by the first question that needs them; two at once make the same."""
        if self._numbers is None:
            numbers = np.zeros(len(self._metadata_of), dtype=np.int64)
            numbers[: self.size] = [0 if key is None else key_id(key) for key in self._keys]
            self._numbers = numbers
        return self._numbers[: self.size]

    def dump(self, extra: Mapping[str, Any]) -> bytes:
        """Everything, as JSON."""
        kept = [plain.parsed(data) if data is not None else None for data in self._metadata]
        content = {
            "keys": self._keys,
            "ids": self._metadata_of[: self.size].tolist(),
            "metadata": kept,
            "versions": base64.b64encode(self._versions[: self.size].astype("<u8").tobytes()).decode("ascii"),
            **extra,
        }
        return json.dumps(content, separators=(",", ":")).encode()

    @classmethod
    def load(cls, content: Mapping[str, Any]) -> Table:
        """The table that was dumped as `content`."""
        table = cls()
        table._keys, ids = content["keys"], np.array(content["ids"], dtype=np.int32)
        table._metadata_of = ids
        table._versions = _versions(content.get("versions", ""), len(ids))
        table.slots = {key: slot for slot, key in enumerate(table._keys) if key is not None}
        table.free = np.flatnonzero(ids < 0).tolist()
        table._metadata = [None if d is None else MappingProxyType(plain.of(d)) for d in content["metadata"]]
        table._uses = np.bincount(ids[ids >= 0], minlength=len(table._metadata)).tolist()
        for i, data in enumerate(table._metadata):
            if data is None or not table._uses[i]:
                table._metadata[i] = None
                table._free_ids.append(i)
            else:
                table._ids[_canonical(data)] = i
        return table

    def _grow(self, size: int) -> None:
        self._keys.extend([None] * max(0, size - len(self._keys)))
        if size > len(self._metadata_of):
            wider = np.full(max(64, size, 2 * len(self._metadata_of)), -1, dtype=np.int32)
            wider[: len(self._metadata_of)] = self._metadata_of
            self._metadata_of = wider
            self._versions = np.pad(self._versions, (0, len(wider) - len(self._versions)))
            if self._numbers is not None:
                self._numbers = np.pad(self._numbers, (0, len(wider) - len(self._numbers)))

    def _release(self, slot: int) -> None:
        self._drop_metadata(slot)
        self._keys[slot] = None
        self.free.append(slot)

    def _set_metadata(self, slot: int, metadata: Metadata) -> None:
        name = _canonical(metadata)
        i = self._ids.get(name)
        if i is None:
            if self._free_ids:
                i = self._free_ids.pop()
            else:
                i = len(self._metadata)
                self._metadata.append(None)
                self._uses.append(0)
            self._ids[name] = i
            self._metadata[i] = MappingProxyType(dict(metadata))
        self._uses[i] += 1
        self._drop_metadata(slot)
        self._metadata_of[slot] = i

    def _drop_metadata(self, slot: int) -> None:
        i = int(self._metadata_of[slot])
        if i < 0:
            return
        self._metadata_of[slot] = -1
        self._uses[i] -= 1
        if not self._uses[i]:
            del self._ids[_canonical(self._metadata[i] or _NOTHING)]
            self._metadata[i] = None
            self._free_ids.append(i)


def _versions(text: str, size: int) -> np.ndarray:
    """Those of a table that was dumped, none where it has none: it is of an earlier version of this program."""
    found = np.frombuffer(base64.b64decode(text), dtype="<u8").astype(np.uint64)
    return found if len(found) == size else np.zeros(size, dtype=np.uint64)


def _canonical(metadata: Metadata) -> str:
    """One text for equal metadata. JSON tells 1 from 1.0 and True, which a dictionary's key would not."""
    return json.dumps(plain.parsed(metadata), sort_keys=True, separators=(",", ":"))
