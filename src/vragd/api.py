"""
vragd from Python: questions to the daemon, waiting or not. Standard library only.

    from vragd import Client

    for hit in Client().search("why the roof leaks", top_k=3).hits:
        print(hit.score, hit.path, hit.excerpt)

`open_backend` of `vragd` keeps vectors of one's own without a daemon; see docs/python.md.
"""

from __future__ import annotations

import asyncio
import io
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary

from vragd import client
from vragd.client import decoded, message, received, what_went_wrong
from vragd.errors import UnknownStore

TIMEOUT_S = 65.0
"""Of one request; the daemon itself gives a question up before."""
MOST_WAITED_S = 20.0  # in one request
MOST_AT_ONCE = 16
"""Of all threads, and of an event loop; a daemon answers ten questions of one process at a time, and lets ten wait."""


@dataclass(frozen=True, slots=True)
class Question:
    """
    What `POST /v1/query` takes; docs/questions.md has the grammar of `text` and `where`.

    `vector` and `vectors` have as many numbers as the store's, in mode `vector`. Empty `stores` and `sources` mean
    all. `fresh_s`: wait so many seconds, 25 at most, for what has changed on the disk.
    """

    text: str = ""
    texts: Sequence[str] = ()
    vector: Sequence[float] | None = None
    vectors: Sequence[Sequence[float]] = ()
    stores: Sequence[str] = ()
    top_k: int = 5
    offset: int = 0
    mode: str = "hybrid"
    sources: Sequence[str] = ()
    folder: str = ""
    chunks: bool = False
    weak: bool = False
    exact: bool = False
    explain: bool = False
    where: str | Sequence[str] = ""
    plain: bool = False
    sort: str = "score"
    min_score: float = 0.0
    fresh_s: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The body of the request: what is not as it is by default. Numbers may be of NumPy."""
        every = {one.name: (getattr(self, one.name), one.default) for one in fields(self)}
        return {name: _plain(value) for name, (value, default) in every.items() if value is not default}


def _plain(value: Any) -> Any:
    """Any array, or what else is several, as lists; numbers as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, str | bytes | int | float | Mapping) or value is None:
        return value
    if hasattr(value, "__iter__"):
        return [_plain(one) for one in value]
    return float(value) if hasattr(value, "__float__") else value


@dataclass(frozen=True, slots=True)
class Hit:
    """
    A note with its best passage, or a passage. `lines` are 1-based, both ends included; `spans` the words that
    matched, half-open, in code points of `excerpt`; `id` is for `Client.get`. `raw` is all that the daemon said.
    """

    store: str
    source: str
    path: str
    title: str
    score: float
    heading: Sequence[str] = ()
    lines: Sequence[int] = (0, 0)
    text: str = ""
    excerpt: str = ""
    spans: Sequence[Sequence[int]] = ()
    uri: str = ""
    file: str = ""
    id: str = ""
    modified: float = 0.0
    date: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """
    Hits, the best first. `n_weak` were no good match and are left out, `pending` paths are still to be indexed, and
    `degraded` says why the answer may be incomplete: codes of docs/using.md. `instead`: words that are nowhere,
    and what was looked for in their place. `n_found` match, these among them; unless `found_all` there may be more.
    """

    hits: Sequence[Hit] = ()
    n_weak: int = 0
    pending: int = 0
    degraded: Sequence[str] = ()
    instead: Mapping[str, str] = field(default_factory=dict)
    unknown: Sequence[Mapping[str, str]] = ()
    generation: int = 0
    n_found: int = 0
    found_all: bool = False


def _answer(told: Mapping[str, Any]) -> Answer:
    """What a daemon answered; what a newer one says beside is left out, but for `Hit.raw`."""
    hits = [Hit(**_known(Hit, hit), raw=hit) for hit in told["hits"]]
    return Answer(**{**_known(Answer, told), "hits": hits})


def _known(kind: type[Hit | Answer], told: Mapping[str, Any]) -> dict[str, Any]:
    return {one.name: told[one.name] for one in fields(kind) if one.name in told}


def _question(question: str | Question, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a question. Raises TypeError for a field that there is not."""
    asked = question if isinstance(question, Question) else Question(question)
    return replace(asked, **changes).to_dict()


def _store_target(name: str, **query: str) -> str:
    return f"/v1/stores/{quote(name, safe='', errors='surrogateescape')}" + (f"?{urlencode(query)}" if query else "")


def _daemon(path: Path | str | None) -> tuple[Path, Callable[[], Path | None]]:
    """The socket of the daemon that is meant, and where else it may be, as commands find it. Raises ConfigError."""
    from vragd.config import at_hand

    flag = os.fsdecode(path) if path else None
    if not (is_named := at_hand.names_socket(flag)):
        at_hand.refuse_missing(None)
    return at_hand.first_asked(flag, None, None), client.nowhere if is_named else _recorded


def _recorded() -> Path | None:
    from vragd.config import at_hand

    return at_hand.recorded_socket(at_hand.data_dir_of(None, None))


_in_threads = threading.Semaphore(MOST_AT_ONCE)


def _begin_anew() -> None:
    """In a forked process, where nobody asks yet."""
    global _in_threads  # noqa: PLW0603
    _in_threads = threading.Semaphore(MOST_AT_ONCE)


os.register_at_fork(after_in_child=_begin_anew)
_in_turn: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _turns() -> asyncio.Semaphore:
    """Of the event loop that runs."""
    return _in_turn.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(MOST_AT_ONCE))


class Client(client.Client):
    """
    Asks the daemon at `path`, by default that of this user. Safe to use from several threads.

    Every method raises VragdError: NoDaemon when nobody answers, or what the daemon answered with.
    """

    objects: type[dict[str, Any]] = dict  # of a program, which may write them down as it likes

    def __init__(self, path: Path | str | None = None) -> None:
        super().__init__(*_daemon(path))

    def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any:
        """As `client.Client.request`; of however many threads ask 16 do at a time, and its time begins then."""
        with _in_threads:
            return super().request(method, target, body, timeout_s=timeout_s)

    def search(self, question: str | Question, **changes: Any) -> Answer:
        """The answer to a question; `changes` are fields of `Question`."""
        return _answer(self.request("POST", "/v1/query", _question(question, changes), timeout_s=TIMEOUT_S))

    def similar(self, note: str, **asked: Any) -> list[dict[str, Any]]:
        """Notes that are related to one, the nearest first; `asked` and each as `POST /v1/similar` has them."""
        found: list[dict[str, Any]] = self.request(
            "POST", "/v1/similar", {"note": note, **asked}, timeout_s=TIMEOUT_S
        )["hits"]  # fmt: skip
        return found

    def get(self, note: str, **asked: Any) -> dict[str, Any]:
        """A note, a part of it (`Note#Heading`, `Note:3-9`), or a passage by its id, as it was read last."""
        found: dict[str, Any] = self.request("POST", "/v1/get", {"note": note, **asked})
        return found

    def status(self) -> dict[str, Any]:
        """What runs, how far it is, and what is wrong."""
        found: dict[str, Any] = self.request("GET", "/v1/status")
        return found

    def stores(self) -> list[dict[str, Any]]:
        """Every store there is."""
        found: list[dict[str, Any]] = self.request("GET", "/v1/stores")["stores"]
        return found

    def create_store(self, name: str, *folders: Path | str, **settings: Any) -> dict[str, Any]:
        """Make a store on some folders; `settings` as `POST /v1/stores` has them: embedder, backend, metric."""
        sources = [{"path": str(Path(folder).expanduser().absolute())} for folder in folders]
        body = {"name": name, "sources": sources, **settings}
        made: dict[str, Any] = self.request("POST", "/v1/stores", body, timeout_s=300.0)
        return made

    def store_exists(self, name: str) -> bool:
        """Whether there is a store of this name."""
        return any(row["name"] == name for row in self.stores())

    def delete_store(self, name: str) -> bool:
        """Forget a store and all that is kept of it, the notes aside; whether there was one."""
        try:
            self.request("DELETE", _store_target(name), timeout_s=300.0)
        except UnknownStore:
            return False
        return True

    def sync(self, *stores: str, wait_s: float = 30.0) -> bool:
        """Look at the disk now; whether all that was found is searchable within `wait_s` seconds."""
        deadline, asked = time.monotonic() + wait_s, {"stores": list(stores)}
        while True:
            left = max(0.0, deadline - time.monotonic())
            told = self.request("POST", "/v1/sync", {**asked, "wait_s": min(left, MOST_WAITED_S)}, timeout_s=TIMEOUT_S)
            if told["done"] or not left:
                return bool(told["done"])
            asked = {"tickets": told["tickets"]}


class AsyncClient:
    """
    `Client` without waiting: the same questions and answers, awaited. Of however many that are begun in an event loop
    16 are asked at a time, as many as a daemon has room for.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path, self._elsewhere = _daemon(path)

    async def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any:
        """As `client.Client.request`; the time begins when it is this request's turn."""
        sent = message(method, target, body)
        async with _turns():
            with what_went_wrong(self.path, timeout_s):
                async with asyncio.timeout(timeout_s):
                    raw = await self._exchanged(sent)
                answer = received(io.BytesIO(raw))
        return decoded(*answer)

    async def _exchanged(self, sent: bytes) -> bytes:
        """All that comes back. No stream: one that breaks off while it is written to forgets what was answered."""
        loop, raw = asyncio.get_running_loop(), bytearray()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.setblocking(False)
            await self._connect(loop, connection)
            with suppress(BrokenPipeError, ConnectionResetError):  # refused while we were still sending
                await loop.sock_sendall(connection, sent)
            with suppress(ConnectionResetError):  # whether it is a whole answer, its head says
                while part := await loop.sock_recv(connection, 65_536):
                    raw += part
        return bytes(raw)

    async def _connect(self, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
        try:
            await loop.sock_connect(connection, str(self.path))
        except (FileNotFoundError, ConnectionRefusedError):
            other = self._elsewhere()
            if other is None or other == self.path:
                raise
            await loop.sock_connect(connection, str(other))
            self.path = other

    async def search(self, question: str | Question, **changes: Any) -> Answer:
        """As `Client.search`."""
        body = _question(question, changes)
        return _answer(await self.request("POST", "/v1/query", body, timeout_s=TIMEOUT_S))

    async def similar(self, note: str, **asked: Any) -> list[dict[str, Any]]:
        """As `Client.similar`."""
        body = {"note": note, **asked}
        found: list[dict[str, Any]] = (await self.request("POST", "/v1/similar", body, timeout_s=TIMEOUT_S))["hits"]
        return found

    async def get(self, note: str, **asked: Any) -> dict[str, Any]:
        """As `Client.get`."""
        found: dict[str, Any] = await self.request("POST", "/v1/get", {"note": note, **asked})
        return found

    async def status(self) -> dict[str, Any]:
        """As `Client.status`."""
        found: dict[str, Any] = await self.request("GET", "/v1/status")
        return found
