"""`vragd store list --all`: places of one name that are not one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.s3vectors import CREDENTIALS, FakeS3Vectors
from vragd.cli.beside import shared, show

AWAY = {"code": "backend_unavailable", "message": "out of reach", "hint": ""}


def row(where: str, reached: str = "", error: dict[str, str] | None = None) -> dict[str, Any]:
    return {"where": where, "reached": reached, "type": "any", "stores": [], "error": error}


def test_buckets_of_one_name_at_two_services_are_two_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    urls = [FakeS3Vectors().url, FakeS3Vectors().url]  # neither was started
    backends = [{"type": "s3vectors", "bucket": "my-vectors", "endpoint_url": url, "timeout_s": 1} for url in urls]
    stores = {f"store-{i}": {"sources": [], "backend": backend} for i, backend in enumerate([*backends, backends[0]])}
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"stores": stores, "paths": {"data": str(tmp_path / "data")}}))
    rows = shared(argparse.Namespace(config=str(config), data_dir=None, socket=None, log_level=None))
    assert [(one["where"], one["reached"]) for one in rows] == [("bucket my-vectors", url) for url in urls]
    assert all(one["error"] for one in rows)


def test_places_of_one_name_are_shown_with_what_tells_them_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert show([row("bucket a", "eu-west-1"), row("bucket a", "eu-west-2"), row("bucket b", "eu-west-1")]) == 0
    shown = capsys.readouterr().out.splitlines()[::2]
    assert shown == ["in bucket a (eu-west-1):", "in bucket a (eu-west-2):", "in bucket b:"]


def test_where_there_is_no_way_out_none_is_begun(capsys: pytest.CaptureFixture[str]) -> None:
    assert show([row("bucket a", error=AWAY), row("bucket b", error=AWAY | {"hint": "wait"})]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told == ["bucket a: out of reach", "bucket b: out of reach", "try: wait"]
