"""What vragd is made of here: configuration, permissions, socket, daemon, models, backends, service."""

from __future__ import annotations

import argparse
import os
import plistlib
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vragd import __version__
from vragd.cli.bucket import imported
from vragd.cli.connect import client
from vragd.cli.doctor.finding import Fact, Finding
from vragd.cli.reasons import on_language
from vragd.cli.render import plural
from vragd.cli.status import n_searched, when_failed
from vragd.config.load import Loaded
from vragd.errors import DataDirError, NoDaemon, NoManager, VragdError
from vragd.system.files import could_be_private
from vragd.system.lock import holder

NEAR_ENOUGH = 0.1
"""By how much a near pair of sentences is to be nearer than a far one: models of sentences have several times that."""


def configuration(loaded: Loaded) -> Iterator[Finding]:
    """What the file says, and what of it nobody reads."""
    from vragd.config import types
    from vragd.stores import trial

    stores = loaded.config.stores
    n_sources = sum(len(store.sources) for store in stores.values())
    facts = {"stores": len(stores), "sources": n_sources, "file": loaded.file is not None}
    if loaded.file is None or not stores:
        what = f"{loaded.file} names no store" if loaded.file else "there is no configuration file"
        yield Finding("configuration", "note", what, "vragd add ~/path/to/your/vault", facts)
    else:
        what = f"{loaded.file}: {plural(len(stores), 'store')}, {plural(n_sources, 'folder')}"
        yield Finding("configuration", "ok", what, facts=facts)
    for said in (*types.packages(loaded.config), *trial.unread(loaded.config)):
        yield Finding("configuration", "note", said, "", {"code": "unread"})


def permissions(loaded: Loaded) -> Iterator[Finding]:
    """Whether what is to be read can be, and what is to be written, too."""
    bad = 0
    for what, place in (("data", loaded.data_dir), ("socket", loaded.socket.parent)):
        try:
            could_be_private(place)
        except DataDirError as error:
            bad += 1
            yield Finding("permissions", "bad", error.message, error.hint, {"what": what, "code": error.code})
    for number, source in enumerate((s for store in loaded.config.stores.values() for s in store.sources), 1):
        facts = {"source": number}
        if not source.path.is_dir():
            bad += 1
            way = "is it mounted? vragd remove takes it out; until then its notes stay as they were"
            yield Finding("permissions", "bad", f"{source.path} is not there", way, facts | {"there": False})
        elif not os.access(source.path, os.R_OK | os.X_OK):
            bad += 1
            way = f"chmod u+rx {source.path}; on macOS allow it under Privacy & Security"
            yield Finding("permissions", "bad", f"{source.path} cannot be read", way, facts | {"readable": False})
    if loaded.file is not None and loaded.file.stat().st_mode & 0o022:
        way = f"chmod go-w {loaded.file}"
        yield Finding("permissions", "note", f"others may write {loaded.file}", way, {"config_writable": True})
    if not bad:
        yield Finding("permissions", "ok", "what is to be read and written can be")


def socket_and_daemon(args: argparse.Namespace, loaded: Loaded) -> Iterator[Finding]:
    """Who answers, and whether it is of the same version, and well."""
    try:
        status = client(args).request("GET", "/v1/status", timeout_s=10)
    except NoDaemon as error:
        yield from _nobody(loaded, error)
        return
    facts = {
        "answers": True,
        "version": status["version"],
        "pending": status["pending"],
        "uptime_s": int(status["uptime_s"]),
    }
    yield Finding(
        "daemon", "ok", f"vragd {status['version']} answers (pid {status['pid']}) at {status['socket']}", facts=facts
    )
    if status["version"] != __version__:
        way = "restart it: vragd service restart, or stop vragd run and start it again"
        yield Finding(
            "daemon", "bad", f"the daemon is version {status['version']}, this command {__version__}", way, facts
        )
    configured = status["config"]
    if configured and os.path.realpath(configured) != os.path.realpath(loaded.file or ""):
        found = f"the daemon has another configuration: {configured}"
        yield Finding("daemon", "note", found, "--config names it to a command", {"same_config": False})
    for failed in status["failed"]:
        found = f"store {failed['name']} cannot be opened: {failed['message']}"
        yield Finding("daemon", "bad", found, failed["hint"], {"code": failed["code"]})
    for store in status["stores"]:
        yield from _store(store)


def _nobody(loaded: Loaded, error: NoDaemon) -> Iterator[Finding]:
    try:
        info = loaded.socket.lstat()
    except OSError:
        yield Finding("daemon", "note", f"no vragd runs: nothing is at {loaded.socket}", "vragd run",
                      {"answers": False, "socket": False})  # fmt: skip
        return
    held = holder(loaded.data_dir)
    ours, is_socket = info.st_uid == os.geteuid(), stat.S_ISSOCK(info.st_mode)
    facts = {"answers": False, "socket": is_socket, "ours": ours}
    if not is_socket:
        way = "move it away, or set paths.socket"
        yield Finding("daemon", "bad", f"{loaded.socket} is no socket", way, facts)
    elif not ours:
        yield Finding(
            "daemon", "bad", f"{loaded.socket} is uid {info.st_uid}'s", "set paths.socket to a place of yours", facts
        )
    else:
        last = f"; the last one was pid {held.pid}" if held else ""
        yield Finding(
            "daemon",
            "bad",
            f"{error.message}{last}",
            "vragd run takes the socket over; its log says why it ended",
            facts,
        )


def _store(store: dict[str, Any]) -> Iterator[Finding]:
    states = store["states"]
    facts = {
        "notes": store["notes"], "chunks": store["chunks"], "pending": store["pending"],
        "failed": states.get("failed", 0), "partial": states.get("partial", 0),
    }  # fmt: skip
    yield Finding(
        "daemon",
        "ok",
        f"store {store['name']}: {plural(n_searched(store), 'note')}, {store['pending']:,} pending",
        facts=facts,
    )
    if trouble := store["trouble"]:
        found = f"store {store['name']} waits: {trouble['message']}"
        yield Finding(
            "daemon", "bad", found, trouble["hint"], {"code": trouble["code"], "for_s": int(trouble["for_s"])}
        )
    for replica in store.get("replicas", ()):
        if trouble := replica["trouble"]:
            found = f"replica {replica['name']} of store {store['name']} is out of reach: {trouble['message']}"
            yield Finding(
                "daemon", "bad", found, trouble["hint"], {"code": trouble["code"], "for_s": int(trouble["for_s"])}
            )
    if trouble := store.get("rerank_trouble"):
        n, for_s = trouble["n_questions"], int(trouble["for_s"])
        found = f"store {store['name']}: its re-ranker failed {when_failed(trouble)}: "
        facts = {"code": trouble["code"], "for_s": for_s, "questions": n}
        yield Finding("daemon", "bad", found + trouble["message"], trouble["hint"], facts)
    for reason in store["degraded"]:
        yield Finding(
            "daemon", "note", f"store {store['name']}: {reason}", "docs/using.md explains it", {"code": reason}
        )
    if n := states.get("failed", 0) + states.get("partial", 0):
        yield Finding(
            "daemon",
            "note",
            f"store {store['name']}: {plural(n, 'note is', 'notes are')} not whole",
            "vragd files --state failed",
            facts,
        )
    if n := states.get("pending", 0):
        found = f"store {store['name']}: {plural(n, 'note is', 'notes are')} found by words alone yet"
        yield Finding("daemon", "note", found, "vragd files --state pending", {"code": "by_words", "n": n})
    if share := store.get("foreign"):
        what, way = on_language(share)
        yield Finding("daemon", "note", f"store {store['name']}: {what}", way, {"code": "foreign", "share": share})
    for source in store["sources"]:
        if source["state"] not in ("ok", "new"):
            found = f"{source['path']}: {source['state'].replace('_', ' ')}; what is known of it stays"
            yield Finding("daemon", "bad", found, "vragd status", {"code": source["state"]})
        if trouble := source["rules_trouble"]:
            yield Finding("daemon", "note", f"{source['path']}: {trouble}", "", {"code": "rules"})


def models(loaded: Loaded) -> Iterator[Finding]:
    """Whether each model finds two sentences of one thing nearer than two of different ones."""
    from vragd.config import types
    from vragd.stores import trial

    for name, settings in {
        repr(store.embedder): (name, store.embedder) for name, store in loaded.config.stores.items()
    }.values():
        public = settings.type if types.is_ours(settings) else "other"
        if not settings.gives_vectors:
            yield Finding("model", "ok", f"store {name} keeps words alone: it needs none", facts={"type": public})
            continue
        try:
            near, far, took_s = trial.pairs(settings, loaded.data_dir)
        except VragdError as error:
            yield Finding(
                "model", "bad", f"of store {name}: {error.message}", error.hint, {"type": public, "code": error.code}
            )
            continue
        facts: dict[str, Fact] = {
            "type": public,
            "near": round(near, 3),
            "far": round(far, 3),
            "ms": round(took_s * 1000),
        }
        said = f"{settings.type} of store {name}: near {near:.2f}, far {far:.2f}, {took_s * 1000:.0f} ms"
        if near - far < NEAR_ENOUGH:
            way = "is it a model for embeddings? choose another, see docs/models.md"
            yield Finding("model", "bad", f"{said}: it tells nothing apart", way, facts)
        else:
            yield Finding("model", "ok", said, facts=facts)


def backends(loaded: Loaded) -> Iterator[Finding]:
    """Whether each backend can be made, and each that is shared asked."""
    from vragd.config import types
    from vragd.stores import trial

    named = [
        (f"of replica {replica} of store {store}" if replica else f"of store {store}", one)
        for store, settings in loaded.config.stores.items()
        for replica, one in (("", settings.backend), *settings.replicas.items())
    ]
    for name, backend in named:
        public = backend.type if types.is_ours(backend) else "other"
        try:
            trial.backend_answers(backend)
        except VragdError as error:
            found = f"{backend.type} {name}: {error.message}"
            yield Finding("backend", "bad", found, error.hint, {"type": public, "code": error.code})
        else:
            yield Finding("backend", "ok", f"{backend.type} {name} answers", facts={"type": public})


def imports(loaded: Loaded) -> Iterator[Finding]:
    """Whether each store that was imported can be opened, and is whole."""
    damaged = list[tuple[Path, VragdError]]()
    whole = [row["whole"] for row in imported(loaded.data_dir, lambda file, error: damaged.append((file, error)))]
    for file, why in damaged:
        yield Finding("imported", "bad", f"{file}: {why.message}", why.hint, {"code": why.code})
    if n := whole.count(False):
        found = f"{plural(n, 'import')} broke off; vragd store list names what is not whole"
        yield Finding("imported", "note", found, "the same vragd import again goes on", {"broken_off": n})
    if n := whole.count(True):
        yield Finding("imported", "ok", f"{plural(n, 'imported store')} can be opened", facts={"stores": n})


def service() -> Iterator[Finding]:
    """The unit, and whether the program in it is there."""
    from vragd.cli.service.command import program
    from vragd.cli.service.managers import manager

    chosen = manager()
    facts: dict[str, Fact] = {"manager": chosen.name, "installed": chosen.installed}
    if not chosen.installed:
        try:
            chosen.check()
        except NoManager as error:
            found = f"vragd cannot be a service here: {error.message}"
            yield Finding("service", "note", found, "vragd run --detach, from whatever starts programs here", facts)
            return
        found = f"{chosen.name} does not know vragd: it does not start by itself"
        yield Finding("service", "note", found, "vragd service install keeps vragd running", facts)
        return
    argv = started(chosen.unit_file)
    if not argv or not os.access(argv, os.X_OK):
        way = "vragd service install writes it anew"
        yield Finding("service", "bad", f"{chosen.unit_file} starts {argv or 'nothing'}, which is not there", way,
                      facts | {"program": False})  # fmt: skip
    elif os.path.realpath(argv) != os.path.realpath(program()[0]):
        way = "vragd service install takes this one"
        yield Finding(
            "service", "note", f"the service starts {argv}, this is {program()[0]}", way, facts | {"same": False}
        )
    else:
        yield Finding("service", "ok", f"{chosen.name} starts {argv}", facts=facts)


def started(unit: Path) -> str:
    """The program that a unit of systemd or an agent of launchd starts; "" if it says none."""
    raw = unit.read_bytes()
    if unit.suffix == ".plist":
        return str(plistlib.loads(raw).get("ProgramArguments", [""])[0])
    found = re.search(r'^ExecStart=(?:"((?:[^"\\]|\\.)*)"|(\S+))', raw.decode("utf-8", "replace"), re.MULTILINE)
    if not found:
        return ""
    quoted = re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]
    return quoted.replace("%%", "%").replace("%h", os.path.expanduser("~"))  # noqa: PTH111  a part of the text
