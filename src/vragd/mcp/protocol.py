"""
What a message is answered: JSON-RPC and the protocol's methods, without any input or output.

Calls of tools, and what is asked of resources, take their time: they are handed back as `Call`s, for whoever has
threads. Everything else is answered at once. For one thread, but for `Call.run` and `Peer.is_done`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from vragd.mcp import prompts
from vragd.mcp import versions as v
from vragd.mcp.versions import Refused

MOST_IN_BATCH = 100
LIST_TTL_MS = 300_000  # the tools change with the program only, but a client may outlive it
KEPT_MS = {
    "server/discover": LIST_TTL_MS,
    "tools/list": LIST_TTL_MS,
    "prompts/list": LIST_TTL_MS,
    "resources/templates/list": LIST_TTL_MS,
    "resources/list": 0,  # a note may be edited at any moment, or withheld
    "resources/read": 0,
}
"""For how long a client may keep an answer."""


class Tools(Protocol):
    """What can be called. `call` blocks, on any thread; it raises no more than Refused, for a tool there is not."""

    instructions: str

    def listed(self) -> list[dict[str, Any]]: ...

    def refuse_unknown(self, name: str) -> None: ...

    def call(self, name: str, arguments: object) -> dict[str, Any]: ...


class Resources(Protocol):
    """What can be read. Both block, on any thread, and raise no more than Refused."""

    templates: list[dict[str, Any]]

    def listed(self, cursor: str | None) -> dict[str, Any]: ...

    def read(self, uri: str) -> dict[str, Any]: ...


class Call:
    """Work to be run. Nothing is sent for one that `is_cancelled`."""

    def __init__(self, id_: int | str, work: Callable[[], dict[str, Any]]) -> None:
        self.id = id_
        self._work = work
        self.is_cancelled = False

    def run(self) -> dict[str, Any]:
        """The whole response. Blocks."""
        try:
            return _result(self.id, self._work())
        except Refused as error:
            return _error(self.id, error)
        except Exception as error:  # an error of ours is not to end the connection
            return _error(self.id, Refused(v.INTERNAL_ERROR, f"something went wrong in vragd: {type(error).__name__}"))


class Answer:
    """Responses that are there, and calls that are still to be run; `together` they are one line, as a batch's are."""

    def __init__(
        self, ready: Sequence[dict[str, Any]] = (), calls: Sequence[Call] = (), *, together: bool = False
    ) -> None:
        self.ready, self.calls, self.together = list(ready), list(calls), together


class Peer:
    """One connection: which revision its handshake agreed upon, and which of its calls run."""

    def __init__(self, tools: Tools, resources: Resources, version: str) -> None:
        self._tools, self._resources = tools, resources
        self._server = {"name": "vragd", "title": "vragd", "version": version}
        self._agreed: str | None = None
        self._running: dict[tuple[type, int | str], Call] = {}

    def receive(self, message: object) -> Answer:
        """What a decoded message is answered."""
        if not isinstance(message, list):
            return self._one(message)
        answer = Answer(together=True)
        if self._agreed != v.WITH_BATCHES or not 0 < len(message) <= MOST_IN_BATCH:
            why = "an empty or a very long batch" if self._agreed == v.WITH_BATCHES else "batches are of 2025-03-26"
            return _refused(None, Refused(v.INVALID_REQUEST, why))
        for one in message:
            if isinstance(one, dict) and one.get("method") == "initialize":
                error = Refused(v.INVALID_REQUEST, "initialize stands in no batch")
                answer.ready += _refused(_id_of(one), error).ready
                continue
            found = self._one(one)
            answer.ready += found.ready
            answer.calls += found.calls
        return answer

    def is_done(self, call: Call) -> None:
        """It was answered, or will never be."""
        key = (type(call.id), call.id)
        if self._running.get(key) is call:
            del self._running[key]

    def _one(self, message: object) -> Answer:
        if not isinstance(message, dict):
            return _refused(None, Refused(v.INVALID_REQUEST, "a message is an object"))
        if "method" not in message and ("result" in message or "error" in message):
            return Answer()  # an answer to a request that was never made
        id_ = _id_of(message)
        try:
            method, params = _read(message, id_)
            if "id" not in message:
                if method == "notifications/cancelled":
                    self._cancel(params)
                return Answer()
            assert id_ is not None
            if (type(id_), id_) in self._running:
                raise Refused(v.INVALID_REQUEST, "a request with this id is still worked on")
            return self._answered(id_, method, params)
        except Refused as error:
            return _refused(id_, error) if "id" in message or error.code == v.INVALID_REQUEST else Answer()

    def _answered(self, id_: int | str, method: str, params: Mapping[str, Any]) -> Answer:
        if method == "initialize":  # of the handshake's era, whatever its _meta says
            self._agreed = v.agreed(params.get("protocolVersion"))
            return Answer([_result(id_, self._welcome(self._agreed))])
        stateless = v.is_stateless(params)
        if not stateless and method == "ping":
            return Answer([_result(id_, {})])
        if not stateless and (self._agreed is None or method == "server/discover"):
            raise Refused(v.INVALID_PARAMS, f"initialize first, or say {v.VERSION} and {v.CAPABILITIES} in _meta")

        def finish(result: dict[str, Any]) -> dict[str, Any]:
            return self._as_stateless(method, result) if stateless else result

        if (work := self._work(method, params)) is not None:
            call = Call(id_, lambda: finish(work()))
            self._running[type(id_), id_] = call
            return Answer(calls=[call])
        return Answer([_result(id_, finish(self._at_once(method, params)))])

    def _work(self, method: str, params: Mapping[str, Any]) -> Callable[[], dict[str, Any]] | None:
        """What takes its time; None if that does not. Raises Refused."""
        if method == "tools/call":
            name, arguments = self._named(params)
            return lambda: self._tools.call(name, arguments)
        if method == "resources/list":
            cursor = params.get("cursor")
            if not isinstance(cursor, str | None):
                raise Refused(v.INVALID_PARAMS, "cursor must be what nextCursor was")
            return lambda: self._resources.listed(cursor)
        if method == "resources/read":
            uri = params.get("uri")
            if not isinstance(uri, str):
                raise Refused(v.INVALID_PARAMS, "resources/read needs a uri, a text")
            return lambda: self._resources.read(uri)
        return None

    def _at_once(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Raises Refused."""
        if method == "server/discover":
            return {"supportedVersions": list(v.SPOKEN), **self._described()}
        if method == "prompts/get":
            return prompts.got(params.get("name"), params.get("arguments"))
        lists: dict[str, tuple[str, Callable[[], list[dict[str, Any]]]]] = {
            "tools/list": ("tools", self._tools.listed),
            "prompts/list": ("prompts", lambda: list(prompts.PROMPTS)),
            "resources/templates/list": ("resourceTemplates", lambda: list(self._resources.templates)),
        }
        if method not in lists:
            raise Refused(v.METHOD_NOT_FOUND, "there is no such method")
        if params.get("cursor") is not None:
            raise Refused(v.INVALID_PARAMS, "there is no such page: all are on the first")
        name, listed = lists[method]
        return {name: listed()}

    def _named(self, params: Mapping[str, Any]) -> tuple[str, object]:
        """The tool that is called, and its arguments, whatever they are. Raises Refused."""
        name, arguments = params.get("name"), params.get("arguments")
        if not isinstance(name, str):
            raise Refused(v.INVALID_PARAMS, "tools/call needs the name of a tool")
        self._tools.refuse_unknown(name)
        return name, {} if arguments is None else arguments

    def _cancel(self, params: Mapping[str, Any]) -> None:
        id_ = params.get("requestId")
        if isinstance(id_, int | str) and (call := self._running.pop((type(id_), id_), None)) is not None:
            call.is_cancelled = True

    def _welcome(self, version: str) -> dict[str, Any]:
        return {"protocolVersion": version, "serverInfo": self._server, **self._described()}

    def _described(self) -> dict[str, Any]:
        return {"capabilities": {"tools": {}, "resources": {}, "prompts": {}}, "instructions": self._tools.instructions}

    def _as_stateless(self, method: str, result: dict[str, Any]) -> dict[str, Any]:
        kept = {"ttlMs": KEPT_MS[method], "cacheScope": "private"} if method in KEPT_MS else {}
        return {**result, **kept, "resultType": "complete", "_meta": {v.SERVER: self._server}}


def _read(message: Mapping[str, Any], id_: int | str | None) -> tuple[str, Mapping[str, Any]]:
    """Method and parameters. Raises Refused."""
    method, params = message.get("method"), message.get("params")
    params = {} if params is None else params  # some write null where there are none
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise Refused(v.INVALID_REQUEST, "no JSON-RPC 2.0: a request has jsonrpc and a method")
    if "id" in message and id_ is None:
        raise Refused(v.INVALID_REQUEST, "an id is a text or a whole number")
    if not isinstance(params, dict):
        raise Refused(v.INVALID_PARAMS, "params must be an object")
    return method, params


def _id_of(message: Mapping[str, Any]) -> int | str | None:
    id_ = message.get("id")
    return id_ if isinstance(id_, int | str) and not isinstance(id_, bool) else None


def _result(id_: int | str, result: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "result": result}


def _error(id_: int | str | None, error: Refused) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "error": error.told()}


def _refused(id_: int | str | None, error: Refused) -> Answer:
    return Answer([_error(id_, error)])


def unreadable(why: str) -> dict[str, Any]:
    """The response to a line that is no message at all."""
    return _error(None, Refused(v.PARSE_ERROR, why))
