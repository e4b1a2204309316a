"""A question as the shell hands it over."""

from __future__ import annotations

import os

import pytest

from vragd.cli.query import as_text
from vragd.errors import UsageError


def test_what_the_locale_could_not_read_is_utf_8() -> None:
    assert as_text("ünï".encode().decode("ascii", "surrogateescape")) == "ünï"
    assert as_text("plain") == "plain"


def test_bytes_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        as_text(os.fsdecode(b"caf\xe9"))
