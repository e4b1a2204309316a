"""Places that vragd writes, and vaults: neither lies in the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vragd.config.load import load
from vragd.errors import ConfigError


def test_a_vault_inside_a_folder_of_vectors_is_refused(tmp_path: Path) -> None:
    vectors, vault, file = tmp_path / "all", tmp_path / "all" / "first", tmp_path / "config.yaml"
    store = {"sources": [{"path": str(vault)}], "backend": {"type": "file", "path": str(vectors)}}
    file.write_text(json.dumps({"stores": {"first": store}}))
    with pytest.raises(ConfigError, match="is inside the vectors of store 'first'") as caught:
        load(file)
    assert "a folder that holds nothing else" in caught.value.hint


@pytest.mark.parametrize("which", ["backend", "replica"])
@pytest.mark.parametrize("place", ["data", "data/stores/notes/catalog.db", "link/v.db", "data/../data/v.db"])
def test_vectors_inside_the_data_directory_are_refused(tmp_path: Path, which: str, place: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    here = {"type": "sqlite", "path": f"{tmp_path}/{place}"}
    store = {"backend": here} if which == "backend" else {"replicas": {"second": here}}
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"stores": {"notes": store}}))
    with pytest.raises(ConfigError, match=r"the vectors of store 'notes', .* are inside the data directory") as caught:
        load(file, data_dir=str(tmp_path / "data"))
    assert caught.value.message.startswith(f"{file}:1: ")
    assert "a place outside it" in caught.value.hint


@pytest.mark.parametrize("other", ["link/v.db", "one/../one/v.db"])
def test_a_replica_in_the_primarys_place_is_refused_whatever_the_path(tmp_path: Path, other: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    first, second = ({"type": "sqlite", "path": f"{tmp_path}/{place}"} for place in ("one/v.db", other))
    file = tmp_path / "config.yaml"
    store = {"backend": first, "replicas": {"second": second}}
    file.write_text(json.dumps({"stores": {"notes": store}}))
    with pytest.raises(ConfigError, match="two of backend and replicas of store 'notes' are one place"):
        load(file, data_dir=str(tmp_path / "data"))
    file.write_text(json.dumps({"stores": {"notes": {"backend": first}, "others": {"backend": second}}}))
    assert len(load(file, data_dir=str(tmp_path / "data")).config.stores) == 2, "two stores may share a file"
