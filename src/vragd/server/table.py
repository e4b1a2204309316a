"""
What a route is, how a request finds its own, and how an answer becomes bytes. The routes themselves are in
`routes`, their description for programs is made by `openapi`.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, unquote

from pydantic import BaseModel, ValidationError

from vragd.errors import MethodNotAllowed, Mistyped, NotFound, UsageError, VragdError
from vragd.system.filenames import shown

if TYPE_CHECKING:  # the page's door has no stores
    from vragd.stores.questions import Questions
    from vragd.stores.stores import Stores

M = TypeVar("M", bound=BaseModel)
ROWS_AT_ONCE = 500
JSON = "application/json"

AUDIENCE: dict[str, dict[str, Any]] = {"audience": {"enum": ["people", "assistant"], "default": "people"}}
"""A parameter of the routes that tell of notes."""
_NAMES_A_TYPE = re.compile(r"str|tuple\[.*")  # in a place: which of the types it was tried as
Handler = Callable[["Call"], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that found its route. `body` is an instance of the route's request model."""

    stores: Stores
    questions: Questions
    body: Any
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    peer: int = 0

    @property
    def assistant(self) -> bool:
        """Whether it is asked for an assistant, which is not shown what is closed. Raises UsageError."""
        said = set(self.query.get("audience", ()))
        if unknown := said.difference(AUDIENCE["audience"]["enum"]):
            raise UsageError(f"unknown audience {unknown.pop()[:40]!r}", hint="people or assistant")
        return "assistant" in said


@dataclass(frozen=True, slots=True)
class Route:
    """
    `timeout_s` bounds the handler; `answer`, the schemas of `query` and `media_type` are what `/openapi.json` promises.
    """

    method: str
    path: str
    handler: Handler
    answer: type[BaseModel] | None
    request: type[BaseModel] | None = None
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    timeout_s: float = 30.0
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Encoded:
    """An answer that is bytes already."""

    body: bytes
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer without an end: its parts, until the client leaves or the server stops."""

    parts: AsyncGenerator[bytes, None]
    media_type: str


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What goes back: a status and a body, or `parts` of one that goes on; `allow` names the methods there are, where the
    asked one is not.
    """

    status: int
    body: bytes
    media_type: str = JSON
    allow: str = ""
    parts: AsyncGenerator[bytes, None] | None = None


def find(routes: Sequence[Route], method: str, target: str) -> tuple[Route, dict[str, str], dict[str, list[str]]]:
    """The route of a request line, its path and its query parameters. Raises NotFound, UsageError."""
    path, _, search = target.partition("?")
    allowed = []
    for route in routes:
        if (named := _named(route.path, path)) is not None:
            if route.method == ("GET" if method == "HEAD" else method):
                return route, {name: unquote(value) for name, value in named.items()}, _parameters(route, search)
            allowed += [route.method] + ["HEAD"] * (route.method == "GET")
    if allowed:
        raise MethodNotAllowed(f"{method} is not for this path", allowed=tuple(allowed))
    raise NotFound("no such path", hint="GET /openapi.json lists them")


def _named(template: str, path: str) -> dict[str, str] | None:
    """What in `path` has a name in the template; None: it is another path."""
    if "{" not in template:
        return {} if path == template else None
    match = _pattern(template).fullmatch(path)
    return None if match is None else match.groupdict()


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template)))


def _parameters(route: Route, search: str) -> dict[str, list[str]]:
    try:
        found = parse_qs(search, keep_blank_values=True, strict_parsing=bool(search), max_num_fields=64)
    except ValueError:
        raise UsageError("the query string cannot be understood") from None
    if unknown := set(found) - set(route.query):
        raise UsageError(
            f"unknown parameter {sorted(unknown)[0][:40]!r}",
            hint=f"known: {', '.join(route.query) or 'none'}",
        )
    return found


def parse(route: Route, body: bytes) -> BaseModel | None:
    """The body as the route has it. Raises UsageError."""
    return None if route.request is None else parsed(route.request, body)


def parsed(model: type[M], body: bytes) -> M:
    """The body as a model has it. Raises UsageError."""
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise UsageError(complaint(error), hint="GET /openapi.json describes every request") from None
    except RecursionError:
        raise UsageError("the request is nested too deeply") from None


def complaint(error: ValidationError) -> str:
    """The first thing a value is wrong by; where it may be of several types, what is wrong with the one it has."""
    found = error.errors(include_url=False, include_input=False)
    of_one = [one for one in found if one["loc"][:1] == found[0]["loc"][:1]]
    first = min(of_one, key=lambda one: (one["type"].endswith("_type"), -len(one["loc"])))
    where = ".".join(str(part) for part in first["loc"] if not _NAMES_A_TYPE.fullmatch(str(part)))
    said = first["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


def reply_of(answer: Any) -> Reply:
    """What a handler answered as it goes back."""
    if isinstance(answer, Streamed):
        return Reply(200, b"", answer.media_type, parts=answer.parts)
    if isinstance(answer, Encoded):
        return Reply(200, answer.body, answer.media_type)
    return Reply(200, encode(answer))


def error_reply(error: VragdError) -> Reply:
    """The body every error has."""
    said: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, Mistyped):
        said["at"] = {"text": error.text, "span": error.span}
    body = {"error": said}
    allow = ", ".join(error.allowed) if isinstance(error, MethodNotAllowed) else ""
    return Reply(error.http_status, encode(body), allow=allow)


def encode(answer: Any) -> bytes:
    """JSON."""
    text = json.dumps(answer, default=_plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def encoded_in_slices(answer: Mapping[str, Any]) -> Encoded:
    """An answer, each list in it as `in_slices` encodes it."""
    parts = [encode(name) + b":" + (in_slices(value) if isinstance(value, list) else encode(value))
             for name, value in answer.items()]  # fmt: skip
    return Encoded(b"{" + b",".join(parts) + b"}")


def in_slices(rows: list[Any], told: Callable[[Any], Any] = lambda row: row) -> bytes:
    """As `encode`, a few at a time: encoding a hundred thousand at a stroke holds up every thread for half a second."""
    starts = range(0, len(rows), ROWS_AT_ONCE)
    slices = (encode([told(row) for row in rows[start : start + ROWS_AT_ONCE]])[1:-1] for start in starts)
    return b"[" + b",".join(slices) + b"]"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        found = {one.name: getattr(value, one.name) for one in fields(value)}  # `asdict` copies every number in it
        if "path" in found:
            found["path"] = shown(found["path"])
        return found
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"cannot encode {type(value).__name__}")
