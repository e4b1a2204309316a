"""A server that cannot be had is told of, and never fails a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import pytest_runtest_setup
from tests.servers.fetched import fetch, fetched, need, run


def test_what_cannot_be_had_is_told_and_tried_again(tmp_path: Path) -> None:
    within = str(tmp_path)
    with pytest.raises(OSError, match="VRAGD_SERVERS names no folder"):
        fetched("thing", "")
    with pytest.raises(OSError, match="was not fetched"):
        fetched("thing", within)

    def half(folder: Path) -> None:
        (folder / "part").touch()
        need("sh", "no-such-tool")

    assert fetch("thing", half, within) == "no-such-tool is not installed"
    with pytest.raises(OSError, match="no-such-tool is not installed"):
        fetched("thing", within)

    def whole(folder: Path) -> None:
        assert list(folder.iterdir()) == []

    assert fetch("thing", whole, within) == ""
    assert fetch("thing", half, within) == "", "once is enough"
    assert fetched("thing", within) == tmp_path / "thing"


@pytest.mark.slow
def test_a_command_that_fails_or_hangs_is_told() -> None:
    with pytest.raises(OSError, match=r"^sh failed: first … last$"):
        run("sh", "-c", "echo first; echo between >&2; echo last; exit 3")
    with pytest.raises(OSError, match=r"^sh did not come to its end"):  # whose child would keep its output open
        run("sh", "-c", "sleep 1000 & wait", within_s=0)


def test_what_is_left_when_the_time_is_over_is_skipped(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VRAGD_SERVERS_UNTIL", "1")
    with pytest.raises(pytest.skip.Exception, match="the time for real servers is over"):
        pytest_runtest_setup(request.node)
