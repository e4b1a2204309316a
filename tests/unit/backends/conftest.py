"""Fixtures of several backends' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.backends.faiss_folder import Open


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    return Open(tmp_path)
