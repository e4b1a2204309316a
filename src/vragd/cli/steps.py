"""What a command does to the machine, as steps that can be printed instead of done."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vragd.cli.render import out, out_whole, say
from vragd.errors import VragdError
from vragd.system.files import private_dir, write_atomic

GONE_S = 30.0


@dataclass(frozen=True)
class Folder:
    """A private folder that is to be there. One that is there and need not be `ours` alone stays as it is."""

    path: Path
    ours: bool = True

    def show(self) -> None:
        out_whole(f"mkdir -p -m 700 {shlex.quote(str(self.path))}")

    def do(self) -> None:
        there = self.path.is_dir()
        if self.ours or not there:
            private_dir(self.path)
        if not there:
            out(f"made   {self.path}")


@dataclass(frozen=True)
class Write:
    path: Path
    text: str

    @property
    def needed(self) -> bool:
        """Whether the file differs."""
        try:
            return self.path.read_text("utf-8") != self.text
        except (OSError, UnicodeDecodeError):
            return True

    def show(self) -> None:
        out_whole(f"# {self.path}:\n{self.text}")

    def do(self) -> None:
        if not self.needed:
            out(f"as is  {self.path}")
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, [self.text.encode()])
        out(f"wrote  {self.path}")


@dataclass(frozen=True)
class Remove:
    path: Path

    def show(self) -> None:
        out_whole(f"rm {shlex.quote(str(self.path))}")

    def do(self) -> None:
        self.path.unlink(missing_ok=True)
        out(f"removed {self.path}")


@dataclass(frozen=True)
class Run:
    """A command. `tolerate`: its failure is no reason to stop."""

    argv: Sequence[str]
    tolerate: bool = False

    def show(self) -> None:
        out_whole(shlex.join(self.argv))

    def do(self) -> None:
        out_whole(f"run    {shlex.join(self.argv)}")
        done = ask(self.argv)
        for line in (done.stdout + done.stderr).splitlines():
            say(f"       {line}")
        if done.returncode and not self.tolerate:
            raise VragdError(
                f"{shlex.join(self.argv)} ended with {done.returncode}",
                hint="vragd service status and vragd service logs say more; vragd run shows it here",
            )


@dataclass(frozen=True)
class Gone:
    """Wait until `argv` fails: what it asks about is no more."""

    argv: Sequence[str]

    def show(self) -> None:
        """Nothing a reader of the steps would do."""

    def do(self) -> None:
        deadline = time.monotonic() + GONE_S
        while ask(self.argv).returncode == 0 and time.monotonic() < deadline:
            time.sleep(0.1)


Step = Folder | Write | Remove | Run | Gone


def perform(steps: Sequence[Step], *, only_print: bool) -> None:
    """Do the steps in their order, saying each; or print them, touching nothing."""
    for step in steps:
        if only_print:
            step.show()
        else:
            step.do()


def ask(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command and take what it says; status 127 when there is none of that name, as in a shell."""
    try:
        return subprocess.run(  # noqa: S603  the program is a service manager's, its arguments are ours
            argv, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(list(argv), 127, "", f"{argv[0]}: not found")
