"""
What other notes are compared with: a note, or a text as if it were one, without the lines that recur.

Where such lines are left out, the passages that had them are embedded anew, as long as the embedder answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import structlog

from vragd.catalog.alike import Known
from vragd.catalog.indexing import Terms, title_hash
from vragd.catalog.passages import Passages
from vragd.catalog.profile import NAMES, NOTHING, OTHER, Group, group, packed, with_groups
from vragd.catalog.reader import Snapshot
from vragd.errors import EmbedderRejected, EmbedderUnavailable, UsageError
from vragd.notes.chunk import read_note
from vragd.notes.model import NotIndexable
from vragd.notes.page import embedded
from vragd.search.question import Target
from vragd.search.recurring import is_day, keys_in, line_key, recurring, says_something, without
from vragd.system.log import error_fields

log = structlog.get_logger()

MOST_PASSAGES = 24
"""So many are embedded of a text, or anew of a note."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One of what is compared. `id` is its group in the profile. `times`: in how many places its text stands."""

    id: int
    heading: tuple[str, ...]
    text: str
    times: int = 1
    vector: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Likened:
    """
    What others are compared with: the note's `row` or 0, `title` with its vector, a packed `profile` of words, hashes
    of `texts`. `semantic`: whether the embedder answered where it was needed.
    """

    row: int = 0
    passages: Sequence[Passage] = ()
    title: np.ndarray | None = None
    profile: bytes = NOTHING
    texts: frozenset[bytes] = field(default_factory=frozenset)
    semantic: bool = True

    @property
    def vectors(self) -> np.ndarray:
        """Of the passages that have one, a row each."""
        return np.array([one.vector for one in self.passages if one.vector is not None], dtype=np.float32)

    @property
    def weights(self) -> np.ndarray:
        """How much each of these counts."""
        return np.array([1.0 / one.times for one in self.passages if one.vector is not None])


def likened_text(target: Target, text: str) -> Likened:
    """Raises UsageError for a text that is no note. Embeds."""
    try:
        note = read_note(text.encode("utf-8", "replace"), "")
    except NotIndexable as error:
        raise UsageError(f"the text is no note: {error.reason}", hint="give it as Markdown, or plain") from None
    passages = [Passage(at, chunk.heading, chunk.text) for at, chunk in enumerate(note.chunks, 1)]
    groups = [(one.id, Terms.of(one.text, one.heading).counted) for one in passages]
    profile = packed([(OTHER, Terms.of(note.words).counted), *groups])
    texts = frozenset(title_hash(chunk.embed_text) for chunk in note.chunks)  # any text's hash is made so
    made = Likened(passages=passages, profile=profile, texts=texts)
    if target.words_alone:
        return made
    return _embedded(target, made, lambda _: True) if target.space is not None else replace(made, semantic=False)


def likened_note(now: Snapshot, target: Target, known: Known, row: int) -> Likened:
    """A note as the catalog has it."""
    at = int(np.searchsorted(known.notes, row))
    profile = known.profiles[at] if at < len(known.notes) and known.notes[at] == row else NOTHING
    passages = Passages(now.db)
    chunks = [chunk for chunk, *_ in passages.of_note(row)]
    vectors: dict[int, np.ndarray] = {}
    title = None
    if target.space is not None and not target.words_alone:
        vectors = dict(zip(*now.lookup.vectors(target.space.id, chunks), strict=True))
        _, titles = now.lookup.title_vectors(target.space.id, [row])
        title = titles[0] if len(titles) else None
    if is_day(next((name for _, _, name, _ in now.lookup.notes([row]).values()), "")):
        title, profile = None, with_groups(profile, {NAMES: group(())})
    made = [
        Passage(chunk, heading, text, known.repeated.get(chunk, 1), vectors.get(chunk))
        for chunk, (heading, _, text) in zip(chunks, now.selecting.passages(row), strict=True)
    ]
    texts = passages.texts_of([row]).get(row, frozenset())
    return Likened(row, made, title, profile, texts, target.space is not None)


def without_recurring(target: Target, likened: Likened, others: Iterable[str]) -> Likened:
    """
    Without the lines that stand in several of the texts of `others`; itself if there are none. A note that consists of
    them stays as it is. Embeds.
    """
    keys = {key for one in likened.passages for key in (*keys_in(one.text), *map(line_key, one.heading))}
    recur = recurring(keys, others)
    kept, groups, changed = list[Passage](), dict[int, Group](), set[int]()
    for one in likened.passages:
        text, heading = without(one.text, recur), tuple(part for part in one.heading if says_something(part, recur))
        if (text, heading) != (one.text, one.heading):
            groups[one.id] = Terms.of(text, heading).counted
            changed.add(one.id)
        if keys_in(text):
            kept.append(replace(one, text=text, heading=heading))
    if not changed or not kept:
        return likened
    made = replace(likened, passages=kept, profile=with_groups(likened.profile, groups))
    if target.space is None or target.words_alone:
        return made
    return _embedded(target, made, lambda one: one.id in changed)


def _embedded(target: Target, likened: Likened, wanted: Callable[[Passage], bool]) -> Likened:
    """With new vectors of the passages that are `wanted`; with those they have if there are none to be had."""
    made, left = list[Passage](), MOST_PASSAGES
    try:
        for one in likened.passages:
            text = embedded(one.text) if wanted(one) and left else ""
            made.append(replace(one, vector=target.embed_query(text)) if text else one)
            left -= bool(text)
    except (EmbedderUnavailable, EmbedderRejected) as error:
        log.warning("search.vectors_unavailable", store=target.name, **error_fields(error))
        return replace(likened, semantic=False)
    return replace(likened, passages=made)
