"""
What Obsidian is told to exclude, in every vault a source has to do with, and for how long that is believed.

Obsidian keeps it in `app.json` of its config folder: `.obsidian`, or another one that begins with a dot. What was read
last holds, also across a restart, until it is read again or its absence is proven; nobody may see a note for the
second in which that file is being replaced.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vragd.system.clock import SYSTEM, Clock
from vragd.vault.ignore import Scope
from vragd.vault.reread import RACY_S, Stamp, stamp_of
from vragd.vault.root import Root
from vragd.vault.types import DAILY, TYPES

CONFIG_FOLDER, SETTINGS = ".obsidian", "app.json"
ABSENT_FOR_S = 60.0
"""An `app.json` that is not there is believed to be gone when it was looked for in vain for so long."""
# What besides app.json tells that a folder is Obsidian's.
_COMPANIONS = ("appearance.json", "core-plugins.json", "community-plugins.json", "workspace.json", "hotkeys.json")
_MAX_BYTES = 16 << 20

_WAY, _MOUNTED = "/", "//"  # no config folder has these paths

Record = Mapping[str, list[str] | None]
"""
What each config folder excludes, by its path; None while nobody could tell. The way to the root, by `/`, and those that
are mounts, by `//`.
"""


def obsidian_filters(app_json: bytes) -> tuple[str, ...]:
    """
    The *Excluded files* in the text of Obsidian's `app.json`. ValueError if it cannot be read as such.

    Each is the beginning of a path, or a regular expression between slashes.
    """
    try:
        document = json.loads(app_json)
    except RecursionError:
        raise ValueError("app.json is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("app.json does not hold an object")  # noqa: TRY004
    filters = document.get("userIgnoreFilters")
    if filters is None:
        return ()
    if not isinstance(filters, list):
        raise ValueError("userIgnoreFilters is not a list")  # noqa: TRY004
    if not all(isinstance(entry, str) for entry in filters):
        raise ValueError("userIgnoreFilters holds what is no text")  # a rule nobody can tell the meaning of
    return tuple(filters)


def configured_by(path: str) -> str | None:
    """The folder, '' for the root, in which a change of `path` may change Obsidian's settings; None: in none."""
    folder, _, name = path.rpartition("/")
    if name in (SETTINGS, TYPES, DAILY):
        vault, _, config = folder.rpartition("/")
        return vault if config.startswith(".") else None
    return folder if name.startswith(CONFIG_FOLDER) else None


@dataclass(slots=True)
class _Config:
    """One config folder. `entries` were read last, None before that; `mounted` if they were on a mount of their own."""

    entries: tuple[str, ...] | None = None
    stamp: Stamp | None = None
    missing_since: float | None = None
    trouble: str = ""
    mounted: bool = False


class Exclusions:
    """
    What the config folders of one source's vaults exclude. On the source's own lane, but for what is read of it.

    `vaults` are the folders inside the source that hold a config folder of their own, as scans found them.
    """

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self.vaults: frozenset[str] = frozenset()
        self._clock = clock
        self._configs: dict[str, _Config] = {}  # by the config folder's path from the root
        self._listed: dict[str, tuple[Stamp, float, tuple[str, ...]]] = {}
        self.looked = False
        """Whether the disk was looked at in this process."""
        self._way: tuple[str, ...] = ()  # folders on the way to the root, the root's own last
        self.above = ""
        """The way from the root of the vault around the source to it, with a slash behind it; '' if there is none."""
        self.configs: dict[str, list[str]] = {}
        """The paths of config folders by the folder of their vault, '' for the one that the source is or is in."""

    # -- beyond a restart --------------------------------------------------------------------------

    def record(self) -> dict[str, list[str] | None]:
        """What to give to `recall` in the next process."""
        made: dict[str, list[str] | None] = {
            path: None if one.entries is None else list(one.entries)
            for path, one in sorted(self._configs.copy().items())
        }
        if any(path.startswith("../") for path in made):
            made[_WAY] = list(self._way)
        if mounted := [path for path, one in sorted(self._configs.copy().items()) if one.mounted]:
            made[_MOUNTED] = mounted
        return made

    def recall(self, record: Record) -> None:
        """Begin with what an earlier process knew, and did not know: it holds until something else is known."""
        self._way = tuple(record.get(_WAY) or ())
        mounted = record.get(_MOUNTED) or ()
        self._configs = {
            path: _Config(None if entries is None else tuple(entries), mounted=path in mounted)
            for path, entries in record.items()
            if path not in (_WAY, _MOUNTED)
        }
        self.learn(())

    def learn(self, vaults: Iterable[str]) -> bool:
        """A full scan found these folders to hold a config folder; whether one is new."""
        before = self.vaults
        remembered = {_vault_of(path) for path in self._configs}
        self.vaults = frozenset({*vaults, *(vault for vault in remembered if vault.strip("./"))}) - {""}
        return bool(self.vaults - before)

    # -- what is known -----------------------------------------------------------------------------

    @property
    def known(self) -> bool:
        """Whether what the source's own vault excludes was ever read whole."""
        if not self.looked and not self._configs:
            return False
        return all(
            one.entries is not None for path, one in list(self._configs.items()) if _vault_of(path) not in self.vaults
        )

    @property
    def trouble(self) -> str:
        """Why what was read last still holds; empty while all is well. A stable code."""
        return next((one.trouble for _, one in sorted(self._configs.copy().items()) if one.trouble), "")

    def scopes(self) -> list[Scope]:
        """What is excluded where."""
        made = []
        for path, one in sorted(self._configs.copy().items()):
            vault = _vault_of(path)
            steps = vault.count("..")
            above = "".join(f"{part}/" for part in self._way[len(self._way) - steps :]) if steps else ""
            entries = one.entries or ()
            if entries or (one.entries is None and vault in self.vaults):
                made.append(Scope("" if steps else vault, above, entries, known=one.entries is not None))
        return made

    # -- looking -----------------------------------------------------------------------------------

    def look(self, root: Root, *, proven: bool, heard: Iterable[str] = ()) -> None:
        """
        Look whether anything changed below `root`; a handful of system calls when nothing did. Blocks.

        Only in a root that is `proven` is what is not there believed to be gone, after a while. One of the folders
        that were `heard` of is a vault from now on if it holds a config folder.
        """
        if new := [vault for vault in heard if vault not in self.vaults and self._is_vault(root, vault)]:
            self.learn({*self.vaults, *new})
        self._way = tuple(part for part in root.real.split("/") if part)
        there = [_is_there(root.fd, "../" * n + CONFIG_FOLDER) for n in range(len(self._way))]
        steps = next((n for n, is_there in enumerate(there) if is_there), 0)
        self.above = "".join(f"{part}/" for part in self._way[len(self._way) - steps :])
        found = dict.fromkeys(self._candidates(root, there))
        around = "/".join([".."] * steps)
        self.configs = {}
        for path in found:
            vault = _vault_of(path)
            if vault in self.vaults or vault == around:
                self.configs.setdefault("" if vault == around else vault, []).append(path)
        for path in {**found, **self._configs}:
            self._look_at(root, path, proven=proven)
        self.looked = True

    def _candidates(self, root: Root, there: Sequence[bool]) -> Iterator[str]:
        """The paths of folders that are, or may be, config folders; `there`: whether one is so many steps above."""
        yield CONFIG_FOLDER
        for vault in ("", *sorted(self.vaults)):
            for name in self._dot_folders(root, vault):
                yield f"{vault}/{name}" if vault else name
        for n, is_there in enumerate(there):
            if n and is_there:
                yield "../" * n + CONFIG_FOLDER

    def _is_vault(self, root: Root, folder: str) -> bool:
        return any(
            name == CONFIG_FOLDER or _is_there(root.fd, f"{folder}/{name}/{SETTINGS}")
            for name in self._dot_folders(root, folder)
        )

    def is_unknown_vault(self, root: Root, folder: str) -> bool:
        """Whether there is a config folder in `folder` that nobody has looked into yet. One system call."""
        return folder not in self.vaults and _is_there(root.fd, f"{folder}/{CONFIG_FOLDER}")

    def _dot_folders(self, root: Root, vault: str) -> tuple[str, ...]:
        """Those that hold an `app.json`, or a link of that name. Listed again when the folder around changed."""
        try:
            stamp = stamp_of(os.stat(vault or ".", dir_fd=root.fd))
            had = self._listed.get(vault)
            if had is None or had[0] != stamp or had[1] - stamp[3] / 1e9 < RACY_S:
                fd = os.open(vault or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root.fd)
                try:
                    with os.scandir(fd) as entries:
                        names = tuple(sorted(one.name for one in entries if one.name.startswith(".")))
                finally:
                    os.close(fd)
                had = self._listed[vault] = (stamp, self._clock.wall(), names)
        except OSError:
            return ()  # the scan says so
        prefix = f"{vault}/" if vault else ""
        return tuple(name for name in had[2] if _is_obsidians(name) or _is_there(root.fd, f"{prefix}{name}/{SETTINGS}"))

    def _look_at(self, root: Root, path: str, *, proven: bool) -> None:
        one = self._configs.get(path)
        if one is None and _is_missing(root.fd, path):
            return
        try:
            info = os.stat(f"{path}/{SETTINGS}", dir_fd=root.fd)
        except OSError as error:
            absent = error.errno in (errno.ENOENT, errno.ENOTDIR) and not _dangles(root.fd, path)
            if absent and (one is None or one.entries == ()):
                self._configs.pop(path, None)
            elif absent and one is not None:
                self._missing(root, path, one, proven=proven)
            else:
                code = (
                    "dangles" if error.errno == errno.ENOENT else errno.errorcode.get(error.errno or 0, "EIO").lower()
                )
                self._unknown(path, one or _Config(), code, root)
            return
        stamp = stamp_of(info)
        if one is not None and one.stamp == stamp and one.entries is not None and not one.trouble:
            return
        try:
            if not stat.S_ISREG(info.st_mode):
                raise ValueError("app.json is no file")
            raw = root.read(f"{path}/{SETTINGS}", _MAX_BYTES)
            entries = obsidian_filters(b"" if raw is None else raw)
        except ValueError:
            self._unknown(path, one or _Config(), "not_understood", root)  # Obsidian may be writing it
        except OSError as error:
            self._unknown(path, one or _Config(), errno.errorcode.get(error.errno or 0, "EIO").lower(), root)
        else:
            fresh = self._clock.wall() - max(stamp[3], stamp[4]) / 1e9 < RACY_S
            self._configs[path] = _Config(entries, None if fresh else stamp, mounted=_is_mounted(root, path))

    def _unknown(self, path: str, one: _Config, why: str, root: Root) -> None:
        strange = not _is_obsidians(path.rpartition("/")[2])
        if one.entries is None and strange and not any(_is_there(root.fd, f"{path}/{file}") for file in _COMPANIONS):
            return  # some other program's app.json, or a folder of somebody else's
        one.trouble, one.stamp, one.missing_since = f"app_json_{why}", None, None
        self._configs[path] = one

    def _missing(self, root: Root, path: str, one: _Config, *, proven: bool) -> None:
        now = self._clock.awake()  # whoever writes it anew slept as long as we
        one.trouble, one.stamp = "app_json_missing", None
        if one.mounted or _is_mounted(root, path):  # what is away with its mount, or below one, is there all the same
            one.trouble, one.missing_since = "app_json_unmounted" if one.mounted else "app_json_mounted_over", None
        elif not (proven or one.entries is None) or root.health() != "ok":
            one.missing_since = None
        elif one.missing_since is None:
            one.missing_since = now
        elif now - one.missing_since >= ABSENT_FOR_S:
            del self._configs[path]


def configs_among(names: Iterable[str], fd: int) -> bool:
    """Whether one of these names in the folder `fd` is a config folder of Obsidian's."""
    return any(name == CONFIG_FOLDER or _is_there(fd, f"{name}/{SETTINGS}") for name in names)


def _vault_of(path: str) -> str:
    return path.rpartition("/")[0]


def _is_mounted(root: Root, path: str) -> bool:
    return root.is_mount(path) or root.is_mount(f"{path}/{SETTINGS}")


def _is_obsidians(name: str) -> bool:
    """Whether a folder is Obsidian's by its name alone, whatever can be seen of it."""
    return name.startswith(CONFIG_FOLDER)


def _is_there(fd: int, path: str) -> bool:
    """Whether there is something for sure, and be it a link that leads nowhere."""
    try:
        os.stat(path, dir_fd=fd, follow_symlinks=False)
    except OSError:
        return False
    return True


def _is_missing(fd: int, path: str) -> bool:
    """Whether there is nothing for sure."""
    try:
        os.stat(path, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _dangles(fd: int, path: str) -> bool:
    """Whether the config folder or its `app.json` is a link to what is not there."""
    for link in (path, f"{path}/{SETTINGS}"):
        try:
            if stat.S_ISLNK(os.stat(link, dir_fd=fd, follow_symlinks=False).st_mode):
                os.stat(link, dir_fd=fd)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR) or _is_link(fd, link):
                return True
    return False


def _is_link(fd: int, path: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(path, dir_fd=fd, follow_symlinks=False).st_mode)
    except OSError:
        return False
