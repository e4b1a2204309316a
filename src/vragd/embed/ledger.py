"""
How many tokens a model was sent, by month: in a file of the data directory, which goes on counting across restarts.

What is about to be sent is put down before it is, as the most it can be, and corrected afterwards: a kill in between
counts a request too many, and none too few.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from vragd.errors import EmbedderLimit, EmbedderRefused, EmbedderUnavailable, VragdError
from vragd.system.clock import SYSTEM, Clock
from vragd.system.files import disk_error, private_dir, write_atomic
from vragd.terms.settings import EmbedderSettings

FILE, LOCK = "sent.json", "sent.lock"
MONTHS = 24
"""So many are kept."""
FOR_QUESTIONS = 20
"""One part of so many of a limit is kept for questions: they take little, and are to go on all month."""

Months = dict[str, dict[str, int]]


class Unreadable(Exception):
    """The file is there, and says nothing that can be understood."""


class Ledger:
    """
    That of a data directory. Several processes and threads may count at once.

    Months are those of UTC. A clock that was wrong leaves counts in a month of its own.
    """

    def __init__(self, data_dir: Path, clock: Clock = SYSTEM) -> None:
        self._folder, self._clock = data_dir, clock

    @property
    def file(self) -> Path:
        """Where the counts are."""
        return self._folder / FILE

    def month(self) -> str:
        """That of now, as YYYY-MM."""
        return time.strftime("%Y-%m", time.gmtime(self._clock.wall()))

    def sent(self, account: str) -> int:
        """Tokens of this month. Raises Unreadable."""
        return self._read().get(self.month(), {}).get(account, 0)

    def add(self, account: str, tokens: int, *, most: int | None = None, month: str = "") -> int | None:
        """
        Count so many more, of `month` or of this one, durably; fewer than none take some back.

        Where the sum would be above `most` nothing is counted: what was sent so far, and None where it was counted.
        Raises Unreadable, DiskFull and DataDirError.
        """
        with self._alone():
            months = self._read()
            now = month or self.month()
            counts = months.setdefault(now, {})
            so_far = counts.get(account, 0)
            if most is not None and so_far + tokens > most:
                return so_far
            counts[account] = max(0, so_far + tokens)
            # that of now, too, where a clock that lost its time has it before all others
            kept = {name: months[name] for name in sorted({*sorted(months)[-MONTHS:], now})}
            write_atomic(self.file, [json.dumps(kept, indent=1).encode()])
        return None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        path = private_dir(self._folder) / LOCK
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise disk_error(error, str(path)) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # of the opened file: threads wait for each other, too
            yield
        except OSError as error:
            raise disk_error(error, str(path)) from error
        finally:
            os.close(fd)

    def _read(self) -> Months:
        try:
            found = json.loads(self.file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise Unreadable(type(error).__name__) from None
        if isinstance(found, dict) and all(_counts(one) for one in found.values()):
            return found
        raise Unreadable("no counts")


def _counts(found: object) -> bool:
    return isinstance(found, dict) and all(type(n) is int and n >= 0 for n in found.values())


class Bill:
    """What one request came to: `tokens`, as the server says or 0 where it took none; None where nobody knows."""

    def __init__(self) -> None:
        self.tokens: int | None = None


class Sent(NamedTuple):
    """What an embedder's account was sent in a `month`, and what is the most, both in tokens."""

    month: str
    tokens: int
    most: int | None
    price: float | None


class Meter:
    """
    Counts what an embedder sends, and refuses what would be above its limit. Any thread.

    `ledger` None is nowhere to count: nothing is counted, and nothing sent where there is a limit.
    """

    def __init__(self, settings: EmbedderSettings, ledger: Ledger | None, *, questions: bool = False) -> None:
        self._settings, self._ledger, self._questions = settings, ledger, questions
        most = settings.most_tokens
        self._most = most if most is None or questions else most - most // FOR_QUESTIONS
        self._full_at: int | None = None
        self._lock = threading.Lock()

    @contextmanager
    def request(self, texts: Sequence[str]) -> Iterator[Bill]:
        """
        Around one that sends these texts. Raises EmbedderLimit where it may not be sent, and EmbedderUnavailable where
        it cannot be counted though there is a limit.
        """
        bill, ledger, account = Bill(), self._ledger, self._settings.account
        if not account or (ledger is None and self._most is None):
            yield bill
            return
        if ledger is None:
            raise EmbedderRefused("what is sent cannot be counted here, and its embedder has a limit")
        month, reserved = ledger.month(), most_tokens(texts)
        if not self._reserve(ledger, month, reserved):
            yield bill
            return
        try:
            yield bill
        finally:
            tokens = about_tokens(texts) if bill.tokens is None else bill.tokens
            with suppress(Unreadable, VragdError):  # then what was put down stands
                ledger.add(account, tokens - reserved, month=month)

    def _reserve(self, ledger: Ledger, month: str, tokens: int) -> bool:
        """Put down so many; whether that could be done."""
        try:
            if self._full_at is not None and ledger.sent(self._settings.account) >= self._full_at:
                raise self._refusal(month, self._full_at)  # without a question whether there is room for a little
            self._full_at = None
            so_far = ledger.add(self._settings.account, tokens, most=self._most, month=month)
        except Unreadable:
            if self._most is None:
                return False
            raise EmbedderRefused(
                f"what was sent this month cannot be read in {ledger.file}, and the embedder has a limit",
                hint="mend that file, or remove it: then it is counted anew",
            ) from None
        except EmbedderUnavailable:
            raise
        except VragdError as error:
            if self._most is None:
                return False
            raise EmbedderUnavailable(f"what is sent cannot be counted: {error.message}", hint=error.hint) from None
        if so_far is not None:
            if not self._questions:
                self._full_at = so_far
            raise self._refusal(month, so_far)
        return True

    def _refusal(self, month: str, so_far: int) -> EmbedderLimit:
        settings = self._settings
        kept = "" if self._questions else f"; a {FOR_QUESTIONS}th of it is for questions"
        return EmbedderLimit(
            f"the embedder's limit of {settings.most_tokens:,} tokens a month is reached: {settings.title} was sent"
            f" {so_far:,} in {month}, and what is next may be too many{kept}",
            hint=f"raise {settings.limit_key}, then vragd reload; by itself it goes on on {_next(month)}-01 (UTC)",
        )


def sent_of(settings: EmbedderSettings, data_dir: Path, clock: Clock = SYSTEM) -> Sent | None:
    """What an embedder's account was sent this month; None where that is not counted, or cannot be read."""
    if not settings.account:
        return None
    ledger = Ledger(data_dir, clock)
    with suppress(Unreadable):
        return Sent(ledger.month(), ledger.sent(settings.account), settings.most_tokens, settings.price)
    return None


def most_tokens(texts: Sequence[str]) -> int:
    """More than a tokenizer makes of them: none makes more than one of a byte, but for what it puts around a text."""
    return sum(len(text.encode("utf-8", "replace")) + 4 for text in texts)


def about_tokens(texts: Sequence[str]) -> int:
    """About as many as a tokenizer makes of them, where the server does not say."""
    total = 0
    for text in texts:
        n_bytes = len(text.encode("utf-8", "replace"))
        n_ascii = sum(map(str.isascii, text))
        total += 1 + n_ascii // 4 + (n_bytes - n_ascii) // 2
    return total


def _next(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12}-{number % 12 + 1:02d}"
