"""The compose files of servers: read, not run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from vragd.stores.elsewhere import Place

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "examples" / "servers").glob("*.yaml"))


def test_make_knows_every_file() -> None:
    known = re.search(r"^SERVERS \?= (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert known is not None
    assert sorted(known[1].split()) == [file.stem for file in FILES]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_server_is_this_machines_alone_and_of_a_version(file: Path) -> None:
    whole = yaml.safe_load(file.read_text())
    ((name, service),) = whole["services"].items()
    assert name == file.stem
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", service["image"])
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service["ports"])
    assert {volume.partition(":")[0] for volume in service.get("volumes", ())} == set(whole.get("volumes", ()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_url_in_a_file_leads_to_its_server(file: Path) -> None:
    text = file.read_text()
    url = re.search(r"--backend '?([^\s']+)", text)
    assert url is not None
    settings = Place.named(url[1], {}).settings
    port = yaml.safe_load(text)["services"][file.stem]["ports"][0].split(":")[1]
    assert settings.type == file.stem
    assert not settings.leaves_machine()
    assert f":{port}" in url[1]
