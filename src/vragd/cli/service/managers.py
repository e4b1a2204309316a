"""
systemd and launchd, as far as `vragd service` needs them: what to do, as steps, and how things stand.

Both answer the same questions; `manager` chooses.
"""

from __future__ import annotations

import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vragd.cli.render import out, say
from vragd.cli.service import units
from vragd.cli.steps import Folder, Gone, Remove, Run, Step, Write, ask
from vragd.errors import NoManager, UsageError
from vragd.system import places

MEANING = {
    64: "wrong usage",
    65: "data of a newer vragd, or damaged",
    73: "the data directory",
    75: "another vragd runs",
    78: "the configuration: vragd config check",
}
SHARED_TMP = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108  named to be told apart, not used


@dataclass(frozen=True)
class Plan:
    """What is to be installed. All paths are absolute."""

    argv: tuple[str, ...]
    data_dir: Path
    socket: Path
    log_file: Path | None
    needed: tuple[Path, ...]  # what else it reads: configuration, vaults
    caches: tuple[Path, ...] = ()  # of other programs, which it writes if they are there


class Manager(ABC):
    """A service manager of this user."""

    name: str

    @abstractmethod
    def check(self) -> None:
        """Raises NoManager when it does not run, or cannot be reached."""

    @property
    @abstractmethod
    def installed(self) -> bool: ...

    @property
    @abstractmethod
    def unit_file(self) -> Path:
        """What says which program is started."""

    @property
    @abstractmethod
    def main_pid(self) -> int | None:
        """The pid of the daemon that the manager runs; None where it runs none."""

    @property
    @abstractmethod
    def active(self) -> bool:
        """Whether the manager runs the daemon now."""

    @property
    def waits_for_a_client(self) -> bool:
        """Whether a connection would start the daemon, which a mere look must not do."""
        return False

    @abstractmethod
    def install(self, plan: Plan, *, on_demand: bool, only_print: bool) -> list[Step]:
        """The steps; looks at the machine unless it is `only_print`."""

    @abstractmethod
    def uninstall(self) -> list[Step]: ...

    @abstractmethod
    def start(self) -> list[Step]: ...

    @abstractmethod
    def stop(self) -> list[Step]: ...

    @abstractmethod
    def restart(self) -> list[Step]: ...

    @abstractmethod
    def show(self) -> None:
        """Print its view."""

    @abstractmethod
    def show_command(self) -> list[str]:
        """The manager's own command for the same."""

    @abstractmethod
    def logs(self, lines: int, *, follow: bool, file: Path | None, form: str) -> list[str]:
        """
        The command that shows the log. `file`: where the configuration has it, if it has. `form`: that of a journal's
        lines, where it is one: `cat` for those that we wrote and no more, `json` for an object that holds each.
        """

    def after_install(self) -> None:
        """Remarks about what was installed."""
        return


class Systemd(Manager):
    name = "systemd"

    def __init__(self) -> None:
        config = places.xdg("XDG_CONFIG_HOME", "~/.config")
        self._service = config / "systemd" / "user" / units.SERVICE
        self._socket = self._service.with_name(units.SOCKET)

    def check(self) -> None:
        if shutil.which("systemctl") is None:
            raise NoManager("there is no systemd here", hint="vragd run, from whatever starts programs here")
        if (done := ask(_systemctl("show", "--property=Version"))).returncode:
            said = (done.stderr.strip().splitlines() or ["no answer"])[0]
            raise NoManager(
                f"your own systemd cannot be reached ({said})",
                hint="vragd run; or log in with a session of your own: su and containers have none",
            )

    @property
    def installed(self) -> bool:
        return self._service.exists()

    @property
    def unit_file(self) -> Path:
        return self._service

    @property
    def main_pid(self) -> int | None:
        pid = _properties(units.SERVICE, ("MainPID",)).get("MainPID", "")
        return int(pid) if pid.isdecimal() and int(pid) else None

    @property
    def active(self) -> bool:
        return ask(_systemctl("is-active", units.SERVICE)).stdout.strip() in ("active", "reloading")

    @property
    def waits_for_a_client(self) -> bool:
        return self._socket.exists() and not self.active

    def install(self, plan: Plan, *, on_demand: bool, only_print: bool) -> list[Step]:
        sandbox = only_print or _has_namespaces()
        write = Write(self._service, _unit(plan, sandbox=sandbox))
        steps: list[Step] = [Folder(path) for path in (plan.data_dir, *_own_socket_folder(plan))]
        if plan.log_file is not None:
            steps.append(Folder(plan.log_file.parent, ours=False))
        had_socket = self._socket.exists()
        running = not only_print and self.active
        if had_socket and not on_demand:
            steps += [Run(_systemctl("disable", "--now", units.SOCKET), tolerate=True), Remove(self._socket)]
        steps.append(write)
        if on_demand:
            in_runtime = plan.socket.parent == _runtime_folder()
            path = "%t/vragd/" + units.one_path(plan.socket.name) if in_runtime else units.one_path(str(plan.socket))
            steps.append(Write(self._socket, units.socket_unit(path)))
        steps.append(Run(_systemctl("daemon-reload")))
        if on_demand:
            if self.installed and not had_socket and not only_print:
                steps.append(Run(_systemctl("disable", "--now", units.SERVICE)))  # it has bound the path itself
            elif running and write.needed:
                steps.append(Run(_systemctl("restart", units.SERVICE)))
            return [*steps, Run(_systemctl("enable", "--now", units.SOCKET))]
        if running and (write.needed or had_socket):
            return [*steps, Run(_systemctl("enable", units.SERVICE)), Run(_systemctl("restart", units.SERVICE))]
        return [*steps, *self._forgiven(only_print=only_print), Run(_systemctl("enable", "--now", units.SERVICE))]

    def _forgiven(self, *, only_print: bool = False) -> list[Step]:
        """After too many failures systemd refuses to start it for a while; whoever asks again has mended something."""
        if only_print or ask(_systemctl("is-failed", units.SERVICE)).stdout.strip() != "failed":
            return []
        return [Run(_systemctl("reset-failed", units.SERVICE), tolerate=True)]

    def after_install(self) -> None:
        user = os.environ.get("USER", "")
        if not Path("/var/lib/systemd/linger", user or "-").exists():
            say("It stops when you log out, and starts when you log in. To keep it running: loginctl enable-linger")

    def uninstall(self) -> list[Step]:
        files = [path for path in (self._socket, self._service) if path.exists()]
        disable = Run(_systemctl("disable", "--now", *(path.name for path in files)), tolerate=True)
        return [disable, *map(Remove, files), Run(_systemctl("daemon-reload"))]

    def _units(self) -> list[str]:
        if not self.installed:
            raise UsageError("the service is not installed", hint="vragd service install")
        return [path.name for path in (self._socket, self._service) if path.exists()]

    def start(self) -> list[Step]:
        return [*self._forgiven(), Run(_systemctl("start", *self._units()))]

    def stop(self) -> list[Step]:
        return [Run(_systemctl("stop", *self._units()))]

    def restart(self) -> list[Step]:
        self._units()
        return [*self._forgiven(), Run(_systemctl("restart", units.SERVICE))]

    def show(self) -> None:
        wanted = ("ActiveState", "SubState", "UnitFileState", "MainPID", "NRestarts", "Result", "ExecMainStatus")
        found = _properties(units.SERVICE, (*wanted, "StatusText"))
        pid = found.get("MainPID", "0")
        state = f"{found.get('ActiveState', 'unknown')} ({found.get('SubState', 'unknown')})"
        out(f"systemd: {state}, {found.get('UnitFileState') or 'not enabled'}" + (f", pid {pid}" if pid != "0" else ""))
        if found.get("StatusText"):
            out(f"  {found['StatusText']}")
        if found.get("NRestarts", "0") != "0":
            out(f"  restarted {found['NRestarts']} times since it was started")
        if found.get("Result", "success") != "success":
            out(f"  it ended: {found['Result']}, {_ended(found.get('ExecMainStatus', ''))}")
        if self._socket.exists():
            socket = _properties(units.SOCKET, ("ActiveState", "SubState"))
            out(f"  {units.SOCKET}: {socket.get('ActiveState', 'unknown')} ({socket.get('SubState', 'unknown')})")

    def show_command(self) -> list[str]:
        return _systemctl("status", units.SERVICE)

    def logs(self, lines: int, *, follow: bool, file: Path | None, form: str) -> list[str]:
        if file is not None:
            return tail(file, lines, follow=follow)
        followed = ["--follow"] if follow else []
        unit = ["journalctl", "--user", "--unit", units.SERVICE]
        return [*unit, "--lines", str(lines), "--no-pager", "--output", form, *followed]


class Launchd(Manager):
    # Never run: no macOS machine was at hand. Written from launchctl(1) and launchd.plist(5).
    name = "launchd"

    def __init__(self) -> None:
        self._plist = places.expanded(f"~/Library/LaunchAgents/{units.LABEL}.plist")
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{units.LABEL}"

    def check(self) -> None:
        if shutil.which("launchctl") is None or ask(["launchctl", "print", self._domain]).returncode:
            raise NoManager("launchd has no session of yours", hint="log in at the screen; or vragd run")

    @property
    def installed(self) -> bool:
        return self._plist.exists()

    @property
    def unit_file(self) -> Path:
        return self._plist

    @property
    def main_pid(self) -> int | None:
        found = re.search(r"^\s*pid = (\d+)", ask(["launchctl", "print", self._target]).stdout, re.MULTILINE)
        return int(found[1]) if found else None

    @property
    def _loaded(self) -> bool:
        return ask(["launchctl", "print", self._target]).returncode == 0

    @property
    def active(self) -> bool:
        return self.main_pid is not None

    def install(self, plan: Plan, *, on_demand: bool, only_print: bool) -> list[Step]:
        if on_demand:
            raise UsageError("--on-demand is for systemd", hint="vragd service install")
        log_file = plan.log_file or default_log_file()
        write = Write(self._plist, units.launch_agent(plan.argv, str(log_file)))
        steps: list[Step] = [Folder(plan.data_dir), Folder(log_file.parent, ours=False), write]
        loaded = not only_print and self._loaded
        if loaded and not write.needed:
            return [*steps, *([] if self.active else self.start())]
        return [*steps, *(self._unload() if loaded else []), *self._load()]

    def _load(self) -> list[Step]:
        return [
            Run(["launchctl", "enable", self._target]),
            Run(["launchctl", "bootstrap", self._domain, str(self._plist)]),
        ]

    def _unload(self) -> list[Step]:
        # what still ends cannot be loaded again ("Input/output error")
        return [Run(["launchctl", "bootout", self._target], tolerate=True), Gone(["launchctl", "print", self._target])]

    def uninstall(self) -> list[Step]:
        return [*self._unload(), Remove(self._plist)]

    def _need_installed(self) -> None:
        if not self.installed:
            raise UsageError("the service is not installed", hint="vragd service install")

    def start(self) -> list[Step]:
        self._need_installed()
        return [Run(["launchctl", "kickstart", self._target])] if self._loaded else self._load()

    def stop(self) -> list[Step]:
        self._need_installed()
        # it ends with 0, and KeepAlive leaves that alone
        return [Run(["launchctl", "kill", "SIGTERM", self._target], tolerate=True)]

    def restart(self) -> list[Step]:
        self._need_installed()
        return [Run(["launchctl", "kickstart", "-k", self._target])] if self._loaded else self._load()

    def show(self) -> None:
        said = ask(["launchctl", "print", self._target]).stdout
        found = dict(re.findall(r"^\s*(state|pid|last exit code) = (.+)$", said, re.MULTILINE))
        out(f"launchd: {found.get('state', 'not loaded')}" + (f", pid {found['pid']}" if "pid" in found else ""))
        code = found.get("last exit code", "").partition(":")[0]
        if code.isdigit() and code != "0":
            out(f"  it ended: {_ended(code)}")

    def show_command(self) -> list[str]:
        return ["launchctl", "print", self._target]

    def logs(self, lines: int, *, follow: bool, file: Path | None, form: str) -> list[str]:
        return tail(file or default_log_file(), lines, follow=follow)


def manager() -> Manager:
    """That of this platform."""
    return Launchd() if places.MACOS else Systemd()


def default_log_file() -> Path:
    """Where the launch agent logs unless the configuration says otherwise."""
    return places.expanded("~/Library/Logs/vragd/vragd.log")


def _systemctl(*words: str) -> list[str]:
    return ["systemctl", "--user", *words]


def _properties(unit: str, names: Sequence[str]) -> dict[str, str]:
    said = ask(_systemctl("show", unit, f"--property={','.join(names)}")).stdout
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


def _has_namespaces() -> bool:
    """
    Whether a user's service may have namespaces here: some systems forbid them, and the unit would not start.

    Asked of systemd itself, with a transient unit that does nothing.
    """
    if shutil.which("systemd-run") is None:
        return True
    wanted = [f"--property={name}" for name in ("PrivateUsers=true", "PrivateTmp=true", "ProtectSystem=strict")]
    if ask(["systemd-run", "--user", "--quiet", "--wait", "--collect", *wanted, "true"]).returncode == 0:
        return True
    say("This system gives a user's service no namespaces: the unit goes without those lines, and it is vragd's")
    say("own care alone that keeps your notes as they are.")
    return False


def _unit(plan: Plan, *, sandbox: bool) -> str:
    exec_start = units.command_line(plan.argv)
    if not sandbox:
        return units.user_service(exec_start, None)
    writable = [plan.data_dir, *_own_socket_folder(plan), *([plan.log_file.parent] if plan.log_file else [])]
    writable += plan.caches
    seen = [Path(plan.argv[0]), *writable, *plan.needed]
    in_tmp = any(tmp in Path(os.path.realpath(path)).parents for path in seen for tmp in SHARED_TMP)
    temporary = str(plan.data_dir) if in_tmp else ""
    return units.user_service(exec_start, units.path_list([str(p) for p in writable]), temporary=temporary)


def _runtime_folder() -> Path:
    """What RuntimeDirectory=vragd makes: %t/vragd."""
    return places.runtime_dir() / "vragd"


def _own_socket_folder(plan: Plan) -> list[Path]:
    return [] if plan.socket.parent == _runtime_folder() else [plan.socket.parent]


def tail(file: Path, lines: int, *, follow: bool) -> list[str]:
    """The command that shows the end of a file."""
    return ["tail", "-n", str(lines), *(["-F"] if follow else []), str(file)]


def _ended(status: str) -> str:
    meaning = MEANING.get(int(status)) if status.isdigit() else None
    return f"exit status {status}" + (f" ({meaning})" if meaning else "")
