"""Whatever the system refuses a command is said in words, with a status, and never by a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.depth import more

NOBODY = 65534
COMMANDS = [
    ("query", "x"), ("status",), ("files",), ("sync",), ("sync", "a.md"), ("index", "*.md", "-s", "abc"),
    ("store", "list"), ("verify",), ("config", "check"), ("config", "show"), ("init", "."), ("init", "Vault"), ("run",),
]  # fmt: skip
ONE, OTHER = ([*COMMANDS[i::2], *more(*((args,) for args in COMMANDS[1 - i :: 2]))] for i in range(2))
"""Each command meets one of two refusals, in a campaign both."""


def vragd(*args: str, shell: str = "{}", home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = shell.format(f'"{sys.executable}" -m vragd "$@"')
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VRAGD_", "XDG_"))}
    return subprocess.run(
        ["sh", "-c", command, "sh", *args], env=kept | {"HOME": str(home)} | env, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=60, check=False, cwd=home,
    )  # fmt: skip


def said(done: subprocess.CompletedProcess[str]) -> None:
    assert "Traceback" not in done.stderr, done.stderr
    assert "Error: " in done.stderr
    assert done.returncode not in (0, 120)


@pytest.mark.parametrize("args", ONE, ids=" ".join)
def test_a_working_directory_that_is_gone(tmp_path: Path, args: tuple[str, ...]) -> None:
    gone = 'mkdir gone && cd gone && rmdir "$PWD" && {}'
    done = vragd(*args, shell=gone, home=tmp_path, VRAGD_CONFIG=str(tmp_path / "none.yaml"))
    if done.returncode == 0:
        assert args in {("files",), ("store", "list"), ("config", "show")}, "what needs no folder works in none"
    assert "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize("args", [("config", "path"), ("config", "show"), ("store", "list", "--json")])
@pytest.mark.parametrize("output", [">&-", "> /dev/full"])
def test_an_output_that_cannot_be_written(tmp_path: Path, args: tuple[str, ...], output: str) -> None:
    if output == "> /dev/full" and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = vragd(*args, shell=f"{{}} {output}", home=tmp_path)
    said(done)
    assert done.returncode == 4


def test_what_has_nothing_to_say_needs_no_output(tmp_path: Path) -> None:
    done = vragd("run", shell="{} >&- <&-", home=tmp_path)
    assert done.returncode == 78
    assert "there is no configuration file" in done.stderr
    assert vragd("config", "path", shell="{} 2>&- <&-", home=tmp_path).stdout


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    done = vragd("config", "show", shell="{{ {}; echo $? >&2; }} | true", home=tmp_path)
    assert done.stderr.split() in ([], ["0"], ["0", "0"]), done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize("args", OTHER, ids=" ".join)
def test_a_home_of_another_user_who_lets_nobody_in(args: tuple[str, ...]) -> None:
    """As `sudo -u` without `-H` has it."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        home = Path(place)
        home.chmod(0o755)
        (home / "private" / "run").mkdir(parents=True, mode=0o700)
        (home / "private").chmod(0o700)
        (home / "Vault").mkdir()
        packages = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
        source = str(Path(__file__).parents[3] / "src")
        code = f"import os, sys; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY});"
        code += f" sys.argv = ['vragd', *{list(args)}]; from vragd.cli.main import main; sys.exit(main())"
        for python in filter(os.path.exists, (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}")):
            done = subprocess.run(
                [python, "-c", code], capture_output=True, text=True, check=False, cwd=place, timeout=60,
                env={"HOME": f"{place}/private", "XDG_RUNTIME_DIR": f"{place}/private/run", "PATH": "/usr/bin:/bin",
                     "PYTHONPATH": f"{source}:{packages}"},
            )  # fmt: skip
            if "ModuleNotFoundError" not in done.stderr and "ermission denied: '/root" not in done.stderr:
                break
        else:
            pytest.skip("another user cannot read this Python or this checkout")
        said(done)


@pytest.mark.parametrize(
    "args",
    [
        ("import", "jsonl", "none.jsonl", "-s", "abc"),
        ("import", "chroma", ".", "-s", "abc"),
        ("import", "llamaindex", ".", "-s", "abc"),
        ("export", "abc", "--out", "e.txt"),
        ("store", "create", "abc", "--source", "none"),
        ("demo", "none"),
        ("doctor", "--bundle", "none/b.json"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_said_with_the_way_out(tmp_path: Path, args: tuple[str, ...]) -> None:
    done = vragd(*args, home=tmp_path)
    said(done)
    assert "\nTry: " in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_is_full_is_said_with_the_way_out(tmp_path: Path) -> None:
    done = vragd("models", shell="{} >/dev/full", home=tmp_path)
    said(done)
    assert "No space left on device\nTry: free some space" in done.stderr
