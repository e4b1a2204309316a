"""States of a collection: one that follows another is the one that was read anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vragd.backends.base import CollectionInfo
from vragd.backends.segments.held import Held, Manifest, manifest_of
from vragd.backends.segments.segment import Damaged, Row, read, written

INFO = CollectionInfo("notes", 2, "dot", None, "space", "a model", "0123")
EMPTY = Held.of(Manifest(INFO, 1.0), "0", ())
CHANGES = st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5)), max_size=25)


def row(key: str, number: float) -> Row:
    return Row(key, np.array([number, 1], dtype=np.float32), "", {"n": number}, {}, 1.0, number)


def state_of(held: Held) -> dict[str, float]:
    return {key: found.updated_at for key in held.at if (found := held.row(key))}


def found_by_scan(held: Held) -> dict[str, float]:
    found = {}
    for places, rows in held.rows(None, None):
        for place, values in zip(places.tolist(), rows, strict=True):
            segment, i = held.found(place)
            assert segment.keys[i] not in found
            found[segment.keys[i]] = float(values[0])
    return found


@given(CHANGES)
def test_merged_and_followed_states_hold_what_was_put_last(changes: list[tuple[bool, list[str]]]) -> None:
    held, wanted = EMPTY, dict[str, float]()
    for number, (puts, keys) in enumerate(changes, 1):
        if puts:
            rows, gone = [row(key, number) for key in dict.fromkeys(keys)], frozenset[str]()
            wanted |= dict.fromkeys(keys, float(number))
        else:
            rows, gone = [], frozenset(keys) & held.at.keys()
            wanted = {key: value for key, value in wanted.items() if key not in keys}
        stay, merged, gone = held.merged(rows, gone)
        segment = read(str(number), np.frombuffer(written(merged, gone, 2), dtype=np.uint8))
        segments = (*held.segments[:stay], segment)
        anew = Held.of(held.manifest, str(number), segments)
        held = held.followed(held.manifest, str(number), segments)
        assert state_of(held) == state_of(anew) == found_by_scan(held) == found_by_scan(anew) == wanted


@given(st.lists(CHANGES.map(lambda changes: changes[:3]), min_size=2, max_size=4))
def test_a_state_that_somebody_else_made_is_read_as_it_is(histories: list[list[tuple[bool, list[str]]]]) -> None:
    """Manifests that follow no rule of ours: any segments behind any others."""
    held = EMPTY
    kept = [
        read(f"{h}-{i}", np.frombuffer(written(
            [row(key, h + i) for key in dict.fromkeys(keys)] if puts else [], () if puts else keys, 2
        ), dtype=np.uint8))
        for h, history in enumerate(histories) for i, (puts, keys) in enumerate(history)
    ]  # fmt: skip
    for n in range(len(kept) + 1):
        for segments in (kept[:n], kept[: n // 2] + kept[n:], kept[::-1][:n]):
            held = held.followed(held.manifest, "", segments)
            anew = Held.of(held.manifest, "", segments)
            assert (held.at, found_by_scan(held)) == (anew.at, found_by_scan(anew))


def test_a_manifest_comes_back() -> None:
    manifest = Manifest(INFO, 12.5, ("a", "b"))
    assert manifest_of(manifest.written()) == manifest


@pytest.mark.parametrize("at", [0, 10, 40, -20, -1])
def test_a_segment_with_a_byte_that_is_another_is_damaged(at: int) -> None:
    content = bytearray(written([row("a", 1)], ["b"], 2))
    content[at] ^= 1
    with pytest.raises(Damaged):
        read("x", np.frombuffer(bytes(content), dtype=np.uint8))
