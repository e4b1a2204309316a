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
