"""The places at which a test ends a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vragd.system import failpoints
from vragd.system.failpoints import EXIT_STATUS, asked_for, install, kill_at, log_to, reach

SCRIPT = "from vragd.system.failpoints import reach\nfor i in range(3):\n    print(i, flush=True)\n    reach('here')\n"


@pytest.fixture(autouse=True)
def off() -> Iterator[None]:
    yield
    install(None)


def run(spec: str | None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({} if spec is None else {"VRAGD_FAILPOINT": spec})}
    return subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_off_is_how_it_is_delivered_and_nothing_is_called() -> None:
    assert "VRAGD_FAILPOINT" not in os.environ
    assert failpoints._hook is None
    reach("anywhere")
    assert run(None).stdout.split() == ["0", "1", "2"]


def test_a_hook_is_called_with_every_place_until_it_is_taken_out() -> None:
    reached: list[str] = []
    install(reached.append)
    reach("a.b")
    reach("c.d")
    install(None)
    reach("e.f")
    assert reached == ["a.b", "c.d"]


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.slow
def test_a_process_ends_at_the_nth_time(nth: int) -> None:
    done = run(f"here:{nth}")
    assert done.returncode == EXIT_STATUS == 137
    assert done.stdout.split() == ["0", "1", "2"][:nth]
    assert done.stderr == ""


@pytest.mark.parametrize("spec", ["here:4", "elsewhere:1"])
@pytest.mark.slow
def test_a_process_that_does_not_get_there_lives(spec: str) -> None:
    assert run(spec).returncode == 0


def test_only_the_place_itself_is_counted() -> None:
    ended: list[int] = []
    hook = kill_at("a.b", 2, ended.append)
    for place in ("a.b", "a.c", "a.b.c", "a"):
        hook(place)
    assert ended == []
    hook("a.b")
    assert ended == [EXIT_STATUS]
    hook("a.b")
    assert ended == [EXIT_STATUS], "the nth time, and no other"


@pytest.mark.slow
def test_a_log_has_a_line_for_each_place_and_is_private(tmp_path: Path) -> None:
    file = tmp_path / "log"
    assert run(f"log:{file}").returncode == 0
    assert file.read_text() == "here\n" * 3
    assert file.stat().st_mode & 0o777 == 0o600
    log_to(str(file))("there")
    assert file.read_text() == "here\n" * 3 + "there\n"


def test_nothing_asked_for_is_no_hook() -> None:
    assert asked_for("") is None


@pytest.mark.parametrize("spec", ["sync.put", "sync.put:", "sync.put:often"])
@pytest.mark.slow
def test_a_place_without_a_number_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        asked_for(spec)
    assert run(spec).returncode == 1
