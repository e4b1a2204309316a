"""A bucket whose service fails, refuses, or answers what nobody can tell from that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from tests.backends import delete
from tests.depth import at, deeper
from tests.fakes.s3 import FakeS3
from tests.unit.backends.bucket import (
    Clock,
    Hook,
    check_tidy,
    error_of,
    filled,
    found,
    held,
    objects,
    opened,
    put,
)
from vragd.backends.aws.errors import PAUSE_S
from vragd.backends.s3.client import Objects
from vragd.backends.s3.settings import S3Backend
from vragd.backends.segments.backend import SegmentBackend
from vragd.errors import BackendFull, BackendRefused, BackendUnavailable, VragdError


@pytest.fixture
def s3(fake_s3: FakeS3) -> FakeS3:
    return fake_s3


@deeper
@pytest.mark.slow
def test_a_kill_between_any_two_requests_leaves_every_change_whole(s3: FakeS3) -> None:
    """
    After so many requests nothing of a process arrives any more; the next finds each change made, or not.

    After each third request, in a campaign after each.
    """
    steps: list[tuple[Callable[[SegmentBackend], object], set[str] | None]] = [
        (lambda b: b.create_collection("notes", 3, "cosine"), set()),
        (lambda b: put(b, "a", "b"), {"a", "b"}),
        (lambda b: put(b, "c", "d"), {"a", "b", "c", "d"}),
        (lambda b: b.delete_vectors("notes", ["a"]), {"b", "c", "d"}),
        (lambda b: b.tend("notes"), {"b", "c", "d"}),
        (lambda b: delete(b, "notes"), None),
    ]
    reader = opened(s3)
    for n in range(0, 100, at(3, 1)):
        s3.buckets["my-bucket"].clear()
        s3.buckets["my-bucket"]["mine/notes/0123456789abcdef.segment"] = b"of nobody"
        left = [n]

        def dead(operation: str, key: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                s3.denied = frozenset({"GetObject", "PutObject", "DeleteObject", "ListObjectsV2"})

        s3.on_call, backend, states = dead, opened(s3), list[set[str] | None]([None])
        try:
            for step, wanted in steps:
                states = [states[-1], wanted]
                step(backend)
        except BackendRefused:
            pass
        died = left[0] < 0
        s3.on_call, s3.denied = Hook("", "", lambda: None), frozenset()
        state = held(reader) if reader.list_collections() else None
        assert state in states, n
        after = opened(s3)
        after.create_collection("notes", 3, "cosine")
        put(after, "last")
        after.tend("notes")
        assert held(reader) == (state or set()) | {"last"}
        check_tidy(s3)
        if not died:
            assert n > 20
            return
    pytest.fail("it never came to its end")


@pytest.mark.slow
@pytest.mark.parametrize("ends", [".segment", "manifest.json"])
def test_what_was_applied_and_not_answered_is_no_clash(s3: FakeS3, ends: str) -> None:
    backend = filled(s3, 3)
    s3.drop_key, s3.apply_then_drop = ends, 1
    put(backend, "new")
    s3.apply_then_drop = 1
    backend.delete_vectors("notes", ["k0"])
    assert s3.apply_then_drop == 0
    assert held(backend) == {"k1", "k2", "new"}
    backend.tend("notes")
    check_tidy(s3)


@pytest.mark.parametrize("is_done", [True, False])
def test_a_change_of_which_nobody_knows_whether_it_was_made_is_made_again(s3: FakeS3, is_done: bool) -> None:
    backend = filled(s3, 3)

    def nobody_answers_any_more() -> None:
        s3.denied = frozenset({"PutObject", "GetObject"})

    s3.on_call = Hook("PutObject", "manifest.json" if is_done else ".segment", nobody_answers_any_more)
    s3.drop_key, s3.apply_then_drop = "manifest.json", 1
    with pytest.raises(BackendRefused):
        put(backend, "new")
    s3.denied, s3.apply_then_drop = frozenset(), 0
    assert ("new" in held(opened(s3))) == is_done
    put(backend, "new")
    backend.tend("notes")
    assert "new" in held(opened(s3))
    check_tidy(s3)


@pytest.mark.slow
def test_throttling_is_waited_out(s3: FakeS3) -> None:
    backend = filled(s3, 3)
    s3.every_second = 503, "SlowDown"
    put(backend, "new")
    assert "new" in found(backend)


@pytest.mark.parametrize("code", ["ConditionalRequestConflict", "OperationAborted"])
def test_a_conflict_that_changed_nothing_is_tried_again(s3: FakeS3, code: str) -> None:
    s3.fail(409, code, times=2, operations={"PutObject"}, key="manifest.json")
    backend = filled(s3)
    s3.fail(409, code, times=2, operations={"PutObject"}, key="manifest.json")
    put(backend, "k")
    assert held(backend) == {"k"}
    s3.fail(409, code, times=99, operations={"PutObject"}, key="manifest.json")
    assert "by others all the time" in error_of(lambda: put(backend, "more")).message
    s3.fail_no_more()
    assert found(backend) == {"k"}


def test_questions_go_on_from_memory_while_the_service_is_out_of_reach(s3: FakeS3) -> None:
    clock = Clock()
    backend = filled(s3, 3, clock=clock, query_timeout_s=0.2, timeout_s=0.2)
    s3.stop()
    assert found(backend) == {"k0", "k1", "k2"}
    for call in (lambda: put(backend, "new"), lambda: held(backend), lambda: found(opened(s3, clock=clock))):
        assert "S3 cannot be reached" in error_of(call).message
    s3.start()
    put(opened(s3), "theirs")
    s3.calls.clear()
    assert "theirs" not in found(backend)
    assert not s3.calls, "for a moment others do not wait for the same"
    clock.now += PAUSE_S
    assert "theirs" in found(backend)
    put(backend, "new")
    assert "new" in held(opened(s3))


def test_credentials_that_were_renewed_are_taken(s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = filled(s3, 1)
    s3.only_key = "renewed"
    assert "does not accept the credentials (ExpiredToken)" in error_of(lambda: put(backend, "new")).message
    assert found(backend) == {"k0"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "renewed")
    put(backend, "new")
    assert held(backend) == {"k0", "new"}


def test_a_service_without_conditions_is_refused_before_anything_is_written(s3: FakeS3) -> None:
    for s3.honours_conditions, s3.has_conditions in ((False, True), (True, False)):
        for _ in range(2):
            error = error_of(lambda: filled(s3))
            assert isinstance(error, BackendRefused)
            assert "does not honour If-Match and If-None-Match" in error.message
        assert objects(s3) == {}
    s3.has_conditions = True
    filled(s3, 1)
    s3.calls.clear()
    put(filled(s3), "new")
    assert s3.calls["PutObject"] == 4, "two of them ask"


def test_a_body_that_breaks_off_is_asked_for_again(s3: FakeS3) -> None:
    filled(s3, 30)
    s3.broken_off = 2
    assert len(found(opened(s3))) == 30
    s3.broken_off = 99
    assert "S3 cannot be reached" in error_of(lambda: held(opened(s3))).message


@pytest.mark.parametrize("damage", [lambda body: body[:-1], lambda body: b"x" * len(body), None])
def test_a_segment_that_is_not_what_was_written_is_said(s3: FakeS3, damage: Callable[[bytes], bytes] | None) -> None:
    filled(s3, 3)
    (key,) = (key for key in objects(s3) if key.endswith(".segment"))
    if damage:
        s3.buckets["my-bucket"][key] = damage(objects(s3)[key])
    else:
        del s3.buckets["my-bucket"][key]
    before = objects(s3)
    error = error_of(lambda: found(opened(s3)))
    assert f"s3://my-bucket/mine/notes at {s3.url} is damaged" in error.message
    assert objects(s3) == before


def test_a_readers_rights_suffice_to_ask_and_a_writer_is_told_what_is_missing(s3: FakeS3) -> None:
    filled(s3, 3)
    s3.denied = frozenset({"PutObject", "DeleteObject"})
    reader = opened(s3)
    assert reader.list_collections() == ["notes"]
    assert (len(found(reader)), reader.collection_info("notes").count) == (3, 3)
    assert "s3:PutObject" in error_of(lambda: put(reader, "new")).hint
    s3.denied = frozenset({"DeleteObject"})
    writer = opened(s3)
    put(writer, "a", "b", "c", "d")
    assert len(found(writer)) == 7, "what cannot be deleted is left"
    assert "s3:DeleteObject" in error_of(lambda: delete(writer, "notes")).hint


FAULTS: list[tuple[int, str, type[VragdError], str]] = [
    (404, "NoSuchBucket", BackendRefused, "there is no bucket 'my-bucket'"),
    (301, "PermanentRedirect", BackendRefused, "is in another region"),
    (400, "AuthorizationHeaderMalformed", BackendRefused, "is in another region"),
    (403, "AccessDenied", BackendRefused, "GetObject on bucket 'my-bucket' is denied"),
    (403, "InvalidAccessKeyId", BackendRefused, "does not accept the credentials"),
    (403, "SignatureDoesNotMatch", BackendRefused, "does not accept the credentials"),
    (403, "RequestTimeTooSkewed", BackendUnavailable, "the clock of this machine is wrong"),
    (400, "KMS.DisabledException", BackendRefused, "the key of bucket 'my-bucket' cannot be used"),
    (507, "XMinioStorageFull", BackendFull, "bucket 'my-bucket' is full"),
    (503, "SlowDown", BackendUnavailable, "S3 is busy"),
    (500, "InternalError", BackendUnavailable, "S3 is busy"),
    (404, "", BackendUnavailable, "something between here and S3 answers in its place"),
    (403, "", BackendUnavailable, "something between here and S3 answers in its place"),
    (400, "InvalidStorageClass", BackendRefused, "S3 refuses GetObject: InvalidStorageClass"),
]


@pytest.mark.parametrize(("status", "code", "kind", "words"), FAULTS)
def test_an_error_is_what_the_user_must_do(
    s3: FakeS3, status: int, code: str, kind: type[VragdError], words: str
) -> None:
    filled(s3, 1)
    s3.fail(status, code, times=20, operations={"GetObject"})
    error = error_of(lambda: held(opened(s3, timeout_s=0.5)))
    assert isinstance(error, kind)
    assert isinstance(error, BackendRefused) == (kind is BackendRefused)
    assert words in error.message
    assert error.hint
    assert "said by the fake" not in error.message or code in ("AccessDenied", "InvalidStorageClass") or "KMS" in code


class _Portal(BaseHTTPRequestHandler):
    """Answers everything with a way to elsewhere, as the log-in of a network does."""

    page = b""
    asked: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.add(self.command)
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:9/")
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else self.page)

    do_HEAD = do_PUT = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        return


@pytest.mark.parametrize("page", [b"", b"<html><body>log in<br></body></html>"])
def test_who_sends_everybody_elsewhere_is_no_service(s3: FakeS3, page: bytes) -> None:
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), type("_", (_Portal,), {"page": page, "asked": (asked := set[str]())})
    ) as portal:
        threading.Thread(target=portal.serve_forever, daemon=True).start()
        backend = opened(s3, endpoint_url=f"http://127.0.0.1:{portal.server_port}", query_timeout_s=1.0)
        for call in (
            backend.list_collections,
            lambda: backend.create_collection("n", 3, "cosine"),
            lambda: held(backend),
        ):
            error = error_of(call)
            assert isinstance(error, BackendUnavailable)
            assert "something between here and S3 answers in its place" in error.message
            assert "status 302" in error.message
        portal.shutdown()
    assert "GET" in asked
    assert "HEAD" not in asked, "the bucket's region is asked for where there are no regions"


def test_a_library_that_goes_round_in_circles_is_told_as_whatever_sends_it(s3: FakeS3) -> None:
    class Circle:
        def __repr__(self) -> str:
            raise RecursionError

    objects = Objects(S3Backend(type="s3", bucket="my-bucket", endpoint_url=s3.url))
    with pytest.raises(BackendUnavailable, match="answers in its place"):
        objects.put("k", b"", IfMatch=Circle())
    objects.close()


def test_a_closed_one_answers_no_more(s3: FakeS3) -> None:
    backend = filled(s3, 1)
    backend.close()
    backend.close()
    for call in (lambda: found(backend), lambda: put(backend, "new")):
        assert "the index is closed" in error_of(call).message


def test_vectors_never_leave_the_machine_unencrypted(s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://me:planted@s3.example.org")
    error = error_of(opened(s3, endpoint_url=None).list_collections)
    assert "S3 is to be reached at http://s3.example.org: vectors would leave this machine" in error.message
    assert "AWS_ENDPOINT_URL_S3," in error.hint


def test_an_endpoint_of_the_environment_is_spoken_to_as_one_of_the_settings(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    put(filled(s3, 3, endpoint_url=None), "new")
    assert held(opened(s3)) == {"k0", "k1", "k2", "new"}
