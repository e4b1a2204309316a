"""The units: what is shipped is what is rendered, systemd accepts it, and awkward paths survive the writing."""

from __future__ import annotations

import plistlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vragd.cli.service import units
from vragd.daemon.life import STOP_DEADLINE_S
from vragd.errors import ConfigError, DataDirError, NewerFormat, UsageError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
MAX_EXPOSURE = 2.5

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


@pytest.mark.parametrize("name", sorted(units.shipped()))
def test_the_shipped_file_is_what_is_rendered(name: str) -> None:
    """If not: python -m vragd.cli.service.units ."""
    assert (ROOT / name).read_text("utf-8") == units.shipped()[name]


def test_the_command_that_renders_writes_these_files_and_no_others(tmp_path: Path) -> None:
    units.main(tmp_path)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == set(units.shipped())
    shipped = {str(path.relative_to(ROOT)) for folder in ("systemd", "launchd") for path in (ROOT / folder).iterdir()}
    assert shipped == found


# -- systemd ------------------------------------------------------------------------------------------------


def analyze(tmp_path: Path, *args: str) -> subprocess.CompletedProcess[str]:
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return subprocess.run(
        ["systemd-analyze", *args],
        env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(runtime), "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def accepted(tmp_path: Path, text: str, name: str, *flags: str) -> str:
    """What systemd has to say against the unit; empty when nothing."""
    unit = tmp_path / "units" / name
    unit.parent.mkdir(exist_ok=True)
    unit.write_text(text, "utf-8")
    done = analyze(tmp_path, "verify", "--man=no", *flags, str(unit))
    return done.stdout + done.stderr + (f"status {done.returncode}" if done.returncode else "")


def user_unit(tmp_path: Path, **kwargs: Any) -> str:
    argv = [str(program(tmp_path / "bin" / "vragd")), "run"]
    return units.user_service(units.command_line(argv), units.path_list([str(tmp_path / "data")]), **kwargs)


@needs_systemd
def test_systemd_has_nothing_against_the_user_units(tmp_path: Path) -> None:
    assert accepted(tmp_path, user_unit(tmp_path), units.SERVICE, "--user") == ""
    shared = user_unit(tmp_path, temporary=f"{tmp_path}/a 50% da\\ta")
    assert accepted(tmp_path, shared, units.SERVICE, "--user") == ""
    assert accepted(tmp_path, units.user_service("/bin/true", None), units.SERVICE, "--user") == ""
    assert accepted(tmp_path, units.socket_unit("%t/vragd/vragd.sock"), units.SOCKET, "--user") == ""


@needs_systemd
def test_systemd_has_nothing_against_the_system_unit(tmp_path: Path) -> None:
    text = units.system_service().replace("/usr/local/bin/vragd", str(program(tmp_path / "bin" / "vragd")))
    assert accepted(tmp_path, text, "vragd.service") == ""


@needs_systemd
def test_verify_would_notice_a_wrong_word_or_program_or_folder(tmp_path: Path) -> None:
    good = user_unit(tmp_path)
    for bad, said in (
        (good.replace("UMask=", "UMusk="), "Unknown key"),
        (good.replace("/bin/vragd", "/bin/other"), "No such file"),
        (good.replace("ReadWritePaths=-/", "ReadWritePaths=-"), "not absolute"),
    ):
        assert said in accepted(tmp_path, bad, units.SERVICE, "--user")


def exposure(tmp_path: Path, text: str) -> float:
    unit = tmp_path / "vragd.service"
    unit.write_text(text, "utf-8")
    done = analyze(tmp_path, "security", "--offline=true", "--no-pager", str(unit))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


@needs_systemd
def test_the_system_units_exposure_is_low(tmp_path: Path) -> None:
    assert exposure(tmp_path, units.system_service()) <= MAX_EXPOSURE
    assert exposure(tmp_path, "[Service]\nExecStart=/bin/true\n") > 9, "the measure tells a bare unit from ours"


@needs_systemd
def test_for_s3_the_network_lines_may_go_and_the_exposure_stays_low(tmp_path: Path) -> None:
    text = re.sub(r"^IPAddress.*\n", "", units.system_service(), flags=re.MULTILINE)
    text = re.sub(r"^#(LoadCredential|Environment)=", r"\1=", text, flags=re.MULTILINE)
    assert "\nLoadCredential=aws:" in text
    assert "\nEnvironment=AWS_SHARED_CREDENTIALS_FILE=%d/aws\n" in text
    assert exposure(tmp_path, text) <= MAX_EXPOSURE


def settings(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and line[0] not in "#[":
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("text", [units.user_service("/bin/true", "-/data"), units.system_service()])
def test_what_no_restart_mends_is_not_restarted_and_a_slow_goodbye_is_waited_for(text: str) -> None:
    unit = settings(text)
    final = {error.daemon_status for error in (UsageError, NewerFormat, DataDirError, ConfigError)}
    assert {int(status) for status in unit["RestartPreventExitStatus"][0].split()} == final
    assert int(unit["TimeoutStopSec"][0]) > STOP_DEADLINE_S
    assert unit["Type"] == ["notify"]
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert (unit["UMask"], unit["LimitCORE"], unit["NoNewPrivileges"]) == (["0077"], ["0"], ["true"])


def test_the_user_unit_makes_everything_read_only_but_the_data() -> None:
    unit = settings(units.user_service("/bin/true", units.path_list(["/home/a/data"])))
    assert unit["ReadWritePaths"] == ["-/home/a/data"]
    assert unit["ProtectSystem"] == ["strict"]
    assert unit["PrivateUsers"] == ["true"], "without it a user's unit has no namespaces"
    bare = settings(units.user_service("/bin/true", None))
    assert not {"ReadWritePaths", "ProtectSystem", "PrivateUsers", "PrivateTmp"} & bare.keys()


# -- paths --------------------------------------------------------------------------------------------------

AWKWARD = [
    "/with space/x",
    "/100%/n %h",
    "/cash $HOME/${HOME}/$$",
    "/quo'te/dou\"ble",
    "/back\\slash/end\\",
    "/semi;colon/ ; /x",
    "/#hash/=equals/-dash",
    "/ünïcode/日本語/🗒",
    "/all of % $ \" ' \\ ;/x",
]


def words(value: str) -> list[str]:
    """systemd.syntax(7) read backwards: quotes, then backslashes, then specifiers."""
    found, word, quote, i = [], None, "", 0
    while i < len(value):
        character = value[i]
        if character == "\\":
            i += 1
            word = (word or "") + value[i]
        elif quote:
            if character == quote:
                quote = ""
            else:
                word = (word or "") + character
        elif character in "\"'":
            quote, word = character, word or ""
        elif character == " ":
            if word is not None:
                found.append(word)
            word = None
        else:
            word = (word or "") + character
        i += 1
    assert not quote
    assert not re.search(r"(?<!%)(%%)*%(?!%)", "".join(found) + (word or "")), "a specifier would be expanded"
    return [word.replace("%%", "%") for word in [*found, *([word] if word is not None else [])]]


def variables(words: list[str]) -> list[str]:
    """systemd.service(5): what is left of a program's arguments when variables are replaced."""
    for word in words:
        assert not re.search(r"(?<!\$)(\$\$)*\$(?!\$)", word), "a variable would be replaced"
    return [word.replace("$$", "$") for word in words]


@pytest.mark.parametrize("path", AWKWARD)
def test_an_awkward_argument_arrives_as_it_is(path: str) -> None:
    line = units.command_line(["/usr/bin/vragd", "run", "--config", path])
    assert variables(words(line)) == ["/usr/bin/vragd", "run", "--config", path]


@pytest.mark.parametrize("path", AWKWARD)
def test_an_awkward_folder_arrives_as_it_is(path: str) -> None:
    assert words(units.path_list([path, "/plain"])) == [f"-{path}", "-/plain"]


def shell_gets(value: str) -> list[str]:
    """What a shell put before the program would start, by really running it."""
    argv = variables(words(value))
    assert argv[:2] == ["/bin/sh", "-c"]
    done = subprocess.run([*argv, "last"], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.split("\0")


@pytest.mark.parametrize("path", AWKWARD)
def test_an_awkward_program_is_the_one_that_runs(path: str, tmp_path: Path) -> None:
    there = program(Path(f"{tmp_path}{path}"))
    there.write_text('#!/bin/sh\nprintf "%s\\0" "$0" "$@"\n')
    line = units.command_line([str(there), "run", path])
    if line.startswith("/bin/sh "):
        assert shell_gets(line) == [str(there), "run", path, "last", ""]
    else:
        assert not set(words(line)[0]) & set("\"'\\$"), "systemd would refuse this path, or not find it"
        assert variables(words(line)) == [str(there), "run", path]


@needs_systemd
@pytest.mark.parametrize("path", AWKWARD)
def test_systemd_finds_an_awkward_program_and_takes_awkward_folders(path: str, tmp_path: Path) -> None:
    there = program(Path(f"{tmp_path}{path}"))
    text = units.user_service(units.command_line([str(there), "run", path]), units.path_list([path]))
    assert accepted(tmp_path, text, units.SERVICE, "--user") == ""
    socket = Path(path.rstrip("\\"))
    assert accepted(tmp_path, units.socket_unit(units.one_path(str(socket))), units.SOCKET, "--user") == ""


@pytest.mark.parametrize("path", ["/new\nline", "/tab\tbed", "/esc\x1b", "/not \udcff utf-8"])
def test_what_a_unit_cannot_hold_is_refused(path: str) -> None:
    for write in (
        lambda: units.path_list([path]),
        lambda: units.command_line(["/x", path]),
        lambda: units.one_path(path),
    ):
        with pytest.raises(UsageError):
            write()


def test_a_sockets_path_may_not_continue_on_the_next_line() -> None:
    with pytest.raises(UsageError, match="backslash"):
        units.one_path("/end\\")


# -- launchd ------------------------------------------------------------------------------------------------


@pytest.fixture
def agent() -> Iterator[dict[str, Any]]:
    argv = ["/Users/a b/<venv> & co/bin/vragd", "run", "--config", '/Users/a/"x".yaml']
    text = units.launch_agent(argv, "/Users/a b/Library/Logs/vragd/vragd.log")
    yield plistlib.loads(text.encode())


def test_the_launch_agent_runs_the_program_itself_by_its_whole_path(agent: dict[str, Any]) -> None:
    assert agent["ProgramArguments"] == ["/Users/a b/<venv> & co/bin/vragd", "run", "--config", '/Users/a/"x".yaml']
    assert agent["Label"] == units.LABEL
    assert agent["RunAtLoad"] is True


def test_the_launch_agent_restarts_after_a_crash_but_never_fast(agent: dict[str, Any]) -> None:
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["ThrottleInterval"] >= 30
    assert agent["ExitTimeOut"] > STOP_DEADLINE_S


def test_the_launch_agent_is_private_and_modest(agent: dict[str, Any]) -> None:
    assert agent["Umask"] == 63
    assert agent["SoftResourceLimits"]["Core"] == 0
    assert (agent["ProcessType"], agent["LowPriorityIO"]) == ("Background", True)
    assert agent["LimitLoadToSessionType"] == ["Aqua", "Background"]
    assert agent["EnvironmentVariables"] == {"VRAGD_LOG_FILE": "/Users/a b/Library/Logs/vragd/vragd.log"}
    assert (agent["StandardOutPath"], agent["StandardErrorPath"]) == ("/dev/null", "/dev/null")
    assert not {"Sockets", "UserName", "inetdCompatibility"} & agent.keys()


def test_the_shipped_launch_agent_is_one() -> None:
    shipped = plistlib.loads((ROOT / "launchd/vragd.plist").read_bytes())
    assert shipped["ProgramArguments"] == ["/Users/YOU/.local/bin/vragd", "run"]
