"""How the program is removed is said as it was installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from vragd.cli.purge.program import removal
from vragd.cli.service.command import refuse_what_goes
from vragd.errors import UsageError


@pytest.mark.parametrize(
    ("prefix", "command"),
    [
        ("/home/anna/.local/share/pipx/venvs/vragd", "pipx uninstall vragd"),
        ("/home/anna/.local/share/uv/tools/vragd", "uv tool uninstall vragd"),
        ("/home/anna/my env", "'/home/anna/my env/bin/python' -m pip uninstall vragd"),
        ("/usr", "/usr/bin/python -m pip uninstall vragd"),
    ],
)
def test_an_environment_is_left_as_it_was_made(prefix: str, command: str) -> None:
    assert removal(Path(prefix)) == command


def test_of_a_clone_its_environment_is_named_and_of_another_project_only_ours_is_taken_out(tmp_path: Path) -> None:
    own = tmp_path / ".venv"
    own.mkdir()
    (own / "pyvenv.cfg").write_text("")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "vragd"\n')
    assert removal(own) == f"rm -r {own}, or the whole clone"
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\ndependencies = ["vragd"]\n')
    assert removal(own) == f"{own}/bin/python -m pip uninstall vragd"


@pytest.mark.parametrize(
    "path",
    [
        "/home/anna/.cache/uv/archive-v0/Zx1/bin/vragd", "/home/anna/.cache/uv/environments-v2/vragd-1/bin/vragd",
        "/home/anna/.local/share/pipx/.cache/8f3/bin/vragd", "/home/anna/.cache/pipx/8f3/bin/vragd",
        "/opt/homebrew/Cellar/vragd/1.0/bin/vragd", "/nix/store/abc-vragd/bin/vragd",
    ],
)  # fmt: skip
def test_no_service_starts_a_program_that_goes_away(path: str) -> None:
    with pytest.raises(UsageError, match="takes away") as refused:
        refuse_what_goes(path)
    assert "pipx install vragd" in refused.value.hint


@pytest.mark.parametrize(
    "path",
    [
        "/home/anna/.local/bin/vragd",
        "/opt/homebrew/bin/vragd",
        "/home/anna/.nix-profile/bin/vragd",
        "/x/.venv/bin/vragd",
    ],
)  # fmt: skip
def test_one_that_stays_is_started(path: str) -> None:
    refuse_what_goes(path)
