"""How the program is removed is said as it was installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from vragd.cli.purge.program import removal


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
