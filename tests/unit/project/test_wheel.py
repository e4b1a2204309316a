"""The wheel has what is no module, too: the page's files, the model, the sample vault."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_every_file_of_the_package_is_in_the_wheel(tmp_path: Path) -> None:
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as wheel:
        packed = {name for name in wheel.namelist() if name.startswith("vragd/")}
    src = ROOT / "src"
    there = {path.relative_to(src).as_posix() for path in (src / "vragd").rglob("*")
             if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
    assert packed == there
    assert {"vragd/server/web/static/index.html", "vragd/server/web/static/page.js"} <= packed
