"""Stand-ins for systemctl, systemd-run, journalctl and launchctl that obey and record what they are told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.forked import can_fork, run_forked
from tests.harness import COMMAND_S, Vragd
from vragd.cli.service import units

SYSTEMCTL = """\
case "$*" in
  *--property=Version*)
    if [ -e "$FAKE/unreachable" ]; then echo "Failed to connect to bus: No medium found" >&2; exit 1; fi
    echo Version=252; exit ;;
  *is-active*) if [ -e "$FAKE/active" ]; then echo active; exit; else echo inactive; exit 3; fi ;;
  *is-failed*) if [ -e "$FAKE/failed" ]; then echo failed; exit; else echo inactive; exit 1; fi ;;
  *show\\ vragd.service*)
    if [ -e "$FAKE/active" ]; then
      printf 'ActiveState=active\\nSubState=running\\nUnitFileState=enabled\\nMainPID=42\\nNRestarts=2\\n'
      printf 'Result=success\\nExecMainStatus=0\\nStatusText=Serving 1 store\\n'
    else
      printf 'ActiveState=failed\\nSubState=failed\\nUnitFileState=enabled\\nMainPID=0\\nNRestarts=0\\n'
      printf 'Result=exit-code\\nExecMainStatus=78\\nStatusText=\\n'
    fi; exit ;;
  *show\\ vragd.socket*) printf 'ActiveState=active\\nSubState=listening\\n'; exit ;;
esac
echo "systemctl $*" >> "$FAKE/calls"
case "$*" in
  *"enable --now vragd.service"*|*" start "*|*" restart "*)
    if [ -e "$FAKE/broken" ]; then echo "Job for vragd.service failed." >&2; exit 1; fi
    : > "$FAKE/active" ;;
  *"disable --now"*|*" stop "*) rm -f "$FAKE/active" ;;
esac
"""
SYSTEMD_RUN = """\
echo "systemd-run $*" >> "$FAKE/asked"
test ! -e "$FAKE/no-namespaces"
"""
LAUNCHCTL = """\
case "$*" in
  print\\ gui/*/*)
    [ -e "$FAKE/loaded" ] || exit 113
    if [ -e "$FAKE/active" ]; then printf '\\tstate = running\\n\\tpid = 42\\n'
    else printf '\\tstate = not running\\n\\tlast exit code = 78: EX_CONFIG\\n'; fi; exit ;;
  print\\ gui/*) test ! -e "$FAKE/unreachable"; exit ;;
esac
echo "launchctl $*" >> "$FAKE/calls"
case "$1" in
  bootstrap) : > "$FAKE/loaded"; : > "$FAKE/active" ;;
  bootout) rm -f "$FAKE/loaded" "$FAKE/active" ;;
  kickstart) : > "$FAKE/active" ;;
  kill) rm -f "$FAKE/active" ;;
esac
"""
PROGRAMS = {
    "systemctl": SYSTEMCTL,
    "systemd-run": SYSTEMD_RUN,
    "launchctl": LAUNCHCTL,
    "journalctl": 'echo "journalctl $*"',
}
ON_MACOS = """
import sys
from vragd.system import places
places.MACOS = True
from vragd.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


class Machine:
    """A home with a vault, and a service manager that obeys; flags are files that change its mind."""

    def __init__(self, home: Path, *, macos: bool = False) -> None:
        self.vragd = Vragd(home)
        self.home, self._macos = home, macos
        self._fake, self._bin = home / "fake", home / "fakebin"
        self._fake.mkdir()
        self._bin.mkdir()
        for name, script in PROGRAMS.items():
            program = self._bin / name
            program.write_text(f"#!/bin/sh\n{script}")
            program.chmod(0o755)
        (home / ".config" / "vragd").mkdir(parents=True)
        self.vragd.config_file.rename(home / ".config" / "vragd" / "config.yaml")

    def flag(self, name: str, *, up: bool = True) -> None:
        if up:
            (self._fake / name).touch()
        else:
            (self._fake / name).unlink()

    def __call__(self, *args: str, path: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """`vragd service ARGS`."""
        return self.run("service", *args, path=path, **env)

    def run(self, *args: str, path: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """`vragd ARGS`."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("VRAGD_", "XDG_"))}
        environment = {"HOME": str(self.home), "FAKE": str(self._fake), "PATH": path or f"{self._bin}:/usr/bin:/bin"}
        env = kept | environment | {"XDG_RUNTIME_DIR": str(self.home / "runtime")} | env
        if self.vragd.fork and not self._macos and can_fork(env):
            return run_forked(args, env, self.home, "", COMMAND_S)
        command = ["-c", ON_MACOS] if self._macos else ["-m", "vragd"]
        return subprocess.run(
            [sys.executable, *command, *args],
            env=env, cwd=self.home, capture_output=True, text=True, timeout=COMMAND_S, check=False,
        )  # fmt: skip

    def calls(self) -> list[str]:
        """What the manager was told to do since the last time."""
        file = self._fake / "calls"
        if not file.exists():
            return []
        lines = file.read_text().splitlines()
        file.unlink()
        return lines

    @property
    def unit(self) -> Path:
        return self.home / ".config" / "systemd" / "user" / "vragd.service"

    @property
    def socket_unit(self) -> Path:
        return self.unit.with_name("vragd.socket")

    @property
    def plist(self) -> Path:
        return self.home / "Library" / "LaunchAgents" / f"{units.LABEL}.plist"

    def line(self, key: str) -> str:
        """The value of a key of the unit."""
        (found,) = [line for line in self.unit.read_text().splitlines() if line.startswith(f"{key}=")]
        return found.partition("=")[2]
