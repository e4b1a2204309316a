"""What the documents point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = [
    ROOT / name
    for name in ("README.md", "AGENTS.md", "docs/architecture.md", "docs/backends.md", "docs/reliability.md")
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_is_named_exists(document: Path) -> None:
    for file, name in re.findall(r"`(tests/[\w/*.]+)(?:::(\w+))?`", document.read_text("utf-8")):
        assert list(ROOT.glob(file)), f"{document.name} names {file}"
        assert not name or f"def {name}(" in (ROOT / file).read_text("utf-8"), f"{document.name} names {file}::{name}"
