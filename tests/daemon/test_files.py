"""Code and documents in a real daemon: read by processes that come and go, found with their places, gone with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import documents as made
from tests.harness import Vragd, until, vragd
from vragd.notes.documents import LIBRARIES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in (*LIBRARIES.values(), "tree_sitter")),
        reason="needs pip install 'vragd[code,documents]'",
    ),
]
LINES = "".join(f"    step_{i} = 'the marmalade is stirred slowly'\n" for i in range(12))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Vragd]:
    with vragd(tmp_path) as daemon:
        source = {"path": str(daemon.vault), "include": ["*.md", "*.py", "*.pdf", "*.docx"]}
        daemon.configure(stores={"notes": {"sources": [source]}}, documents={"read": True})
        (daemon.vault / "note.md").write_text("A note about penguins")
        (daemon.vault / "shop.py").write_text(
            f"import os\n\n\ndef boil(**kwargs):\n{LINES}\n\ndef cool():\n{LINES * 3}"
        )
        (daemon.vault / "paper.pdf").write_bytes(made.pdf(["Nothing here.", "The quagga was last seen in 1883."]))
        (daemon.vault / "rules.docx").write_bytes(made.docx())
        (daemon.vault / "locked.pdf").write_bytes(made.encrypted_pdf())
        yield daemon


def children(pid: int) -> list[str]:
    """The command lines of a process's children, as Linux tells them."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found.append(Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def test_what_is_in_code_and_documents_is_found_at_its_place_and_goes_with_its_file(daemon: Vragd) -> None:
    daemon.start()
    hit = daemon.query("where was the quagga seen")["hits"][0]
    assert (hit["path"], hit["lines"], hit["heading"]) == ("paper.pdf", [2, 2], ["Page 2"])
    assert hit["excerpt"] == "The quagga was last seen in 1883."
    assert hit["uri"].endswith("/paper.pdf")
    hit = daemon.query("boil kwargs marmalade")["hits"][0]
    assert (hit["path"], hit["heading"], hit["lines"][0]) == ("shop.py", ["boil"], 1)
    assert "boil(**kwargs)" in hit["excerpt"]
    printed = daemon.run("query", "wombat washes up on Fridays").stdout
    assert "rules.docx:3-6" in printed
    assert "Kitchen" in printed
    told = daemon.run("files", "--state", "skipped").stdout
    assert "locked.pdf: encrypted" in told
    assert daemon.problems() == []
    (daemon.vault / "paper.pdf").unlink()
    (daemon.vault / "shop.py").rename(daemon.vault / "shop.txt.bak")
    until(lambda: not {"paper.pdf", "shop.py"} & daemon.files().keys(), "the files to be gone")
    assert all(path not in ("paper.pdf", "shop.py") for path in daemon.paths("quagga marmalade"))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_documents_that_are_off_start_no_process_and_say_why(daemon: Vragd) -> None:
    source = {"path": str(daemon.vault), "include": ["*.md", "*.pdf", "*.docx"]}
    daemon.configure(stores={"notes": {"sources": [source]}})
    daemon.start()
    assert daemon.process is not None
    assert [command for command in children(daemon.process.pid) if "vragd.sync.worker" in command] == []
    assert daemon.files()["paper.pdf"]["reason"] == "documents.read is false in the configuration"
    assert not Path(f"/proc/{daemon.process.pid}/maps").read_text().count("tree_sitter")
    rows = json.loads(daemon.run("files", "--json").stdout)["files"]
    assert {row["state"] for row in rows if row["path"].endswith((".pdf", ".docx"))} == {"skipped"}
