"""The first day, typed into a terminal of 80 columns: what is shown is what `tests/data/first_day.txt` has."""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.documented import DOCUMENTS, typed
from tests.harness import tree, until
from tests.terminal import on_terminal
from vragd.client import Client
from vragd.errors import VragdError

CAPTURES = Path(__file__).parents[1] / "data/first_day.txt"
TYPED = """\
vragd query coffee
vragd init Garden Work
vragd config check
vragd run --detach
vragd status
vragd list
vragd query why does my coffee taste bitter
vragd query --open 1 why does my coffee taste bitter
vragd query --edit 1 why does my coffee taste bitter
vragd query 'bitter tag:coffee -decaf'
vragd query bitter --tag recipe --after 2026-03
vragd query bitter --folder Garden/Coffe
vragd query asdfghjkl
vragd query envelpes
vragd query -l bitter
vragd qeury bitter
vragd similar 'French press'
vragd links 'French press'
vragd tags
vragd tasks
vragd recent -n 3
vragd outline 'French press'
vragd files --why 'Garden/Coffee/French press.md'
vragd files --state skipped
vragd sync --wait
vragd verify
vragd store list
vragd store info notes
vragd completion bash --install
vragd doctor
vragd reload
vragd stop
vragd query bitter
vragd purge --dry-run
vragd purge --yes --config-too
vragd status"""
ASKS = ("query", "tasks", "recent")
NOTES = {
    "Garden/.obsidian/app.json": "{}",
    "Garden/Coffee/French press.md": """\
---
tags: [coffee, recipe]
created: 2026-03-02
---
# French press

Four minutes, coarse grind. See [[Pour-over]].

## When it goes wrong

Bitter: usually the dark roast from the market, which wants water nearer 88 °C. Thin: the beans are old. Nothing
helps against decaf.
""",
    "Garden/Coffee/Pour-over.md": """\
---
tags: coffee
created: 2026-02-11
---
# Pour-over

Ratio 60 g per litre, so 15 g of coffee to 250 g of water. Rinse the paper first, otherwise the first sip tastes of
envelopes and bitter ink.
""",
    "Garden/Heron.md": "# Heron\n\nThe heron came back to the old mill pond this morning, and stood there long.\n",
    "Garden/Drafts/Not yet.md": "---\nvragd: false\n---\nNobody is to find this.\n",
    "Work/.obsidian/app.json": "{}",
    "Work/Meeting.md": "# Meeting\n\nWe move the launch to May.\n\n- [ ] tell the printers\n- [x] book the hall\n",
    "Work/Launch.md": "---\ntags: work\n---\n# Launch\n\nPosters, tickets, a band. The budget is in [[Meeting]].\n",
}
HOME = "/home/anna_lou"
"""What stands for the home that was made: as long as that, or lines would be broken elsewhere."""
VARIES = (
    (r"[^\n]*\r\x1b\[K|\x1b\[[0-9;]*[mK]|\x1b\]8;;[^\x1b]*\x1b\\", ""),
    (r"\bpid \d+", "pid 1"),
    (r"\b(?:0|1)\.\d\d\d\b", "0.500"),
    (r"(:\d+-\d+|^ +\d+-\d+ +)(  )?[0-9a-z]{8}(?=$|  )", r"\1\g<2>abcd1234"),
    (r"\b[\d,]+ (s|min|h|d)(?= ago|,)", r"1 \1"),
    (r"\b[\d,.]+ (?:bytes|[KMG]iB)", "1 MiB"),
    (r"\b[\d,.]+ ms", "1 ms"),
    (r"newest changed 1 \w+", "newest changed 1 d"),
    (r"(vragd|Python|SQLite) \d+\.\d+\.\d+", r"\1 1.2.3"),
    (r"at \S*/bin/python\S*", "at /usr/bin/python3"),
    (r"near \S+ far \S+", "near 0.6, far 0.1,"),
    (r"of the [\d,]+ that may be", "of the 1,000 that may be"),
    (r"is on \w+$", "is on ext4"),
    (r"packages: \d+", "packages: 14"),
    (r", \d+ things? to know", ""),  # of the service
    (r"(goes as it came:)[^$]*", r"\1 as this one was installed\n"),
)
OF_THIS_MACHINE = re.compile(r"^(?:ok|note|bad) +service: .*\n(?:      .*\n)*", re.MULTILINE)
"""What doctor says of a service manager: whether there is one is not ours to say."""


class Day:
    """A home with two vaults and nothing else, where what opens and what edits only write down what they are told."""

    def __init__(self, home: Path) -> None:
        self.home, self.told = home, home / "told"
        for name, text in NOTES.items():
            file = home / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            os.utime(file, (1_772_600_000, 1_772_600_000))
        (home / "bin").mkdir()
        # on the PATH, as an installation puts it there: ways out name it so
        (home / "bin/vragd").symlink_to(Path(sys.executable).with_name("vragd"))
        for name in ("xdg-open", "open", "vim"):
            program = home / "bin" / name
            program.write_text(f'#!/bin/sh\nprintf "%s\\n" "${{0##*/}}" "$@" >> "{self.told}"\n')
            program.chmod(0o755)
        self.env = {name: value for name, value in os.environ.items() if name.startswith(("COVERAGE_", "LANG"))} | {
            "HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin", "XDG_RUNTIME_DIR": str(home / ".run"), "TZ": "UTC",
            "EDITOR": "vim", "SHELL": "/bin/bash", "PYTHONUTF8": "1",
        }  # fmt: skip
        self.client = Client(home / ".run/vragd/vragd.sock")

    def type(self, line: str) -> str:
        """What the line shows, and its exit status where that is not 0."""
        shown, status = on_terminal(*shlex.split(line)[1:], env=self.env, cwd=self.home)
        return f"$ {line}\n{shown}" + (f"[{status}]\n" if status else "")

    def run(self, commands: list[list[str]]) -> list[int]:
        """The exit status of each of these commands, in one process: what they answer is nobody's."""
        code = (
            "import json, sys; from vragd.cli.main import main; from contextlib import redirect_stdout as to\n"
            "with to(sys.stderr): found = [main(words) for words in json.loads(sys.argv[1])]\n"
            "print(json.dumps(found))"
        )
        command = [sys.executable, "-c", code, json.dumps(commands)]
        done = subprocess.run(command, env=self.env, cwd=self.home, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        found: list[int] = json.loads(done.stdout)
        return found

    def settled(self) -> bool:
        status = self.client.request("GET", "/v1/status")
        return not status["pending"] and not status["degraded"]


def documented() -> list[list[str]]:
    """The commands of the documents that only ask, and of stores that are there."""
    found = [words for document in DOCUMENTS for words in typed(document) if words and words[0] in ASKS]
    return [words for words in found if not {"--bucket", "old-notes"} & set(words)]


def plain(shown: str, home: Path) -> str:
    """What was shown, without what differs from day to day and from one machine to the next."""
    shown = shown.replace(str(home), HOME)
    for pattern, instead in VARIES:
        shown = re.sub(pattern, instead, shown, flags=re.MULTILINE)
    return OF_THIS_MACHINE.sub("", shown)


def too_wide(shown: str) -> list[str]:
    """The lines that a terminal of 80 columns breaks by itself."""
    return [line for line in re.sub(VARIES[0][0], "", shown).split("\n") if len(line) > 80]


@pytest.fixture
def day() -> Iterator[Day]:
    with tempfile.TemporaryDirectory(prefix="v", dir="/tmp") as folder:
        made = Day(Path(folder).resolve())
        yield made
        with suppress(VragdError):
            os.kill(made.client.request("GET", "/v1/status")["pid"], signal.SIGKILL)


def live(day: Day) -> str:
    """All that the day shows."""
    shown = []
    for line in TYPED.split("\n"):
        said = day.type(line)
        assert too_wide(said.partition("\n")[2]) == []
        shown.append(plain(said, day.home))
        if "--detach" in line:
            until(day.settled, "the vaults to be searchable")
            asked = documented()
            assert len(asked) > 10
            assert [words for words, status in zip(asked, day.run(asked), strict=True) if status not in (0, 1)] == []
    return "\n".join(shown)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the captures are of Linux")
def test_the_first_day_is_shown_as_it_was_looked_at(day: Day) -> None:
    before = tree(day.home / "Garden") | tree(day.home / "Work")
    shown, known = live(day), CAPTURES.read_text()
    # by words: where a line is broken hangs on a pid
    if shown.split() != known.split():
        new = difflib.unified_diff(known.split("\n"), shown.split("\n"), "looked at", "now", lineterm="")
        raise AssertionError("\n".join([*new, f"if that is meant: python -m tests.daemon.test_first_day > {CAPTURES}"]))
    press = f"{day.home}/Garden/Coffee/French press"
    opened, link, editor, *told = day.told.read_text().splitlines()
    assert (opened in ("xdg-open", "open"), link) == (
        True,
        f"obsidian://open?path={quote(press, safe='')}%23When%20it%20goes%20wrong",
    )
    assert (editor, told) == ("vim", ["+11", f"{press}.md"])
    assert tree(day.home / "Garden") | tree(day.home / "Work") == before, "the vaults are only read"
    files = {str(path.relative_to(day.home)) for path in day.home.rglob("*") if not path.is_dir()}
    assert {name for name in files if name.split("/")[0] not in ("Garden", "Work", "bin", "told")} == set()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="v", dir="/tmp") as where:
        sys.stdout.write(live(Day(Path(where).resolve())))
