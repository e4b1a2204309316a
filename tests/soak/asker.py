"""Asks all the time and judges every answer: nothing that never was, nothing long gone, nothing forgotten."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.soak.book import Book, rows_of
from tests.soak.findings import Findings
from tests.soak.lives import Lives
from tests.soak.texts import TOKEN, WORDS
from vragd.client import Client
from vragd.errors import NoDaemon, Overloaded, VragdError

GONE_S, BEHIND_S = 30.0, 120.0
AWAY_S = 8.0  # a heartbeat is two seconds, and the machine has other work
PAUSE_S = 0.08


@dataclass(frozen=True, slots=True)
class Wrong:
    kind: str
    store: str
    path: str
    expected: str
    found: str


def judge(
    hits: Sequence[Mapping[str, Any]], book: Book, *, asked_at: float, calm_since: float, behind: bool
) -> list[Wrong]:
    """
    What is wrong with the hits of an answer.

    `behind` says that the answer admits to be: degraded, or with paths pending. A hit may be of an older version
    for `GONE_S` seconds after its end, `BEHIND_S` if the answer admits it, counted from `calm_since` at the earliest.
    """
    wrong = []
    for hit in hits:
        store, path, text = hit["store"], hit["path"], hit["text"]
        last = book.last_true(path, text)
        if last is None:
            wrong.append(Wrong("never_existed", store, path, "a chunk of a version of this note", text))
            continue
        late_s = asked_at - max(last, calm_since)
        if late_s > (BEHIND_S if behind else GONE_S):
            kind = "stale" if book.exists(path) else "ghost"
            wrong.append(Wrong(kind, store, path, f"nothing of {late_s:.0f} s ago", text))
    return wrong


class Asker:
    """One client. `silent` are stores that cannot answer by vectors now and must admit it; the faults keep it."""

    def __init__(self, lives: Lives, book: Book, findings: Findings, stores: Sequence[str], seed: int) -> None:
        self._lives, self._book, self._findings, self._stores = lives, book, findings, list(stores)
        self._rng = random.Random(f"asker {seed}")
        self.client = Client(lives.daemon.socket)
        self.counts: Counter[str] = Counter()
        self.silent: dict[str, float] = {}
        """Store: since when."""
        self.checked_at = 0.0
        """When the index was last found to equal the vault."""
        self.slowest_s = 0.0

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            if not self._lives.up.wait(0.1):
                continue
            if self._rng.random() < 0.3:
                self.ask_for_a_settled_note()
            else:
                self.ask_for_anything()
            stop.wait(PAUSE_S)

    # -- two kinds of questions ----------------------------------------------------------------------

    def ask_for_anything(self) -> None:
        mode = self._rng.choice(("hybrid", "hybrid", "vector", "keyword"))
        stores = self._choose_stores()
        silent = {name: since for name, since in dict(self.silent).items() if name in (stores or self._stores)}
        away_since, asked_at = self._book.away_since, time.monotonic()
        answer = self._ask(" ".join(self._rng.choices(WORDS, k=3)), mode=mode, stores=stores, top_k=20)
        if answer is None:
            return
        behind = bool(answer["degraded"]) or answer["pending"] > 0
        for wrong in judge(
            answer["hits"], self._book, asked_at=asked_at, calm_since=self._lives.calm_since, behind=behind
        ):
            self._say(wrong)
        self.counts["hits_judged"] += len(answer["hits"])
        self.counts["degraded"] += bool(answer["degraded"])
        self.counts["lacking"] += "semantic_unavailable" in answer["degraded"]
        if answer["degraded"]:
            return
        for name, since in silent.items():
            if mode != "keyword" and self.silent.get(name) == since:
                self._say(Wrong("not_admitted", name, mode, "an answer that says what it lacks", "degraded: []"))
        if away_since is not None and away_since == self._book.away_since and asked_at - away_since > AWAY_S:
            self._say(Wrong("not_admitted", "", "root", "an answer that says the vault is away", "degraded: []"))

    def _choose_stores(self) -> list[str]:
        return self._rng.choice([[], *([name] for name in self._stores)])

    def ask_for_a_settled_note(self) -> None:
        """A note that was there at the last comparison and was not touched since is found, whatever goes on."""
        since = self.checked_at
        notes = [path for path in self._book.notes() if (data := self._settled(path, since)) and TOKEN.search(data)]
        if not since or not notes:
            return
        path = self._rng.choice(notes)
        data = self._settled(path, since)
        found = TOKEN.search(data or b"")
        if data is None or found is None or not any(found[0].decode() in row[-1] for row in rows_of(path, data)):
            return
        store = self._rng.choice(self._stores)
        answer = self._ask(found[0].decode(), mode="keyword", stores=[store], top_k=100)
        if answer is None:
            return
        self.counts["settled_notes"] += 1
        if all(hit["path"] != path for hit in answer["hits"]) and self._settled(path, since) == data:
            said = f"{len(answer['hits'])} hits, degraded {answer['degraded']}, pending {answer['pending']}"
            self._say(Wrong("forgotten", store, path, f"the note for {found[0].decode()}", said))

    def _settled(self, path: str, since: float) -> bytes | None:
        return self._book.unchanged_since(path, since)

    # -- asking --------------------------------------------------------------------------------------

    def _ask(self, text: str, **request: Any) -> dict[str, Any] | None:
        life, calm, began = self._lives.n, self._lives.calm_since, time.monotonic()
        try:
            answer: dict[str, Any] = self.client.request("POST", "/v1/query", {"text": text, **request}, timeout_s=30)
        except Overloaded:
            self.counts["overloaded"] += 1
            return None
        except VragdError as error:
            excused = not self._lives.up.is_set() or (self._lives.n, self._lives.calm_since) != (life, calm)
            if not excused:
                time.sleep(0.5)  # a kill may be on its way
                excused = not self._lives.up.is_set() or (self._lives.n, self._lives.calm_since) != (life, calm)
            self.counts["unanswered" if excused else "refused"] += 1
            if not excused:
                kind = "no_answer" if isinstance(error, NoDaemon) else "query_failed"
                self._say(Wrong(kind, ",".join(request["stores"]), request["mode"], "an answer", str(error)))
            return None
        self.counts["answered"] += 1
        if self._lives.calm_since == calm:
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        return answer

    def _say(self, wrong: Wrong) -> None:
        self._findings.add(wrong.kind, wrong.store, wrong.path, expected=wrong.expected, found=wrong.found)
