"""
What an edit costs: texts to embed anew, by kind of edit, over the bundled vault or a folder of notes.

Nothing is embedded: a note is read before and after a seeded edit, and the texts are counted that are new in it. Notes
are drawn by their size, as the longer are those people work on; so are paragraphs.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vragd.notes.chunk import read_note
from vragd.notes.model import NotIndexable

EDITS, SEED = 200, 0
_VAULT = Path(__file__).parent.parent / "tests/vaults/kepano"
_SENTENCES = (
    "Another sentence stands here now.",
    "We thought about it again, and changed it.",
    "It costs 42 euros a month, or less.",
    "Nobody knew why at the time.",
)

Paragraphs = list[str]
Edit = Callable[[random.Random, Paragraphs], Paragraphs]


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    folder = args.folder or _VAULT
    notes = [text for text in (path.read_text("utf-8", "replace") for path in sorted(folder.rglob("*.md"))) if text]
    rng = random.Random(SEED)
    counts = {name: _counts(rng, notes, edit) for name, edit in KINDS.items()}
    params = {"notes": len(notes), "edits_of_a_kind": EDITS, "seed": SEED}
    everything = [count for found in counts.values() for count in found]
    return params, {**{name: _told(found) for name, found in counts.items()}, "all": _told(everything)}


def _told(counts: Sequence[int]) -> dict[str, float]:
    over = sum(count > 2 for count in counts)
    return {"mean": round(sum(counts) / len(counts), 3), "most": max(counts), "over_two": over, "edits": len(counts)}


def _counts(rng: random.Random, notes: Sequence[str], edit: Edit) -> list[int]:
    weights = [len(text) for text in notes]
    found = []
    while len(found) < EDITS:
        (before,) = rng.choices(notes, weights)
        body = before.index("\n---", 3) + 5 if before.startswith("---\n") and "\n---" in before[3:] else 0
        after = before[:body] + "\n\n".join(edit(rng, before[body:].split("\n\n")))
        if after != before:
            found.append(sum((_texts(after) - _texts(before)).values()))
    return found


def _texts(text: str) -> Counter[str]:
    try:
        return Counter(chunk.embed_text for chunk in read_note(text.encode("utf-8", "surrogatepass"), "n").chunks)
    except NotIndexable:
        return Counter()


# -- edits ---------------------------------------------------------------------------------------------


def _some(rng: random.Random, paragraphs: Paragraphs) -> int:
    return rng.choices(range(len(paragraphs)), [len(text) + 1 for text in paragraphs])[0]


def _within(change: Callable[[random.Random, list[str]], None], joint: str) -> Edit:
    def edit(rng: random.Random, paragraphs: Paragraphs) -> Paragraphs:
        at = _some(rng, paragraphs)
        parts = paragraphs[at].split(joint)
        change(rng, parts)
        return [*paragraphs[:at], joint.join(parts), *paragraphs[at + 1 :]]

    return edit


def _word(rng: random.Random, words: list[str]) -> None:
    words[rng.randrange(len(words))] = "zanzibar"


def _add(rng: random.Random, sentences: list[str]) -> None:
    sentences.insert(rng.randrange(1, len(sentences) + 1), rng.choice(_SENTENCES))


def _drop(rng: random.Random, sentences: list[str]) -> None:
    sentences.pop(rng.randrange(len(sentences)))


def _insert(rng: random.Random, paragraphs: Paragraphs) -> Paragraphs:
    at = rng.randrange(len(paragraphs) + 1)
    return [*paragraphs[:at], _new(rng), *paragraphs[at:]]


def _remove(rng: random.Random, paragraphs: Paragraphs) -> Paragraphs:
    at = _some(rng, paragraphs)
    return [*paragraphs[:at], *paragraphs[at + 1 :]]


def _append(rng: random.Random, paragraphs: Paragraphs) -> Paragraphs:
    return [*paragraphs, _new(rng)]


def _new(rng: random.Random) -> str:
    return " ".join(rng.sample(_SENTENCES, 3)) + f" {rng.random()}"


KINDS: dict[str, Edit] = {
    "word_replaced": _within(_word, " "),
    "sentence_added": _within(_add, ". "),
    "sentence_removed": _within(_drop, ". "),
    "paragraph_inserted": _insert,
    "paragraph_removed": _remove,
    "paragraph_appended": _append,
}
