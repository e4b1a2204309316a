"""`vragd service`: run by systemd or launchd, as the user's own service."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vragd.cli import logged
from vragd.cli.commands import spelt
from vragd.cli.connect import client, load
from vragd.cli.render import complain, out, out_whole, say
from vragd.errors import ConfigError, DaemonBusy, NoDaemon, NoManager, UsageError, VragdError
from vragd.system.places import config_path, expanded
from vragd.system.program import goes_away, lasting, own

if TYPE_CHECKING:
    from vragd.cli.service.managers import Manager, Plan
    from vragd.config.load import Loaded

NOT_RUNNING = 3  # as systemctl has it
ACTIONS = {
    "install": "write the unit, start it now and at every login",
    "uninstall": "stop it and remove the unit; configuration and data stay",
    "start": "start it",
    "stop": "stop it until the next login, or start",
    "restart": "stop and start it",
    "status": "what the service manager and the daemon say; 0 running, 3 not",
    "logs": "what it logged",
}


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    top = commands.add_parser("service", help="run as a service of systemd or launchd")
    group = top.add_subparsers(metavar="ACTION", required=True)
    for name, text in ACTIONS.items():
        sub = group.add_parser(name, parents=[common], help=text)
        sub.add_argument("--print", action="store_true", dest="only_print", help="print what would be done")
        sub.set_defaults(command=_service, action=name)
        if name == "install":
            sub.add_argument("--on-demand", action="store_true", help="start with the first query, not at login")
        if name == "logs":
            logged.add_flags(sub)


def _service(args: argparse.Namespace) -> int:
    from vragd.cli.service.managers import manager
    from vragd.cli.steps import perform

    chosen = manager()
    if args.action == "install":
        return _install(args, chosen)
    if args.action == "logs":
        return show_logs(args, chosen)
    if args.action == "status":
        return _status(args, chosen)
    if not args.only_print:
        chosen.check()
    if args.action == "uninstall" and not chosen.installed:
        say("The service is not installed.")
        return 0
    if args.action == "start" and not args.only_print:
        _refuse_second(args, chosen)
    if args.action in ("start", "restart") and not args.only_print:
        from vragd.cli.sending import say_at_start

        with suppress(ConfigError):  # the daemon says it, in the log
            say_at_start(load(args))
    steps = {
        "uninstall": chosen.uninstall, "start": chosen.start, "stop": chosen.stop, "restart": chosen.restart,
    }[args.action]()  # fmt: skip
    perform(steps, only_print=args.only_print)
    if args.action == "uninstall" and not args.only_print:
        say("The configuration and the data stay.")
    return 0


def _install(args: argparse.Namespace, chosen: Manager) -> int:
    from vragd.cli.sending import say_at_start
    from vragd.cli.steps import perform

    if not config_path(args.config).exists():
        raise ConfigError(
            f"there is no configuration file at {config_path(args.config)}",
            hint="vragd init ~/path/to/your/vault writes one; then install the service",
        )
    loaded = load(args, required=True)
    plan = plan_of(args, loaded)
    if not args.only_print:
        refuse_what_goes(plan.argv[0])
        chosen.check()
        _refuse_second(args, chosen)
        say_at_start(loaded)
    perform(chosen.install(plan, on_demand=args.on_demand, only_print=args.only_print), only_print=args.only_print)
    if not args.only_print:
        chosen.after_install()
    return 0


def plan_of(args: argparse.Namespace, loaded: Loaded) -> Plan:
    """What these arguments and this environment ask for: the service has neither when it starts."""
    from vragd.cli.service.managers import Plan

    env = os.environ
    words = ["run"]
    if args.config or env.get("VRAGD_CONFIG") or env.get("XDG_CONFIG_HOME"):
        words += ["--config", str(config_path(args.config).absolute())]
    by_default = loaded.config.paths.data is None and env.get("XDG_DATA_HOME")
    if args.data_dir or env.get("VRAGD_DATA_DIR") or by_default:
        words += ["--data-dir", str(loaded.data_dir.absolute())]
    if args.socket or env.get("VRAGD_SOCKET"):
        words += ["--socket", str(loaded.socket)]
    if level := args.log_level or env.get("VRAGD_LOG_LEVEL"):
        words += ["--log-level", level]
    if env.get("VRAGD_LOG_FILE"):
        words += ["--log-file", str(loaded.config.log.file)]
    stores = loaded.config.stores.values()
    sources = [source.path for store in stores for source in store.sources]
    caches = dict.fromkeys(cache for store in stores for cache in store.backend.caches)
    return Plan(
        argv=(*_lasting(), *words),
        data_dir=loaded.data_dir.absolute(),
        socket=loaded.socket,
        log_file=loaded.config.log.file,
        needed=(config_path(args.config).absolute(), *sources),
        caches=tuple(expanded("~") / cache for cache in caches),
    )


def program() -> list[str]:
    """How this very vragd is run: its script beside the interpreter, or the interpreter with the module."""
    if not sys.executable:
        raise VragdError("this Python does not know its own path", hint="write the unit by hand, see systemd/")
    return own(sys.executable)


def _lasting() -> list[str]:
    """As `program`, by a name that outlives this version: along PATH, or where pipx and uv put programs."""
    program()  # refused where nobody knows
    return lasting(sys.executable, os.pathsep.join([os.environ.get("PATH", ""), str(expanded("~/.local/bin"))]))


def refuse_what_goes(program: str) -> None:
    """Raise UsageError for a program that will not be there when the service is started again."""
    if goes_away(program):
        hint = "install it where it stays: pipx install vragd, or uv tool install vragd; then vragd service install"
        raise UsageError(f"{program} is in a place that an upgrade or a clean-up takes away", hint=hint)


def _pid(args: argparse.Namespace) -> int | None:
    """The pid of the daemon that answers, or None."""
    try:
        return int(client(args).request("GET", "/healthz", timeout_s=5.0)["pid"])
    except NoDaemon:
        return None


def _refuse_second(args: argparse.Namespace, chosen: Manager) -> None:
    if chosen.active or chosen.waits_for_a_client:
        return
    if pid := _pid(args):
        raise DaemonBusy(f"a vragd runs already (pid {pid}), not as the service", hint=f"stop it first: kill {pid}")


def _status(args: argparse.Namespace, chosen: Manager) -> int:
    if args.only_print:
        out_whole(" ".join(chosen.show_command()))
        return 0
    try:
        chosen.check()
    except NoManager as error:
        complain(error)
        pid = _pid(args)
        out(f"daemon: {f'answers, pid {pid}, without a service manager' if pid else 'does not answer'}")
        return NOT_RUNNING
    if not chosen.installed:
        out(spelt(f"{chosen.name}: not installed (vragd service install)"))
    else:
        chosen.show()
    if chosen.waits_for_a_client:
        out("daemon: not running; the first query starts it")
        return NOT_RUNNING
    active, pid = chosen.active, _pid(args)
    if pid is None:
        out(f"daemon: does not answer at {client(args).path}")
        if chosen.installed:
            _say_what_hinders(args)
    else:
        out(f"daemon: answers, pid {pid}" + ("" if active else ", but it is not the service"))
    return 0 if active and pid is not None else NOT_RUNNING


def _say_what_hinders(args: argparse.Namespace) -> None:
    try:
        load(args, required=True)
    except VragdError as error:
        complain(error)


def show_logs(args: argparse.Namespace, chosen: Manager) -> int:
    """Show what the service logged; the exit status of the command that does."""
    import shlex

    try:
        file = load(args).config.log.file
    except ConfigError:
        file = None  # which may well be what the log is about
    if not args.only_print and not chosen.installed:
        say(
            "The service is not installed: of one that was this is what is left. vragd logs is of the daemon that runs."
        )
    for_people = logged.for_people(args)
    command = chosen.logs(args.lines, follow=args.follow, file=file, form="json" if for_people else "cat")
    if args.only_print:
        out_whole(shlex.join(command))
        return 0
    try:
        return logged.show(command, for_people=for_people)
    except FileNotFoundError:
        raise NoManager(f"there is no {command[0]} here", hint="the log is where vragd run was started") from None
