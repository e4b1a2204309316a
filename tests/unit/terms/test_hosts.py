"""What leaves the machine."""

from __future__ import annotations

import pytest

from vragd.terms.hosts import is_here, is_loopback, origin, stays_private, without_secrets


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "127.0.0.1",
        "127.1",
        "127.0.0.53",
        "0x7f000001",
        "::1",
        "[::1]",
        "::ffff:127.0.0.1",
    ],
)
def test_this_machine_is_known_in_any_spelling(host: str) -> None:
    assert is_loopback(host)
    assert is_here(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "0"])
def test_the_address_of_no_machine_is_connected_to_this_one(host: str) -> None:
    assert is_here(host)
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "nas.lan",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "10.0.0.1",
        "::ffff:10.0.0.1",
        "1",
        "notlocalhost",
        "fe80::1%lo",
    ],
)
def test_other_machines_are_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "url", ["https://aws.example", "http://127.0.0.1:9000", "http://localhost", "http://[::1]:80/x"]
)
def test_what_is_encrypted_or_stays_here_is_private(url: str) -> None:
    assert stays_private(url)


@pytest.mark.parametrize(
    "url", ["http://nas.lan", "ftp://localhost", "", "nas.lan:80", "http://[::1", "http://10.0.0.1:9000"]
)
def test_anything_else_is_not(url: str) -> None:
    assert not stays_private(url)


def test_origins_are_compared_by_scheme_host_and_port() -> None:
    assert origin("https://Ollama.com./api") == origin("https://ollama.com:443") == ("https", "ollama.com", 443)
    assert origin("nas:11434") == ("http", "nas", 11434)
    assert origin("http://[x") is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("https://me:p?l@n/ted@h:1/v1?key=planted#x", "https://h:1/v1"),
        ("http://h:planted/v1", "http://h:…/v1"),
        ("http://[::1]:planted", "http://[::1]:…"),
        ("C:/a?b@c", "C:/a?b@c"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
