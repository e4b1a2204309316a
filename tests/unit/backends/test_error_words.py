"""What servers and whoever stands before them answer is told as what it is, by every backend that speaks HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.credentials import CREDENTIALS
from tests.fakes.lucene import FakeNode
from tests.unit.backends.lucene_node import DIM, Make
from vragd.backends.base import Batch, Entry
from vragd.backends.lucene.errors import MOST_REASON, from_answer, reason_of
from vragd.errors import BackendRefused, BackendUnavailable
from vragd.stores.elsewhere import Place

PAGE = b"<html><body>Please log in: planted</body></html>"
EAST = np.eye(DIM, dtype=np.float32)[0]


class _Portal(BaseHTTPRequestHandler):
    """Of a hotel: whatever is asked, it shows its page, and says that all went well."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def portal() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Portal) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "url",
    [
        "s3vectors://bbb?endpoint_url=http://{}", "s3://my-bucket/x?endpoint_url=http://{}", "opensearch+http://{}",
        "elasticsearch+http://{}", "qdrant+http://{}",
    ],
)  # fmt: skip
def test_a_page_for_people_is_neither_an_answer_nor_a_success(
    url: str, portal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with Place.named(url.format(portal), {}) as place:
        b: Any = place.backend
        for call in (
            b.list_collections,
            lambda: b.create_collection("sss", DIM, "cosine"),
            lambda: b.query("sss", EAST, 1),
            lambda: b.put_vectors("sss", Batch.of([Entry("a", EAST)])),
            lambda: list(b.list_keys("sss")),
        ):
            with pytest.raises(BackendUnavailable, match=r"between here and .* answers in its place") as caught:
                call()
            assert "status 200" in caught.value.message
            assert "planted" not in caught.value.message


def test_why_no_index_is_made_is_told_in_the_servers_words(make: Make, node: FakeNode) -> None:
    why = {"type": "illegal_argument_exception", "reason": "Dimension value\ncannot be greater than 2"}
    error = {"root_cause": [{"type": "mapper_parsing_exception", "reason": "Failed to parse mapping"}],
             "type": "mapper_parsing_exception", "reason": "Failed to parse mapping", "caused_by": why}  # fmt: skip
    backend = make()
    backend.list_collections()
    node.fail(404, {"error": {"type": "index_not_found_exception", "reason": "no such index"}})
    node.fail(200, {"version": {"number": "2.19.1"}}, times=2)
    node.fail(400, {"error": error})
    with pytest.raises(BackendRefused) as caught:
        backend.create_collection("sss", DIM, "cosine")
    told = "(mapper_parsing_exception: Failed to parse mapping: Dimension value cannot be greater than 2)"
    assert told in caught.value.message


def test_a_reason_is_told_in_a_line_and_never_of_what_has_notes_in_it() -> None:
    assert reason_of({"reason": "a\x00b" + "c" * 1_000}) == "a?b" + "c" * (MOST_REASON - 3)
    assert [reason_of(error) for error in (None, "planted", {"reason": 3}, {})] == ["", "", "", ""]
    error = {"type": "x_exception", "reason": "planted"}
    assert "planted" not in from_answer(400, error, "OpenSearch", "there", "sss").message
    assert "(x_exception: planted)" in from_answer(400, error, "OpenSearch", "there", "sss", quotes=True).message


@pytest.mark.parametrize("node", ["elasticsearch"], indirect=True)
def test_what_was_shown_in_vain_is_named(
    make: Make, node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.word = "ApiKey right"
    for file, told in ((None, "wants to know who asks"), ("wrong", "does not accept the API key")):
        if file is not None:
            (tmp_path / "key").write_text(file)
            (tmp_path / "key").chmod(0o600)
        backend = make(**({} if file is None else {"api_key_file": str(tmp_path / "key")}))
        for _ in range(2):
            with pytest.raises(BackendRefused, match=f"Elasticsearch {told}"):
                backend.list_collections()
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", "wrong")
    with pytest.raises(BackendRefused, match="does not accept user or password"):
        make(user="me").list_collections()
