"""
Faults that come and go: of the embedder, of the vector service, and of clients that misbehave.

Each tells how often it fired: that requests met it, or that the daemon said so. One that never did has tested nothing.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.ollama import NAN, FakeOllama
from tests.fakes.s3vectors import FakeS3Vectors
from tests.soak.texts import WORDS

EMBED = "/api/embed"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong between `begin` and `lift`; `fired` counts what met it so far, from any number on."""

    name: str
    begin: Callable[[], None]
    lift: Callable[[], None]
    fired: Callable[[], int]
    silences: bool = False
    """Whether the store on this service cannot answer by vectors meanwhile, and must say so."""


def of_ollama(fake: FakeOllama, rng: random.Random, n_said: Callable[[], int]) -> list[Fault]:
    """`n_said` counts answers that admitted they lack something: what is absent cannot count requests."""

    def asked() -> int:
        return fake.count(EMBED)

    def knob(name: str, value: object, off: object, counts: Callable[[], int] = asked) -> Fault:
        return Fault(f"ollama_{name}", lambda: setattr(fake, name, value), lambda: setattr(fake, name, off), counts)

    def other_model() -> None:
        fake.digest = ("b" if fake.digest[0] == "a" else "a") * 64

    def hanging() -> int:
        return sum(1 for request in list(fake.requests) if request.path == EMBED)

    def down() -> None:
        fake.stop()

    def up() -> None:
        fake.start()

    word = rng.choice(WORDS)

    def poisoned() -> int:
        return sum(word in str(request.body) for request in list(fake.requests) if request.path == EMBED)

    failing = {"n": 0}

    def fail() -> None:
        failing["n"] = 40
        fake.fail_next(20, 500, NAN)
        fake.fail_next(20, 503, "server busy, please try again")

    return [
        Fault("ollama_down", down, up, n_said, silences=True),
        knob("delay_s", 1.2, 0.0),
        knob("nan", True, False),
        knob("null", True, False),
        knob("wrong_count", True, False),
        knob("garbage", b"<html>502</html>", None),
        knob("poison", word, None, poisoned),
        Fault("ollama_hang", lambda: setattr(fake, "hang", True), fake.release, hanging),
        Fault("ollama_500", fail, fake.fail_no_more, lambda: failing["n"] - fake.n_failing()),
        Fault("ollama_model_changed", other_model, lambda: None, asked),
    ]


def of_s3(fake: FakeS3Vectors, n_said: Callable[[], int]) -> list[Fault]:
    def calls(*operations: str) -> Callable[[], int]:
        return lambda: sum(fake.calls[name] for name in operations or tuple(fake.calls))

    planned = {"throttled": 0, "dropped": 0}

    def throttle() -> None:
        planned["throttled"] = 30
        fake.fail(429, "TooManyRequestsException", times=20)
        fake.fail(503, "ServiceUnavailableException", times=10)

    def drop() -> None:
        planned["dropped"] = fake.apply_then_drop = 4

    def deny(*operations: str) -> Callable[[], None]:
        return lambda: setattr(fake, "denied", frozenset(operations))

    def up() -> None:
        fake.start()

    writes, reads = ("PutVectors", "DeleteVectors"), ("QueryVectors",)
    allow = deny()
    return [
        Fault("s3_throttled", throttle, fake.fail_no_more, lambda: planned["throttled"] - fake.n_failing()),
        Fault(
            "s3_applied_then_dropped",
            drop,
            lambda: setattr(fake, "apply_then_drop", 0),
            lambda: planned["dropped"] - fake.apply_then_drop,
        ),
        Fault("s3_writes_denied", deny(*writes), allow, calls(*writes)),
        Fault("s3_reads_denied", deny(*reads), allow, calls(*reads), silences=True),
        Fault("s3_expired", lambda: setattr(fake, "expired", True), lambda: setattr(fake, "expired", False), calls()),
        Fault(
            "s3_every_second",
            lambda: setattr(fake, "every_second", (500, "InternalServerException")),
            lambda: setattr(fake, "every_second", None),
            calls(),
        ),
        Fault("s3_down", fake.stop, up, n_said, silences=True),
    ]


# -- clients that misbehave: each returns how many connections it made ---------------------------------


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(5)
    connection.connect(str(path))
    return connection


HEAD = b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
QUESTION = b'{"text": "copper harbour"}'


def _sent(path: Path, data: bytes, n: int) -> int:
    """Send the beginning of something on `n` connections and go away."""
    for _ in range(n):
        with _connect(path) as connection, suppress(OSError):
            connection.sendall(data)
    return n


def half_head(path: Path) -> int:
    return _sent(path, b"POST /v1/query HTTP/1.1\r\nHost: loc", 5)


def half_body(path: Path) -> int:
    return _sent(path, HEAD % 500 + QUESTION, 5)


def garbage(path: Path) -> int:
    return _sent(path, bytes(range(256)) * 40, 5)


def too_much(path: Path) -> int:
    return _sent(path, HEAD % 10_000_000 + b"x" * 400_000, 2)


def gone_before_the_answer(path: Path) -> int:
    return _sent(path, HEAD % len(QUESTION) + QUESTION, 12)


def flood(path: Path) -> int:
    """More silent connections than there is room for, held a moment."""
    held = []
    try:
        for _ in range(80):
            held.append(_connect(path))  # those made so far are closed whatever happens
    finally:
        for connection in held:
            connection.close()
    return len(held)


ABUSES: dict[str, Callable[[Path], int]] = {
    "client_half_head": half_head,
    "client_half_body": half_body,
    "client_garbage": garbage,
    "client_too_much": too_much,
    "client_gone": gone_before_the_answer,
    "client_flood": flood,
}
