"""How many threads are worth having: as many as there are cores for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vragd.system.cores import usable_cores

ALL = usable_cores(Path("/nonexistent"), Path("/nonexistent"))


def groups(tmp_path: Path, own: str, **files: str) -> tuple[Path, Path]:
    for name, text in files.items():
        file = tmp_path / "groups" / name.replace("__", "/").replace("cpu_", "cpu.")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    (tmp_path / "own").write_text(own + "\n")
    return tmp_path / "groups", tmp_path / "own"


def test_without_groups_all_cores_it_may_run_on_count() -> None:
    assert (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) == ALL


@pytest.mark.parametrize(
    ("own", "files", "n"),
    [
        ("0::/a.slice/b.service", {"a.slice__b.service__cpu_max": "50000 100000"}, 1),
        ("0::/a.slice/b.service", {"a.slice__cpu_max": "100000 100000"}, 1),  # of a group around it
        ("0::/", {"cpu_max": "100000 100000"}, 1),  # within a container
        ("0::/", {"cpu_max": "max 100000"}, ALL),
        ("0::/", {"cpu_max": "10000000 100000"}, ALL),
        ("4:cpu,cpuacct:/x\n0::/", {"cpu__x__cpu_cfs_quota_us": "80000", "cpu__x__cpu_cfs_period_us": "100000"}, 1),
        ("4:cpu:/x", {"cpu__x__cpu_cfs_quota_us": "-1", "cpu__x__cpu_cfs_period_us": "100000"}, ALL),
        ("4:cpuset:/x", {"cpu_max": "100000 100000"}, ALL),  # says nothing of a ration
        ("nonsense", {"cpu_max": "nonsense"}, ALL),
        ("0::/", {"cpu_max": "100000 0"}, ALL),
    ],
)
def test_a_ration_is_heeded(tmp_path: Path, own: str, files: dict[str, str], n: int) -> None:
    assert usable_cores(*groups(tmp_path, own, **files)) == n


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_pinned_to_one_core_one_thread_scans() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from vragd.system.cores import usable_cores; from vragd.backends.faiss import layout;"
        "print(usable_cores(), layout._N_PARTS)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
