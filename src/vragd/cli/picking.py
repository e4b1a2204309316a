"""What the picker shows and what is chosen in it, for any terminal: state, rows of a list, lines of a preview."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vragd.cli.hits import below_title
from vragd.cli.page import DIM, HIT, PLACE, TITLE, Piece, seen, wrapped
from vragd.cli.render import plural, within
from vragd.errors import VragdError
from vragd.search.headings import path_of

Answer = Mapping[str, Any]
Hit = Mapping[str, Any]

PAUSE_S = 0.08
"""For so long nothing is typed before it is asked: whoever types on does not want the answer."""
EMPTY: Answer = {"hits": []}
HELP = "Enter opens in Obsidian, Ctrl-E edits, Up and Down choose, Esc leaves"


class Picking:
    """One list at a time, with the hit that is chosen. From any thread."""

    def __init__(self, text: str = "") -> None:
        self._lock = threading.Lock()
        self._text, self._answer, self._at, self._message = text, EMPTY, 0, ""
        self._answered_for = ""

    @property
    def text(self) -> str:
        """What is looked for."""
        return self._text

    def type(self, text: str) -> None:
        """Look for something else."""
        with self._lock:
            self._text = text

    def answered(self, text: str, answer: Answer) -> None:
        """Show an answer; the one that was chosen stays so if it is in it."""
        with self._lock:
            chosen = self._hit()
            self._answer, self._answered_for, self._message = answer, text, ""
            places = [_place(hit) for hit in answer["hits"]]
            self._at = places.index(_place(chosen)) if chosen and self._at and _place(chosen) in places else 0

    def refused(self, error: VragdError) -> None:
        """Say why there is no answer; the one before stays."""
        with self._lock:
            self._message = error.message + (f" (try: {error.hint})" if error.hint else "")

    def move(self, by: int) -> None:
        """Choose another one, so many further down."""
        with self._lock:
            self._at = max(0, min(self._at + by, len(self._answer["hits"]) - 1))

    @property
    def chosen(self) -> Hit | None:
        """The hit that is chosen; None while there is none, or none of what is typed now."""
        with self._lock:
            return self._hit() if self._answered_for == self._text.strip() else None

    @property
    def number(self) -> int:
        """Which one that is, from 1."""
        return self._at + 1

    @property
    def answer(self) -> Answer:
        """What is shown."""
        return self._answer

    def _hit(self) -> Hit | None:
        hits: Sequence[Hit] = self._answer["hits"]
        return hits[self._at] if hits else None

    def rows(self, height: int) -> list[tuple[bool, list[Piece]]]:
        """The part of the list that has the chosen hit in it: whether it is the one, and what is shown of it."""
        with self._lock:
            first = max(0, min(self._at - height // 2, len(self._answer["hits"]) - height))
            shown = list(self._answer["hits"][first : first + height])
            return [(first + i == self._at, _row(hit)) for i, hit in enumerate(shown)]

    def says(self) -> str:
        """How it is, in a line."""
        with self._lock:
            if self._message:
                return seen(within(self._message))[0]
            if not self._text.strip():
                return HELP
            n, weak = len(self._answer["hits"]), self._answer.get("n_weak", 0)
            if not n:
                waits = self._answered_for != self._text.strip()
                return "…" if waits else "no good match" if weak else "no hits"
            pending = self._answer.get("pending", 0)
            return f"{self._at + 1} of {plural(n, 'hit')}" + (f", {pending:,} still to be indexed" if pending else "")

    def preview(self, width: int) -> list[list[Piece]]:
        """The chosen hit, in lines of that width: where it stands, and its passage, what matched marked."""
        with self._lock:
            hit = self._hit()
        if hit is None:
            return []
        place = f"{hit['source']}/{hit['path']}:{hit['lines'][0]}-{hit['lines'][1]}"
        lines = [[Piece(_shown(hit["title"]), TITLE)], [Piece(_shown(place), PLACE)]]
        if heading := path_of(below_title(hit["title"], list(hit["heading"]))):
            lines.append([Piece(_shown(heading), DIM)])
        words = {hit["excerpt"][start:end] for start, end in hit.get("spans", ())} if "excerpt" in hit else set()
        lines += [[], *(marked_words(line, words) for line in str(hit["text"]).split("\n"))]
        return [part for line in lines for part in wrapped(line, width)]


def marked_words(line: str, words: set[str]) -> list[Piece]:
    """A line with these words in pieces of their own."""
    if not words:
        return [Piece(_shown(line))]
    either = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    parts = re.split(f"(?<!\\w)({either})(?!\\w)", line)
    return [Piece(_shown(part), HIT if i % 2 else "") for i, part in enumerate(parts) if part]


def _row(hit: Hit) -> list[Piece]:
    heading = path_of(below_title(hit["title"], list(hit["heading"])))
    where = f"{hit['source']}/{hit['path']}"
    return [Piece(_shown(hit["title"]), TITLE), Piece(_shown(f"  {heading}" if heading else "")),
            Piece(_shown(f"  {where}"), DIM)]  # fmt: skip


def _place(hit: Hit) -> tuple[Any, ...]:
    return (hit["store"], hit["source"], hit["path"])


def _shown(text: str) -> str:
    return seen(within(text))[0]


class Asker:
    """
    Asks for the latest of what is typed, from a thread of its own; what came in between is not asked for. `told` is
    called there after each answer. A question that hangs holds up nobody but the next one.
    """

    def __init__(self, picking: Picking, ask: Callable[[str], Answer], told: Callable[[], None]) -> None:
        self._picking, self._ask, self._told = picking, ask, told
        self._typed, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="asker", daemon=True)

    def start(self) -> None:
        self._typed.set()
        self._thread.start()

    def typed(self) -> None:
        """The text is another one."""
        self._typed.set()

    def stop(self) -> None:
        """Ask no more. What was asked for is not waited for."""
        self._ended.set()
        self._typed.set()

    def _run(self) -> None:
        asked = None
        while True:
            self._typed.wait()
            while self._typed.is_set() and not self._ended.is_set():
                self._typed.clear()
                self._ended.wait(PAUSE_S)
            if self._ended.is_set():
                return
            text = self._picking.text.strip()
            if text == asked:
                continue
            try:
                answer = self._ask(text) if text else EMPTY
            except VragdError as error:
                asked = None
                self._picking.refused(error)
            else:
                asked = text
                self._picking.answered(text, answer)
            self._told()
