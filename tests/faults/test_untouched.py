"""What is imported is only read: the kernel is asked for nothing by which it could be changed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.faults import strace
from tests.foreign import ADD, TEXTS, Chroma, flat_index, llamaindex, node, ragtool, rows_of, simple_llamaindex
from tests.harness import vragd

pytestmark = pytest.mark.slow

OPENS = ("open", "openat", "openat2", "creat")
CHANGES = (
    "truncate", "ftruncate", "fallocate", "write", "pwrite64", "writev", "pwritev", "unlink", "unlinkat", "rename",
    "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat",
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utime", "utimes",
    "utimensat", "futimesat", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
)  # fmt: skip
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    strace.skip_unless_possible()


def faiss_under_the_name_of_json(folder: Path) -> Path:
    nodes = {f"node-{i}": node(i, text) for i, text in enumerate(TEXTS)}
    return llamaindex(folder, flat_index(rows_of(len(TEXTS))), nodes, list(nodes))


def chroma(folder: Path) -> Path:
    """With vectors in its folder and in its queue, and what it did last still in the log of its database."""
    made = Chroma(folder)
    made.db.execute("pragma journal_mode = wal")
    rows = {f"p{i}": row for i, row in enumerate(np.eye(4, dtype=np.float32))}
    for name, row in rows.items():
        made.queued(ADD, name, row)
    made.rows(rows)
    for name in rows:
        made.text(name, f"Text of {name}")
    made.queued(ADD, "late", np.ones(4))
    made.text("late", "Text of late")
    log = folder / "chroma.sqlite3-wal"
    kept = log.read_bytes()
    made.close()
    log.write_bytes(kept)  # as a process leaves it that was killed
    return folder


ORIGINS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "json": ("llamaindex", simple_llamaindex),
    "faiss": ("llamaindex", faiss_under_the_name_of_json),
    "chroma": ("chroma", chroma),
    "vector-rag-tool": ("vector-rag-tool", ragtool),
}


def state(folder: Path) -> dict[Path, tuple[int, int, int, int, bytes]]:
    """All that can be told of what is in a folder without having been there; when it was read is nobody's business."""
    found = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        info = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[path] = (info.st_mtime_ns, info.st_ctime_ns, info.st_mode, info.st_ino, content)
    return found


def calls_on(folder: Path, log: Path) -> Iterator[tuple[str, str]]:
    """Each call that named something in the folder, or a descriptor of it; of what is written nothing is told."""
    for line in log.read_text("utf-8", "replace").splitlines():
        told = re.match(r"(?:\d+ +)?(?:<\.\.\. )?(\w+)[( ]", line)
        if told and str(folder) in line:
            yield told[1], line


@pytest.mark.parametrize("name", ORIGINS)
def test_an_import_opens_nothing_of_the_original_to_write(name: str, tmp_path: Path) -> None:
    kind, make = ORIGINS[name]
    folder = make(tmp_path / "original")
    before = state(folder)
    log = tmp_path / "calls"
    traced = ["strace", "-f", "-qq", "-y", "-s", "0", "-o", str(log), "-e", "signal=none"]
    traced += ["-e", "trace=" + ",".join(f"?{call}" for call in (*OPENS, *CHANGES))]
    with vragd(tmp_path) as home:
        command = ["import", kind, str(folder), "--store", "imported", "--unchecked"]
        done = subprocess.run(
            [*traced, sys.executable, "-m", "vragd", *command],
            env=home.env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "is whole" in done.stderr
    assert state(folder) == before
    calls = list(calls_on(folder, log))
    assert any(call in OPENS for call, _ in calls), "it was seen to be read"
    wrong = [line for call, line in calls if call not in OPENS or WRITING.search(line)]
    assert wrong == []
    assert str(home.data) in log.read_text("utf-8", "replace"), "what was written elsewhere was seen, too"
