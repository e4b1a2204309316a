"""
The texts of the service units, and how paths are written in them. Standard library only; writes nothing
but when run: `python -m vragd.cli.service.units FOLDER` writes systemd/ and launchd/ there, as they are shipped.

The one source of these texts: the shipped files are renderings with general values, `vragd service
install` renders with those of the machine.
"""

from __future__ import annotations

import plistlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vragd.errors import UsageError

LABEL = "io.vragd.vragd"  # launchd's name for it
SERVICE, SOCKET = "vragd.service", "vragd.socket"

# What no restart mends: usage, data of a newer or a damaged format, the data directory, the configuration.
NO_RESTART = "64 65 73 78"
_MARKS = (
    "Written by `vragd service install`",
    "`vragd service install --on-demand` does this",
    "`vragd service install` writes it",
)
STOP_S = 30  # above the daemon's own deadline of 10 s
WATCHDOG_S = 60

_SUPERVISION = f"""\
# Fed only after a look at every part; work that hangs is waited for much longer than this before.
WatchdogSec={WATCHDOG_S}
Restart=on-failure
RestartSec=2
# sysexits.h: usage, data format, data directory, configuration. Starting again would not help.
RestartPreventExitStatus={NO_RESTART}
# Above the daemon's own deadline of 10 s.
TimeoutStopSec={STOP_S}
KillMode=mixed
"""

_USER_SERVICE = """\
# vragd as a service of one user. Written by `vragd service install` with this machine's paths; by hand:
#   mkdir -p -m 700 ~/.local/share/vragd
#   cp systemd/vragd.service ~/.config/systemd/user/
#   systemctl --user daemon-reload && systemctl --user enable --now vragd.service

[Unit]
Description=vragd - keeps notes searchable
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={exec_start}
ExecReload=/bin/kill -HUP $MAINPID
# Before it is ready: opening the stores, and putting back what an index lost in a crash.
TimeoutStartSec=300
{supervision}
# $XDG_RUNTIME_DIR/vragd. Kept when the service stops: with vragd.socket the socket there goes on listening.
RuntimeDirectory=vragd
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
UMask=0077
# A core file would hold the text of notes.
LimitCORE=0
Nice=10
IOSchedulingPriority=7
TasksMax=512
{namespaces}
NoNewPrivileges=true
RestrictSUIDSGID=true
RestrictNamespaces=true
RestrictRealtime=true
LockPersonality=true
MemoryDenyWriteExecute=true
# The socket; embedders and backends that are asked over a network, if the configuration names any.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=setpriority
# A call that is refused fails; numerical libraries ask for a processor affinity and do without.
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
"""

_NAMESPACES = """
# Everything is read-only to it but what is named here, vaults included, by the kernel's word. In the unit
# of a user these need PrivateUsers=true and are silently without effect otherwise.
PrivateUsers=true
{private_tmp}
ProtectSystem=strict
# '-': a folder that is not there is the daemon's complaint to make, which is the better one.
ReadWritePaths={writable}
"""

_SYSTEM_SERVICE = """\
# vragd for one user of a machine without login sessions: a server, a NAS. With a session the user's own unit
# (systemd/vragd.service, `vragd service install`) is the simpler way. To use this one:
#   1. copy it to /etc/systemd/system/vragd.service
#   2. replace alice by the user whose notes they are, and /home/alice/Vault by the vault, everywhere;
#      with several vaults, repeat RequiresMountsFor= and BindReadOnlyPaths=
#   3. ExecStart= is the program as installed for everybody, say by pipx install --global
#   4. write /etc/vragd/config.yaml, readable by alice: vragd init /home/alice/Vault --config FILE
#   5. systemctl daemon-reload && systemctl enable --now vragd.service
# Clients of alice find it with VRAGD_SOCKET=/run/vragd/vragd.sock.
# Never run it as the user nobody: with PrivateUsers= every other user looks like that one.

[Unit]
Description=vragd - keeps notes of alice searchable
StartLimitIntervalSec=300
StartLimitBurst=5
# An empty mount point is no vault.
RequiresMountsFor=/home/alice/Vault

[Service]
Type=notify
NotifyAccess=main
User=alice
ExecStart=/usr/local/bin/vragd run --config /etc/vragd/config.yaml --data-dir %S/vragd --socket %t/vragd/vragd.sock
ExecReload=/bin/kill -HUP $MAINPID
TimeoutStartSec=300
{supervision}
StateDirectory=vragd
StateDirectoryMode=0700
RuntimeDirectory=vragd
RuntimeDirectoryMode=0700
UMask=0077
# A core file would hold the text of notes.
LimitCORE=0
LimitNOFILE=65536
TasksMax=512
Nice=10
IOSchedulingPriority=7
# A bound for memory must hold the whole index: about 4 bytes a dimension for each chunk.
#MemoryMax=2G

# The vault is read-only by the kernel's word, the rest of every home is not there at all. The mount pins the
# folder that is there at the start: after it was moved away and replaced, restart the service.
ProtectSystem=strict
ProtectHome=tmpfs
BindReadOnlyPaths=/home/alice/Vault
PrivateTmp=true
PrivateDevices=true
DevicePolicy=closed
PrivateUsers=true
PrivateIPC=true
RemoveIPC=true
KeyringMode=private
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectKernelLogs=true
ProtectControlGroups=true
ProtectHostname=true
ProtectClock=true
# No ProcSubset=pid: the builtin model reads /proc/cpuinfo to know what the processor can do.
ProtectProc=invisible
NoNewPrivileges=true
CapabilityBoundingSet=
AmbientCapabilities=
RestrictSUIDSGID=true
RestrictNamespaces=true
RestrictRealtime=true
LockPersonality=true
MemoryDenyWriteExecute=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=setpriority
# A call that is refused fails; numerical libraries ask for a processor affinity and do without.
SystemCallErrorNumber=EPERM

# A server of models on this machine, and nothing beyond it. A store whose backend is elsewhere needs the network:
# remove both lines then, and hand it its credentials in a file that only it can see, those of AWS for instance:
#LoadCredential=aws:/etc/vragd/aws-credentials
#Environment=AWS_SHARED_CREDENTIALS_FILE=%d/aws
IPAddressDeny=any
IPAddressAllow=localhost

[Install]
WantedBy=multi-user.target
"""

_SOCKET = """\
# Optional: systemd holds vragd's socket and starts vragd.service when somebody first connects. Until then
# nothing is watched or indexed. `vragd service install --on-demand` does this; by hand:
#   cp systemd/vragd.socket ~/.config/systemd/user/
#   systemctl --user daemon-reload && systemctl --user enable --now vragd.socket

[Unit]
Description=vragd - its socket

[Socket]
ListenStream={path}
# vragd serves no socket that others could reach or replace.
SocketMode=0600
DirectoryMode=0700

[Install]
WantedBy=sockets.target
"""


def user_service(exec_start: str, writable: str | None, *, temporary: str = "") -> str:
    """
    The user unit. `exec_start` and `writable` are as `command_line` and `path_list` write them.

    Without `writable` it has no namespaces of its own, for machines that do not let a user's service have them.
    `temporary` is a folder for temporary files where /tmp cannot be a private one: something it needs lies there.
    """
    tmp = f"{_SHARED_TMP}Environment={_quoted(f'TMPDIR={temporary}')}" if temporary else "PrivateTmp=true"
    namespaces = "" if writable is None else _NAMESPACES.format(writable=writable, private_tmp=tmp)
    return _USER_SERVICE.format(exec_start=exec_start, namespaces=namespaces, supervision=_SUPERVISION)


_SHARED_TMP = """\
# No PrivateTmp=: something it needs lies below /tmp or /var/tmp, which are read-only to it. SQLite sorts in files.
"""


def system_service() -> str:
    """The system unit, with names to be replaced by whoever copies it."""
    return _SYSTEM_SERVICE.format(supervision=_SUPERVISION)


def socket_unit(path: str) -> str:
    """The socket unit. `path` is as `one_path` writes it."""
    return _SOCKET.format(path=path)


def is_ours(text: str) -> bool:
    """Whether that is the text of a service, a socket or a launch agent from here: each has its mark in a comment."""
    return any(mark in text for mark in _MARKS)


# -- how words are written in a unit: systemd.syntax(7), systemd.service(5) "COMMAND LINES" -----------------


def command_line(argv: Sequence[str]) -> str:
    """
    `argv` as the value of ExecStart=. Raises UsageError for what a unit cannot hold.

    systemd takes the program's own path almost as it stands, and refuses quotes and backslashes in it: a
    shell is then put before it, to which it is a word like any other.
    """
    program = argv[0]
    if any(character in program for character in "\"'\\$"):
        return " ".join(["/bin/sh", "-c", _word('exec "$0" "$@"'), *map(_word, argv)])
    return " ".join([_quoted(program), *map(_word, argv[1:])])


def path_list(paths: Sequence[str]) -> str:
    """`paths` as the value of ReadWritePaths=, each one optional. Raises UsageError for what a unit cannot hold."""
    return " ".join(_quoted(f"-{path}") for path in paths)


def one_path(path: str) -> str:
    """`path` as the value of ListenStream=, which knows no quotes. Raises UsageError for what a unit cannot hold."""
    if path.endswith("\\"):
        raise UsageError(f"{path!r} ends in a backslash", hint="give the socket another name")
    return _checked(path).replace("%", "%%")


def _word(word: str) -> str:
    # '$' begins a variable anywhere in an argument, quoted or not
    return _quoted(word).replace("$", "$$")


def _quoted(word: str) -> str:
    text = _checked(word).replace("%", "%%")
    if text and not set(text) & set(" \t\"'\\;"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _checked(word: str) -> str:
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{word!r} is not UTF-8, which a unit must be", hint="give that folder another name") from None
    if any(ord(character) < 32 or ord(character) == 127 for character in word):
        raise UsageError(f"{word!r} holds a control character", hint="give that folder another name")
    return word


# -- launchd ------------------------------------------------------------------------------------------------

_PLIST_COMMENT = """\
<!-- vragd as a launch agent of one user. `vragd service install` writes it with this machine's paths. By hand:
     replace /Users/YOU, mkdir -p -m 700 ~/Library/Logs/vragd, copy it to ~/Library/LaunchAgents/{label}.plist,
     then: launchctl bootstrap gui/$UID ~/Library/LaunchAgents/{label}.plist -->
"""


def launch_agent(argv: Sequence[str], log_file: str, environment: Mapping[str, str] | None = None) -> str:
    """The launch agent that runs `argv`, which logs to `log_file`. No secrets belong into `environment`."""
    agent: dict[str, Any] = {
        "Label": LABEL,
        "ProgramArguments": list(argv),
        "EnvironmentVariables": {"VRAGD_LOG_FILE": log_file, **(environment or {})},
        "RunAtLoad": True,
        # After a crash, not after a stop. launchd knows no exit status that is not worth another start:
        # a configuration that cannot be used is tried again, but no more often than ThrottleInterval says.
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 30,
        "ExitTimeOut": 20,  # above the daemon's own deadline of 10 s
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
        "Umask": 0o077,  # written as 63: a plist knows no octal numbers
        "SoftResourceLimits": {"NumberOfFiles": 4096, "Core": 0},
        "LimitLoadToSessionType": ["Aqua", "Background"],
        # launchd only ever appends: the daemon's own file rotates
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": "/dev/null",
    }
    text = plistlib.dumps(agent, sort_keys=False).decode("utf-8")
    return text.replace("<plist ", _PLIST_COMMENT.format(label=LABEL) + "<plist ", 1)


# -- what is shipped ----------------------------------------------------------------------------------------


def shipped() -> dict[str, str]:
    """The files of systemd/ and launchd/, by their path in the project."""
    home = "/Users/YOU"
    log_file = f"{home}/Library/Logs/vragd/vragd.log"
    return {
        f"systemd/{SERVICE}": user_service("%h/.local/bin/vragd run", "-%h/.local/share/vragd"),
        "systemd/vragd.system.service": system_service(),
        f"systemd/{SOCKET}": socket_unit("%t/vragd/vragd.sock"),
        "launchd/vragd.plist": launch_agent([f"{home}/.local/bin/vragd", "run"], log_file),
    }


def main(folder: Path) -> None:
    """Write the shipped files below `folder`."""
    for name, text in shipped().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
