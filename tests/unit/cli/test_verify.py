"""What `vragd verify` names as a way out is one that helps against what it found."""

from __future__ import annotations

import pytest

from vragd.cli.verify import print_verified, ways_out

REPAIR = "Try: vragd verify --repair"
RUN = "Try: vragd run, which indexes what is new; vragd verify --repair"
UNCHECKED = "Not checked is not wrong: see to what its line says, then vragd verify"
FAILED = "Why notes failed: vragd files --state failed"


@pytest.mark.parametrize(
    ("kinds", "repaired", "is_daemon", "lines"),
    [
        ({"not_checked"}, False, True, [UNCHECKED]),
        ({"not_checked"}, True, True, [UNCHECKED]),
        ({"stale"}, False, True, [REPAIR]),
        ({"stale", "orphan_vector"}, False, False, [RUN]),
        ({"wrong_vector"}, False, False, [REPAIR]),
        ({"stale"}, True, True, []),
        ({"failed"}, True, True, [FAILED]),
        ({"failed"}, False, True, [REPAIR, FAILED]),
        ({"damaged_files"}, False, True, [REPAIR, "Damaged files that --repair leaves need what their lines say"]),
        ({"damaged_files", "not_checked"}, True, True,
         ["Damaged files are left where mending would lose what they hold: see their lines", UNCHECKED]),
        (set(), False, True, []),
    ],
)  # fmt: skip
def test_each_finding_has_its_way_out(kinds: set[str], repaired: bool, is_daemon: bool, lines: list[str]) -> None:
    assert ways_out(kinds, repaired=repaired, is_daemon=is_daemon) == lines
    assert all(len(line) <= 80 for line in lines)


def test_a_store_that_could_not_be_opened_is_not_said_to_be_mended(capsys: pytest.CaptureFixture[str]) -> None:
    detail = "the store could not be opened: its catalog is of a newer vragd"
    problem = {"kind": "not_checked", "source": "", "path": "", "detail": detail}
    print_verified({"stores": [{"store": "notes", "problems": [problem], "n_mended": 0}], "ok": False}, repaired=False)
    said = capsys.readouterr()
    assert said.out == f"notes: not_checked: {detail}\nnotes: 1 problem\n"
    assert said.err == f"{UNCHECKED}\n"


def test_a_damaged_file_that_was_kept_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    result = {"store": "notes", "problems": [], "n_mended": 1, "kept": ["/shelf/vectors.db.damaged"]}
    print_verified({"stores": [result], "ok": True}, repaired=True)
    told = capsys.readouterr().err
    assert told == "notes: /shelf/vectors.db.damaged was damaged, and is kept: delete it when nobody misses anything\n"
