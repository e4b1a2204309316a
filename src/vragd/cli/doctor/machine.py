"""What vragd stands on: interpreter, packages, file systems, limits, disk, SQLite."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vragd import __version__
from vragd.cli.doctor.finding import Fact, Finding
from vragd.cli.render import plural, sized
from vragd.config.load import Loaded
from vragd.system.places import MACOS
from vragd.system.program import goes_away

PACKAGES = ("apscheduler", "apsw", "boto3", "h11", "numpy", "onnxruntime", "pathspec", "pydantic",
            "regex", "structlog", "tokenizers", "watchdog", "xxhash", "yaml")  # fmt: skip
"""Modules that vragd cannot do without; models and backends are tried by themselves."""
OVER_A_NETWORK = re.compile(r"(nfs\d?|cifs|smb\w*|afs|9p|fuse\..*|sshfs|ceph|glusterfs|virtiofs|drvfs)")
MOST_FOLDERS = 200_000
ROOM = 0.8
"""The share of the watches of a user that one daemon may take before it is worth a word."""


def interpreter() -> Iterator[Finding]:
    """Python, and whether its place lasts."""
    version = platform.python_version()
    facts = {
        "vragd": __version__, "python": version, "system": platform.system(), "machine": platform.machine(),
        "kernel": (re.match(r"\d+(?:\.\d+)*", platform.release()) or [""])[0],
    }  # fmt: skip
    yield Finding("program", "ok", f"vragd {__version__}, Python {version} at {sys.executable}", facts=facts)
    if goes_away(sys.prefix):
        way = "install it where it stays: pipx install vragd, or uv tool install vragd"
        yield Finding("program", "note", f"{sys.prefix} is a place that an upgrade takes away", way, {"lasts": False})


def packages(modules: Sequence[str] = PACKAGES) -> Iterator[Finding]:
    """Whether what vragd imports can be imported."""
    from importlib import import_module

    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as `embed.session` has it: this, too, may be its first import
    broken = 0
    for module in modules:
        try:
            import_module(module)
        except Exception as error:  # a library of the system that is missing, or another machine's code
            broken += 1
            way = "install vragd anew: pipx reinstall vragd, or pip install --force-reinstall vragd"
            yield Finding("packages", "bad", f"{module} cannot be used: {error}", way, {"module": module})
    if not broken:
        yield Finding("packages", "ok", f"{len(modules)} libraries can be used", facts={"n": len(modules)})


def database() -> Iterator[Finding]:
    """SQLite with what the catalog needs."""
    import apsw

    version = apsw.sqlite_lib_version()
    db = apsw.Connection(":memory:")
    try:
        db.execute("create virtual table t using fts5(x); insert into t values('heron'); select * from t('heron')")
    except apsw.Error as error:
        yield Finding(
            "database", "bad", f"SQLite {version} lacks full text: {error}", "install apsw anew", {"library": version}
        )
        return
    finally:
        db.close()
    yield Finding("database", "ok", f"SQLite {version}, with full text", facts={"library": version})


def disk(loaded: Loaded) -> Iterator[Finding]:
    """Room for the index."""
    from vragd.system.files import bytes_below, free_mib

    place = _there(loaded.data_dir)
    free, least = free_mib(place), loaded.config.limits.min_free_mib
    used = bytes_below(loaded.data_dir)
    facts = {"free_mib": free, "used_mib": used >> 20, "least_mib": least}
    if free < least:
        way = "free some space; indexing goes on by itself. Answers go on meanwhile"
        yield Finding(
            "disk",
            "bad",
            f"{sized(free << 20)} free at {place}, indexing pauses below {sized(least << 20)}",
            way,
            facts,
        )
    else:
        yield Finding("disk", "ok", f"{sized(free << 20)} free, the index takes {sized(used)}", facts=facts)


def file_systems(loaded: Loaded, mounts: Path = Path("/proc/self/mounts")) -> Iterator[Finding]:
    """Which file systems data and sources are on."""
    kinds = _mounted(mounts)
    data = _kind(kinds, loaded.data_dir)
    if data and OVER_A_NETWORK.fullmatch(data):
        way = "set paths.data to a disk of this machine: locks and SQLite need one"
        found = f"the data directory {loaded.data_dir} is on {data}"
        yield Finding("file systems", "bad", found, way, {"data": _public(data)})
    for number, (name, path) in enumerate(sources_of(loaded), 1):
        kind = _kind(kinds, path)
        facts: dict[str, Fact] = {"source": number, "kind": _public(kind)}
        if kind and OVER_A_NETWORK.fullmatch(kind):
            found = f"{path} of store {name} is on {kind}: changes that others make are seen every watch.poll_s seconds"
            yield Finding("file systems", "note", found, "", facts)
        else:
            yield Finding(
                "file systems", "ok", f"{path} is on {kind or 'a file system that is not told here'}", facts=facts
            )


def watches(loaded: Loaded, limits: Path = Path("/proc/sys/fs/inotify")) -> Iterator[Finding]:
    """Whether every folder can be watched."""
    if MACOS:
        yield Finding("watching", "ok", "macOS tells changes of whole folders")
        return
    most, instances = (int((limits / name).read_text()) for name in ("max_user_watches", "max_user_instances"))
    folders = 0
    for _, path in sources_of(loaded):
        for _ in os.walk(path):
            folders += 1
            if folders >= MOST_FOLDERS:
                break
    facts = {"folders": folders, "max_user_watches": most, "max_user_instances": instances}
    if folders > ROOM * most:
        way = f"sudo sysctl fs.inotify.max_user_watches={max(4 * folders, 524_288)}; until then some are polled"
        yield Finding("watching", "bad", f"{plural(folders, 'folder')}, and this user may watch {most:,}", way, facts)
    else:
        yield Finding("watching", "ok", f"{plural(folders, 'folder')} of the {most:,} that may be watched", facts=facts)


def sources_of(loaded: Loaded) -> list[tuple[str, Path]]:
    """Each source, with the store it belongs to."""
    return [(name, source.path) for name, store in loaded.config.stores.items() for source in store.sources]


def _there(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.is_dir())


def _mounted(mounts: Path) -> dict[str, str]:
    """The type of each file system by its place. Later ones cover earlier ones."""
    try:
        rows = [line.split(" ") for line in mounts.read_text("utf-8", "surrogateescape").splitlines()]
    except OSError:
        return {}
    undone = re.compile(r"\\([0-7]{3})")
    return {undone.sub(lambda code: chr(int(code[1], 8)), row[1]): row[2] for row in rows if len(row) > 2}


def _kind(kinds: dict[str, str], path: Path) -> str:
    real = Path(os.path.realpath(path))
    return next((kinds[str(place)] for place in (real, *real.parents) if str(place) in kinds), "")


def _public(kind: str) -> str:
    """A type of file system without what a mount helper was named."""
    return "fuse" if kind.startswith("fuse.") else kind
