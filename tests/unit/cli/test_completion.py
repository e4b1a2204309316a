"""What may come next on a command line, by the tree that parses it and by names of a daemon."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.fakes.named import Named, named
from vragd.cli import tree
from vragd.cli.commands import MODULES
from vragd.cli.completion.reply import NAMED, NAMED_IN, ON_DISK, ON_DISK_AS, Known, answer
from vragd.cli.completion.scripts import SHELLS, installed
from vragd.cli.completion.typed import Typed, for_bash, in_bash, in_fish
from vragd.cli.main import main, parser
from vragd.errors import NoDaemon

KNOWN = Known(MODULES, parser)
BREAKS = " \t\n\"'><=;|&(:"
ODD = ("two words", "dogs'", "a:b", 'say "so"', "it's", "$HOME", "line\nend", "-dash", "a\\b",
       "ünï", "wow!", "`ls`", "#x", "~me",
       "tab\there", "a=b", "x;y|z", "{a,b}", "*?")  # fmt: skip
NAMES = {
    "store": ("notes", "work"), "source": ("My Vault", "-odd", "work"), "tag": ("work", "work/deep", "Über"),
    "property": ("status",), "folder": ("My Vault/", "My Vault/Daily/"),
    "note": ("My Vault/", "Coffee", "Coffee Notes", *ODD),
}  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith(("VRAGD_", "XDG_", "BASH_COMPLETION")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VRAGD_SOCKET", str(tmp_path / "s"))
    return tmp_path


@pytest.fixture
def daemon(home: Path) -> Iterator[Named]:
    with named(home / "s", NAMES) as server:
        yield server


def said(shell: str, *words: str) -> tuple[str, list[str]]:
    how, *names, rest = answer(shell, words, KNOWN).decode().split("\0")
    assert rest == ""
    return how, names


def bash(line: str) -> tuple[str, list[str]]:
    return said("bash", line, BREAKS)


def test_commands_actions_flags_and_choices_are_those_of_the_tree() -> None:
    assert bash("vragd ") == ("plain", list(MODULES))
    assert bash("vragd pro") == ("plain", [name for name in MODULES if name.startswith("pro")])
    assert bash("vragd store ") == ("plain", ["list", "create", "delete", "info", "copy"])
    for one in tree.every(parser()):
        if one.prog != "vragd":
            flags = sorted(flag for flag in tree.flags(one) if flag.startswith("--"))
            assert sorted(bash(f"{one.prog} -")[1]) == flags, one.prog
    assert bash("vragd query --mode v") == ("plain", ["vector"])
    assert bash("vragd query --mode=") == ("plain", ["hybrid", "vector", "keyword"])
    assert said("zsh", "query", "--mode=v") == ("plain", ["--mode=vector"])
    assert bash("vragd mcp ") == ("plain", ["install"])
    assert bash("vragd completion ") == ("plain", ["bash", "zsh", "fish"])
    assert bash("vragd --v") == ("plain", ["--version"])


@pytest.mark.parametrize(
    "line", ["vragd qeury ", "vragd store lsit ", "vragd status ", "vragd query --nope=", "vragd query -k=",
             "vragd logs x",
             "vragd query --top-k ", "vragd get $x", 'vragd get "$x', "vragd get $'op", "vragd config show y"],
)  # fmt: skip
def test_of_what_cannot_be_known_nothing_is_said(line: str, daemon: Named) -> None:
    assert bash(line) == ("plain", [])
    assert daemon.asked == []


def test_what_is_on_the_disk_is_left_to_the_shell() -> None:
    assert bash("vragd init ~/Va") == ("dirs", [])
    assert bash("vragd add ") == ("files", [])
    assert bash("vragd query --config=~/c") == ("files", [])
    assert bash("vragd get x > ")[0] == bash("vragd get x >fi")[0] == "files"
    assert bash("vragd store create x --source ") == ("dirs", [])


def test_names_come_from_the_daemon(daemon: Named) -> None:
    assert bash("vragd query -s ") == ("plain", ["notes", "work"])
    assert bash("vragd store info n") == ("plain", ["notes"])
    assert bash("vragd query --tag work") == ("plain", ["work", "work/deep"])
    assert said("zsh", "query", "--tag", "#wo") == ("plain", ["#work", "#work/deep"])
    assert bash("vragd query --tag \\#wo") == ("plain", ["\\#work", "\\#work/deep"])
    assert bash("vragd properties ") == ("plain", ["status"])
    assert bash("vragd query --folder My") == ("nospace", ["My\\ Vault/", "My\\ Vault/Daily/"])
    assert bash("vragd query >out --folder My\\ Vault/D") == ("nospace", ["My\\ Vault/Daily/"])
    assert bash("vragd remove w") == ("plain", ["work"])
    assert daemon.asked[-1] == {"kind": "source", "prefix": "w", "limit": 200}


def test_a_name_in_another_case_is_spelt_as_it_is(daemon: Named) -> None:
    assert bash("vragd get cof") == ("plain", ["Coffee", "Coffee\\ Notes"])
    assert bash("vragd get --source=MY") == ("plain", ["My\\ Vault"])


def test_what_begins_with_a_dash_is_offered_where_it_is_no_flag(daemon: Named) -> None:
    assert bash("vragd get --source ")[1] == ["My\\ Vault", "work"]
    assert bash("vragd get --source=-")[1] == ["-odd"]
    assert "-dash" not in bash("vragd get ")[1]
    assert bash("vragd get -- -") == ("plain", ["-dash"])


@pytest.mark.parametrize("open_quote", ["", '"', "'"])
@pytest.mark.parametrize("name", ODD)
def test_a_name_is_one_word_for_bash_however_much_of_it_was_typed(name: str, open_quote: str) -> None:
    begun = name[: len(name) // 2]
    line = open_quote + for_bash(begun, Typed([], "", quote=open_quote)) if open_quote else shlex.quote(begun)
    typed = in_bash(f"vragd get {line}", BREAKS)
    assert (typed.words, typed.current, typed.unknown) == (["get"], begun, False)
    assert in_bash(f"vragd get {whole(name, open_quote)} ", BREAKS).words == ["get", name]


def whole(name: str, open_quote: str) -> str:
    """The word that stands on the line in the end."""
    said = open_quote + for_bash(name, Typed([], "", quote=open_quote))
    return said if said.endswith(open_quote) else said + open_quote  # as bash does


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_reads_such_words_as_those_names() -> None:
    words = [whole(name, quote) for name in ODD for quote in ("", '"', "'")]
    done = subprocess.run(
        ["bash", "-c", "printf '%s\\0' " + " ".join(words)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\0")[:-1] == [name for name in ODD for _ in range(3)]


def test_bash_replaces_only_what_is_behind_its_breaks(daemon: Named) -> None:
    assert in_bash("vragd get a:b", BREAKS).kept == "a:"
    assert in_bash("vragd get a:b", " ").kept == ""
    assert in_bash("vragd get 'a:b'c", BREAKS).kept == ""
    assert bash("vragd get a:") == ("plain", ["b"])
    assert bash('vragd get "a:') == ("plain", ["a:b"])
    assert bash("vragd get a=") == ("plain", ["b"])


def test_lines_are_read_as_bash_reads_them() -> None:
    line = "vragd query a\\ b 'c d' \"e \\\" f\" $'g\\n\\x41' h"
    assert in_bash(line, BREAKS).words == ["query", "a b", "c d", 'e " f', "g\nA"]
    assert in_bash("vragd get '' ", BREAKS).words == ["get", ""]


@pytest.mark.parametrize(
    ("token", "says"), [("a\\ b", "a b"), ("'it\\'s", "it's"), ('"a\\$b', "a$b"), ("a\\nb", "a\nb"), ("'a\"b", 'a"b'),
                        ("'a\\n", "a\\n"), ("end\\", "end\\")]
)  # fmt: skip
def test_tokens_are_read_as_fish_reads_them(token: str, says: str, daemon: Named) -> None:
    assert in_fish(token) == says
    answer("fish", ["get", token], KNOWN)
    assert daemon.asked[-1]["prefix"] == says


def test_nothing_is_said_where_no_daemon_is_or_the_configuration_is_broken(
    home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["_complete", "bash", "vragd get ", BREAKS]) == 0
    assert main(["_complete", "bash", "vragd get --socket=/nope x", BREAKS]) == 0
    assert main(["_complete"]) == 0
    monkeypatch.setenv("VRAGD_SOCKET", "~nobody-of-this-name/s")
    assert main(["_complete", "bash", "vragd get ", BREAKS]) == 0
    assert capfd.readouterr() == ("", "")
    with pytest.raises(NoDaemon):
        answer("bash", ["vragd get --socket /nope x", BREAKS], KNOWN)


def test_the_socket_that_was_typed_is_asked(home: Path) -> None:
    with named(home / "other", {"note": ["Here"]}):
        assert bash(f"vragd get --socket {home / 'other'} H") == ("plain", ["Here"])
        assert bash(f"vragd get --socket={home / 'other'} H") == ("plain", ["Here"])


def test_no_daemon_is_started_by_systemd_for_it(home: Path, daemon: Named) -> None:
    unit = home / ".config/systemd/user/vragd.socket"
    unit.parent.mkdir(parents=True)
    unit.touch()
    lock = home / ".local/share/vragd/lock"
    lock.parent.mkdir(parents=True)
    for record, asks in ((None, False), ("x\n", False), (f"{2**22 + 1}\n", False), (f"{os.getpid()}\n", True)):
        if record is not None:
            lock.write_text(record)
        daemon.asked.clear()
        bash("vragd get C")
        assert bool(daemon.asked) is asks, record


@pytest.mark.slow
def test_a_key_is_answered_without_anything_heavy(home: Path, daemon: Named) -> None:
    heavy = ("numpy", "pydantic", "structlog", "yaml", "apsw", "subprocess", "asyncio", "vragd.config.settings")
    code = f"""import sys; from vragd.cli.main import main; main(sys.argv[1:])
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"""
    words = ["_complete", "bash", "vragd get Coffee\\ ", BREAKS]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("plain\0Coffee\\ Notes\0", "[]\n")


def test_every_argument_has_values_that_are_known_or_is_known_to_have_none() -> None:
    free = {
        "text", "lines", "top_k", "offset", "metrics", "port",
        "also", "min_score", "on", "after", "before", "where", "open", "edit", "model",
        "backend", "bucket", "region", "profile", "endpoint_url", "log_level", "question", "client", "name",
        "collection", "to", "origin", "revision", "weights",
    }  # fmt: skip
    seen = set[str]()
    for one in tree.every(parser()):
        for action in [*tree.positionals(one), *tree.flags(one).values()]:
            if action.nargs != 0 and action.choices is None:
                known = {*NAMED, *(dest for _, dest in NAMED_IN), *ON_DISK_AS}
                assert action.dest in known | free or action.metavar in ON_DISK, (one.prog, action.dest)
                seen.add(action.dest)
    assert free <= seen


# -- the scripts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_printed_and_put_where_its_shell_looks(
    shell: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == SHELLS[shell].script
    for said in ("wrote", "as is"):
        assert main(["completion", shell, "--install"]) == 0
        assert said in capsys.readouterr().out
    (file,) = installed()
    assert file.read_text() == SHELLS[shell].script
    assert file.is_relative_to(home)
    file.write_text("another's")
    assert (main(["completion", shell, "--install"]), file.read_text()) == (2, "another's")
    assert "was not written by vragd" in capsys.readouterr().err
    file.unlink()
    (home / "mine").write_text(SHELLS[shell].script)
    file.symlink_to(home / "mine")
    assert (main(["completion", shell, "--install"]), file.is_symlink(), installed()) == (2, True, [])


def test_a_place_in_a_vault_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "Vault/.obsidian").mkdir(parents=True)
    monkeypatch.setenv("BASH_COMPLETION_USER_DIR", f"{home / 'Vault'}:/else")
    assert main(["completion", "bash", "--install"]) == 2
    assert "is inside the vault" in capsys.readouterr().err
    assert list((home / "Vault").iterdir()) == [home / "Vault/.obsidian"]


def on_path(home: Path) -> dict[str, str]:
    """An environment in which `vragd` is this one."""
    program = home / "bin" / "vragd"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m vragd "$@"\n')
    program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "TERM": "dumb",
        "PS1": "",
        "LC_ALL": "C.UTF-8",
    }


def typed_in(shell: Sequence[str], lines: Sequence[str], env: dict[str, str], cwd: Path) -> str:
    """What a shell on a terminal of its own prints, where these lines are typed, each when the one before was read."""
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        shell,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=env,
        cwd=cwd,
        preexec_fn=take_terminal,  # noqa: PLW1509
    ) as process:
        os.close(theirs)
        shown, waiting = b"", [line.encode() for line in lines]
        n_seen = 0
        while True:
            if waiting and shown.count(b"<ready>") >= n_seen:
                os.write(ours, waiting.pop(0) + b"\n")
                n_seen += 1
            if not select.select([ours], [], [], SILENT_S)[0]:
                process.kill()
            try:
                read = os.read(ours, 65_536)
            except OSError:  # nobody has the other end any more
                break
            shown += read
    os.close(ours)
    return shown.decode("utf-8", "replace")


SILENT_S = 30
SAYS = "vragd() { printf '<%s>' \"$@\"; echo; printf '<%s>\\n' ready; }"
STARTS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], f"set +H; . ./script; {SAYS}"),
    "zsh": (["zsh", "-f", "-i"], f"setopt no_bang_hist; autoload -Uz compinit; compinit -u -D; . ./script; {SAYS}"),
    "fish": (["fish", "--no-config", "-i"],
             "source ./script; function vragd; printf '<%s>' $argv; echo; printf '<%s>\\n' ready; end"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("quote", ["", '"', "'"])
@pytest.mark.parametrize("shell", STARTS)
def test_a_shell_completes_odd_names_as_one_word(shell: str, quote: str, home: Path, daemon: Named) -> None:
    command, start = STARTS[shell]
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {shell} here")
    (home / "script").write_text(SHELLS[shell].script)
    begun = {
        "two words": "tw", "dogs'": "do", 'say "so"': "sa", "it's": "it", "ünï": "ün", "a:b": "a:", "a=b": "a=",
        "{a,b}": "{a", "~me": "~m", "#x": "#x", "x;y|z": "x;",
    }  # fmt: skip
    if not quote:
        begun |= {"line\nend": "li", "wow!": "wo", "$HOME": "$H", "`ls`": "`l"}
    lines = [f"{start}; vragd"]
    for name in begun.values():
        word = quote + name if quote else for_bash(name, Typed([], ""))
        lines.append(f"vragd get {word}\t")
    shown = typed_in(command, [*lines, "exit"], on_path(home), home).replace("\r\n", "\n")
    for name in begun:
        assert f"<get><{name}>" in shown, (name, shown)
