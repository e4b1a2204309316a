"""
A hub of models on 127.0.0.1, over Hugging Face's own protocol: revisions, sizes, digests, ranges, redirects.

What `folder`s hold is what it has, one commit of each name at a time; files of BIG bytes and more are kept in Git LFS.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

BIG = 800


class Said(NamedTuple):
    """What is answered; of the body so many bytes come before the connection `breaks`, or all for None."""

    status: int
    headers: dict[str, str]
    body: bytes
    breaks: int | None = None


@dataclass
class FakeHub:
    """Absent until `with`. Knobs may be turned at any time; `asked` is what was asked: method, path and headers."""

    models: dict[str, Path] = field(default_factory=dict)
    """The folder of each, by OWNER/NAME."""
    gated: bool = False
    cuts: deque[int] = field(default_factory=deque)
    """Of the next large files that are fetched so many bytes come, each time, before the connection breaks."""
    failures: deque[tuple[str, int, dict[str, str]]] = field(default_factory=deque)
    """The next request whose path holds the text is answered with the status, and these headers."""
    knows_ranges: bool = True
    knows_sizes: bool = True
    keeps_at: str = ""
    """Where large files are, if not at `url`."""
    spoilt: str = ""
    """The file of this path comes with one byte changed, though it is told as it is."""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def commit(self, name: str) -> str:
        """That of a model, made of all that is in it: another one as soon as anything is."""
        told = [(path, _digest(content)) for path, content in self._files(name).items()]
        return hashlib.sha1(json.dumps(told).encode(), usedforsecurity=False).hexdigest()

    def fetched(self) -> list[tuple[str, str]]:
        """The path and the range of each request for a file's bytes."""
        return [(path, headers.get("range", "")) for _, path, headers in self.asked if "/cdn/" in path]

    def _files(self, name: str) -> dict[str, bytes]:
        folder = self.models[name]
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    def answer(self, method: str, target: str, headers: dict[str, str]) -> Said:
        """What a request is answered; names of `headers` are lower."""
        path = unquote(urlsplit(target).path)
        self.asked.append((method, target, headers))
        for planted in list(self.failures):
            if planted[0] in path:
                self.failures.remove(planted)
                return Said(planted[1], planted[2], b"")
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"] and parts[4:5] == ["revision"]:
            return self._info("/".join(parts[2:4]), "/".join(parts[5:]))
        if parts[2:3] == ["resolve"]:
            return self._resolved("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        if parts[0] == "cdn":
            return self._bytes("/".join(parts[1:3]), "/".join(parts[3:]), headers)
        return Said(404, {}, b"")

    def _info(self, name: str, revision: str) -> Said:
        if name not in self.models:  # as of a private one, without an account
            return Said(401, {"X-Error-Message": "Invalid username or password."}, b'{"error": "Repository not found"}')
        if revision not in ("main", self.commit(name)):
            return Said(404, {"X-Error-Code": "RevisionNotFound"}, b"{}")
        if self.gated:
            return Said(403, {"X-Error-Code": "GatedRepo"}, b"{}")
        siblings = []
        for path, content in self._files(name).items():
            row: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": _git(content)}
            if len(content) >= BIG:
                row["lfs"] = {"sha256": _digest(content), "size": len(content), "pointerSize": 130}
            siblings.append(row if self.knows_sizes else {"rfilename": path})
        said = {"_id": "1", "id": name, "modelId": name, "sha": self.commit(name), "private": False, "gated": False,
                "disabled": False, "downloads": 1, "likes": 1, "tags": [], "siblings": siblings}  # fmt: skip
        return Said(200, {"Content-Type": "application/json"}, json.dumps(said).encode())

    def _resolved(self, name: str, commit: str, path: str) -> Said:
        content = self._files(name).get(path) if name in self.models and commit == self.commit(name) else None
        if content is None:
            return Said(404, {"X-Error-Code": "EntryNotFound"}, b"")
        said = {"X-Repo-Commit": commit, "ETag": f'"{_git(content)}"'}
        if len(content) < BIG:
            return Said(200, said, self._sent(path, content))
        linked = {"X-Linked-ETag": f'"{_digest(content)}"', "X-Linked-Size": str(len(content))}
        return Said(302, {**said, **linked, "Location": f"{self.keeps_at or self.url}/cdn/{name}/{path}"}, b"")

    def _bytes(self, name: str, path: str, headers: dict[str, str]) -> Said:
        content = self._sent(path, self._files(name)[path])
        breaks = self.cuts.popleft() if self.cuts else None
        asked = headers.get("range", "")
        if not asked or not self.knows_ranges:
            return Said(200, {"Accept-Ranges": "bytes"}, content, breaks)
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= len(content):
            return Said(416, {"Content-Range": f"bytes */{len(content)}"}, b"")
        said = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        return Said(206, said, content[start:], breaks)

    def _sent(self, path: str, content: bytes) -> bytes:
        return bytes([content[0] ^ 1]) + content[1:] if path == self.spoilt else content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            given = {name.lower(): value for name, value in self.headers.items()}
            status, headers, body, breaks = hub.answer(self.command, self.path, given)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(body[:breaks])
            if breaks is not None:
                self.close_connection = True

        do_GET = do_HEAD = _any

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    return Handler
