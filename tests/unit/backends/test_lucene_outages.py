"""What befalls a backend on Lucene, on the stand-in: outages, questions, and what is told of it all."""

from __future__ import annotations

import ipaddress
import logging
import math
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.backends import keys, put
from tests.fakes.lucene import FakeNode, basic
from tests.harness import until
from tests.unit.backends.lucene_node import DIM, Make, entries, some
from vragd.backends.base import Entry
from vragd.backends.http.connect import Connections
from vragd.backends.http.secrets import Basic
from vragd.backends.lucene.backend import LuceneBackend
from vragd.backends.opensearch.settings import OpenSearchBackend
from vragd.errors import (
    BackendRefused,
    BackendUnavailable,
    CollectionMismatch,
    VragdError,
)
from vragd.terms.filter import equals

# -- outages -------------------------------------------------------------------------------------------------


def test_a_connection_that_the_server_closed_is_replaced_unnoticed(backend: LuceneBackend, node: FakeNode) -> None:
    put(backend, "sss", entries(3))
    node.stop()
    with pytest.raises(BackendUnavailable, match="cannot be reached") as caught:
        backend.query("sss", some(1)[0], 3)
    assert caught.value.transient
    node.start()
    assert len(backend.query("sss", some(1)[0], 9).items) == 3
    node.stop()
    node.start()
    put(backend, "sss", entries(4))
    assert len(keys(backend, "sss")) == 4


def test_a_bulk_whose_answer_is_lost_is_sent_again(backend: LuceneBackend, node: FakeNode) -> None:
    node.apply_then_drop = 1
    put(backend, "sss", entries(7))
    assert (len(keys(backend, "sss")), node.calls["_bulk"]) == (7, 2)
    node.apply_then_drop = 2
    with pytest.raises(BackendUnavailable, match="broke"):
        put(backend, "sss", entries(7))


def test_what_stands_between_is_not_taken_for_the_server(backend: LuceneBackend, node: FakeNode) -> None:
    for status, body in ((200, b"<html>log in</html>"), (502, b"bad gateway"), (404, b"not here"), (200, [])):
        node.fail(status, body)
        with pytest.raises(BackendUnavailable) as caught:
            backend.query("sss", some(1)[0], 3)
        assert caught.value.transient
        backend.collection_info("sss")


def test_a_score_beyond_what_the_engine_counts_in_is_a_number(make: Make, node: FakeNode) -> None:
    """OpenSearch says a word of it."""
    backend = make()
    backend.create_collection("sss", DIM, "dot")
    put(backend, "sss", entries(3))
    backend.query("sss", some(1)[0], 3)
    node.fail(200, {"hits": {"hits": [{"_score": "Infinity", "fields": {"key": ["k00000"]}}]}})
    (match,) = backend.query("sss", some(1)[0], 3).items
    assert 3e38 < match.score < math.inf


def test_an_answer_in_part_is_none(backend: LuceneBackend, node: FakeNode) -> None:
    put(backend, "sss", entries(3))
    node.partial = True
    with pytest.raises(BackendUnavailable, match="answers in part"):
        backend.query("sss", some(1)[0], 3)


def test_of_several_hosts_one_that_answers_is_taken(make: Make, node: FakeNode) -> None:
    with FakeNode(node.kind) as gone:
        nobody = gone.host
    backend = make(host=f"{nobody},{node.host}")
    backend.create_collection("sss", DIM, "cosine")
    put(backend, "sss", entries(3))
    assert len(backend.query("sss", some(1)[0], 9).items) == 3


def test_a_server_that_keeps_one_waiting_does_not_keep_all(node: FakeNode) -> None:
    """Each look at this clock is two seconds after the last."""
    looks = iter(range(0, 1_000, 2))
    node.stop()
    settings = OpenSearchBackend(type="opensearch", host=node.host, scheme="http")
    connections = Connections(settings, Basic(None, None, "NONE"), lambda: float(next(looks)))
    said = []
    for _ in range(3):
        with pytest.raises(BackendUnavailable, match="cannot be reached"):
            connections.ask("GET", "/", b"", 1)
        said.append(next(looks))
    assert said == [4, 8, 14], "asked; not asked; asked again"


def test_a_call_in_flight_ends_when_it_is_closed(backend: LuceneBackend, node: FakeNode) -> None:
    put(backend, "sss", entries(3))
    node.hangs, failed = threading.Event(), list[Exception]()

    def ask() -> None:
        try:
            backend.query("sss", some(1)[0], 3, timeout_s=50)
        except VragdError as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: node.calls["_search"], "the question to be asked")
    backend.close()
    thread.join(10)
    node.hangs.set()
    assert not thread.is_alive()
    assert [isinstance(error, BackendUnavailable) for error in failed] == [True]


def test_a_question_waits_no_longer_than_said(make: Make, node: FakeNode) -> None:
    backend = make(pool_size=1)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, "sss", entries(3))
    node.hangs = threading.Event()
    with pytest.raises(BackendUnavailable, match="takes too long"):
        backend.query("sss", some(1)[0], 3, timeout_s=0.1)
    thread = threading.Thread(target=lambda: backend.query("sss", some(1)[0], 3, timeout_s=30))
    thread.start()
    until(lambda: node.calls["_search"] == 2, "the question to be asked")
    with pytest.raises(BackendUnavailable, match="all connections are in use"):
        backend.query("sss", some(1)[0], 3, timeout_s=0.1)
    node.hangs.set()
    thread.join(10)
    node.hangs = None
    assert len(backend.query("sss", some(1)[0], 3).items) == 3


# -- questions -----------------------------------------------------------------------------------------------


def test_the_index_is_asked_once_there_are_many(make: Make) -> None:
    backend = make(index_from=20)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, "sss", entries(15))
    backend.tend("sss")
    assert (backend.collection_info("sss").exact, backend.collection_info("sss").detail["index"]) == (True, "exact")
    put(backend, "sss", entries(40))
    backend.tend("sss")
    info = backend.collection_info("sss")
    assert (info.exact, info.detail["index"], info.count) == (False, "hnsw", 40)
    found = backend.query("sss", some(40)[7], 5)
    assert (found.items[0].key, found.end) == ("k00007", "more")
    assert found.items[0].score == pytest.approx(1)
    found = backend.query("sss", some(40)[7], 30, where=equals("n", 1))
    assert (len(found.items), found.end) == (13, "exhausted")
    assert backend.query("sss", some(1)[0], 0).items == ()


def test_there_is_an_end_to_how_many_are_given(backend: LuceneBackend) -> None:
    found = backend.query("sss", some(1)[0], 50_000)
    assert (found.items, found.end) == ([], "exhausted")
    with pytest.raises(CollectionMismatch, match="no direction"):
        backend.query("sss", np.zeros(DIM, np.float32), 3)


# -- what is told --------------------------------------------------------------------------------------------


def test_no_error_and_no_log_tells_a_password_or_a_note(
    make: Make, node: FakeNode, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "word"
    file.touch(0o600)
    file.write_text("planted-password\n")
    node.word = basic("me", "planted-password")
    backend = make(user="me", password_file=str(file))
    note = Entry("k", some(1)[0], {"secret": "planted note"}, {"content": "planted text"})
    backend.create_collection("sss", DIM, "cosine")
    put(backend, "sss", [note])
    said = [
        repr(vars(backend)),
        repr(vars(backend.server)),
        repr(vars(backend.server.connections)),
        str(backend.collection_info("sss")),
    ]

    def fails(call: Callable[[], object]) -> None:
        with pytest.raises(VragdError) as caught:
            call()
        error = caught.value
        said.extend([repr(error), error.message, error.hint, repr(error.__cause__), repr(vars(error))])

    node.poison = "planted"
    fails(lambda: put(backend, "sss", [note]))
    node.poison, node.flooded = None, True
    fails(lambda: put(backend, "sss", [note]))
    node.flooded, node.busy_items = False, 1_000
    fails(lambda: put(backend, "sss", [note]))
    node.busy_items = 0
    for status in (400, 401, 403, 404, 413, 429, 500):
        node.fail(status, {"error": {"type": "x_exception", "reason": "planted"}}, times=12)
        fails(lambda: put(backend, "sss", [note]))
        node.forgive()
        backend.tend("sss")
    node.word = basic("me", "other")
    fails(lambda: backend.query("sss", some(1)[0], 3, where=equals("secret", "planted note")))
    node.stop()
    fails(lambda: backend.query("sss", some(1)[0], 3))
    told = [*said, caplog.text, *capfd.readouterr()]
    secret = ("planted", node.word or "?", basic("me", "planted-password").split()[1])
    assert [text for text in told if any(one in text for one in secret)] == []


def test_a_server_without_tls_and_a_file_without_certificates_are_refused(node: FakeNode, tmp_path: Path) -> None:
    settings = OpenSearchBackend(type="opensearch", host=node.host)
    with pytest.raises(BackendRefused, match="does not speak TLS"):
        Connections(settings, Basic(None, None, "NONE")).ask("GET", "/", b"", 2)
    empty = tmp_path / "ca.pem"
    empty.touch()
    settings = OpenSearchBackend(type="opensearch", host=node.host, ca_file=str(empty))
    with pytest.raises(BackendRefused, match="ca_file cannot be read"):
        Connections(settings, Basic(None, None, "NONE")).ask("GET", "/", b"", 2)


def certificate(folder: Path) -> tuple[Path, Path]:
    """One for 127.0.0.1 that nobody signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    ca = x509.BasicConstraints(ca=True, path_length=None)
    signed = builder.add_extension(names, critical=False).add_extension(ca, critical=True).sign(key, hashes.SHA256())
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return files


def test_a_certificate_is_trusted_where_it_is_told_and_nowhere_else(tmp_path: Path, make: Make, node: FakeNode) -> None:
    cert, key = certificate(tmp_path)
    node.stop()
    node.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    node.tls.load_cert_chain(cert, key)
    node.start()
    backend = make(scheme="https", ca_file=str(cert))
    backend.create_collection("sss", DIM, "cosine")
    put(backend, "sss", entries(3))
    assert len(backend.query("sss", some(1)[0], 9).items) == 3
    with pytest.raises(BackendRefused, match=r"the certificate of 127\.0\.0\.1 is not trusted") as caught:
        make(scheme="https").list_collections()
    assert "ca_file" in caught.value.hint
