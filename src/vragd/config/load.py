"""
Pure load of a configuration file: reads, checks, returns frozen settings. Writes and makes nothing.

Every complaint names the file, the line, the key, what was expected and, for an unknown key, the
nearest known one.
"""

from __future__ import annotations

import os
import select
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from vragd.config import unreadable
from vragd.config.complaints import Loc, complaint, dotted, refusal
from vragd.config.settings import Config, SourceSettings
from vragd.errors import ConfigError
from vragd.system import places

MAX_CONFIG_BYTES = 1024 * 1024
NEW = "vragd init --force writes a new one, and keeps this one beside it"
PIPE_S = 3.0  # how long a pipe may take to say anything


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where everything is, flags and environment applied."""

    config: Config
    file: Path | None
    data_dir: Path
    socket: Path


def load(
    file: Path,
    *,
    data_dir: str | None = None,
    socket: str | None = None,
    log_level: str | None = None,
    log_file: str | None = None,
    required: bool = True,
) -> Loaded:
    """
    The configuration in `file` with flags and environment on top. Raises ConfigError.

    With `required=False` a missing file means the defaults: no stores.
    """
    text = _read(file, required)
    config, lines = (Config(), {}) if text is None else _parse(text, str(file))
    used = None if text is None else file
    if level := log_level or os.environ.get("VRAGD_LOG_LEVEL"):
        known = ("debug", "info", "warning", "error")
        if level not in known:
            raise ConfigError(f"log level {level!r} is not one of {', '.join(known)}")
        config = config.model_copy(update={"log": config.log.model_copy(update={"level": level})})
    if name := log_file or os.environ.get("VRAGD_LOG_FILE"):
        place = places.expanded(name).absolute()
        config = config.model_copy(update={"log": config.log.model_copy(update={"file": place})})
    loaded = Loaded(
        config=config,
        file=used,
        data_dir=places.data_dir(data_dir, config.paths.data),
        socket=places.socket_path(socket, config.paths.socket),
    )
    check_places(
        [(name, source) for name, store in config.stores.items() for source in store.sources],
        loaded.data_dir,
        loaded.socket,
        lambda store, i: (str(file), lines.get(("stores", store) if i is None else ("stores", store, "sources", i), 1)),
        log_file=config.log.file,
        vectors=[
            (name, kept) for name, store in config.stores.items() for one in store.backends for kept in one.files()
        ],
    )
    return loaded


def read(file: Path) -> str:
    """The text of the file. Raises ConfigError."""
    return _read(file, required=True) or ""


def _read(file: Path, required: bool) -> str | None:
    try:
        raw = _bytes(file)
    except FileNotFoundError:
        if not required:
            return None
        raise ConfigError(f"there is no configuration file at {file}", hint="vragd init ~/path/to/your/vault") from None
    except OSError as error:
        hint = "look at its owner and its permissions"
        raise ConfigError(f"cannot read {file}: {os.strerror(error.errno or 0)}", hint=hint) from error
    if len(raw) > MAX_CONFIG_BYTES:
        hint = "is it another file? vragd init --config FILE makes one"
        raise ConfigError(f"{file} has more than {MAX_CONFIG_BYTES} bytes", hint=hint)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "save it as UTF-8, without anything else"
        raise ConfigError(f"{file} is not UTF-8 (byte {error.start})", hint=hint) from error


def _bytes(file: Path) -> bytes:
    """What is there, but for what is too much. A pipe is waited for: a shell may write it, or nobody ever."""
    with open(file, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as opened:
        if stat.S_ISFIFO(os.fstat(opened.fileno()).st_mode) and not select.select([opened], [], [], PIPE_S)[0]:
            raise ConfigError(f"{file} is a pipe, and nobody writes into it", hint="expected a file")
        os.set_blocking(opened.fileno(), True)
        return opened.read(MAX_CONFIG_BYTES + 1)


def parse(text: str, name: str) -> Config:
    """The configuration written in `text`; `name` is used in complaints. Raises ConfigError."""
    return _parse(text, name)[0]


def _parse(text: str, name: str) -> tuple[Config, dict[Loc, int]]:
    """The configuration, and the line of each of its keys."""
    lines: dict[Loc, int] = {}
    try:
        tree = yaml.compose(text, Loader=_Loader)
        if tree:
            lines = _lines(tree, (), name)
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        what, way = unreadable.in_words(error.context, error.problem)
        raise complaint(name, line, f"not valid YAML: {what}", hint=way) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        hint = "save it as text, without characters that nobody sees"
        raise complaint(name, line, f"not valid YAML: {error.reason}", hint=hint) from error
    except yaml.YAMLError as error:
        raise complaint(name, 1, f"not valid YAML: {error}", hint=NEW) from error
    except RecursionError:
        raise complaint(name, 1, "nested too deeply", hint=NEW) from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise complaint(name, 1, f"expected keys like 'stores:', found {unreadable.kind_of(document)}", hint=NEW)
    try:
        return Config.model_validate(document), lines
    except ValidationError as error:
        raise refusal([dict(item) for item in error.errors()], lines, name) from None


class _Loader(yaml.SafeLoader):
    """A SafeLoader that knows the line of a value it cannot make, such as the date 2026-13-45."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, IndexError) as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error


MAX_DEPTH = 6  # what the deepest key has, with one to spare; an alias may go round for ever


def _lines(node: yaml.Node, at: Loc, name: str) -> dict[Loc, int]:
    """The 1-based line of every key below `node`, by its path. A key given twice is an error."""
    found: dict[Loc, int] = {at: node.start_mark.line + 1}
    if len(at) >= MAX_DEPTH:
        return found
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = (*at, str(key.value))  # a list as a key is refused by the loader
            if path in found:
                hint = "put what both say below one of them"
                raise complaint(name, key.start_mark.line + 1, f"{dotted(path)} is given twice", hint=hint)
            found |= _lines(value, path, name)
            found[path] = key.start_mark.line + 1
            if key.tag.endswith((":int", ":bool")):  # by what is made of it, too, which is no name
                found[(*at, yaml.safe_load(key.value))] = found[path]
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            found |= _lines(value, (*at, i), name)
    return found


def check_places(
    sources: Iterable[tuple[str, SourceSettings]],
    data_dir: Path,
    socket: Path | None = None,
    where: Callable[[str, int | None], tuple[str, int] | None] = lambda store, i: None,
    log_file: Path | None = None,
    vectors: Iterable[tuple[str, Path]] = (),
) -> None:
    """
    Refuse places that cannot work: a source that is / or the home directory, overlapping sources, data,
    socket or vectors in a vault, a vault in the data directory or in a folder of vectors; vectors in the data
    directory, and those of one store twice in one place.

    `sources` are pairs of store name and source. The same directory may stand in two stores, which
    is how two embedders are compared; a folder inside another store's source only if one of them is
    not watched. `where(store, i)` is the file and line of source `i` of a store, or with None of the store itself,
    where it stands in a file.
    """
    seen: list[_Seen] = []
    counts: Counter[str] = Counter()
    files = [_Outside("the socket", "paths.socket", socket), _Outside("the log file", "log.file", log_file)]
    vectors = list(vectors)
    files += [_Outside(f"the vectors of store {store!r},", "the backend's path", file) for store, file in vectors]
    for store, source in sources:
        with _at(where(store, counts[store])):
            _check_alone(store, source, data_dir, files)
            seen.append(_check_beside(store, source, seen))
        counts[store] += 1
    taken: dict[tuple[str, Path], Path] = {}
    for store, file in vectors:
        with _at(where(store, None)):
            _check_vectors(store, file, data_dir, taken.setdefault((store, _real(file)), file))


@contextmanager
def _at(place: tuple[str, int] | None) -> Iterator[None]:
    """Say of a complaint in which file and line its cause stands, if it stands in one."""
    try:
        yield
    except ConfigError as error:
        if place is None:
            raise
        raise complaint(*place, error.message, hint=error.hint) from None


def _check_vectors(store: str, file: Path, data_dir: Path, first: Path) -> None:
    real, data = _real(file), _real(data_dir)
    if data in (real, *real.parents):
        raise ConfigError(
            f"the vectors of store {store!r}, {file}, are inside the data directory {data_dir}",
            hint="set the backend's path to a place outside it, or take type faiss, which keeps its own there",
        )
    if first is not file:
        raise ConfigError(
            f"two of backend and replicas of store {store!r} are one place: {first} and {file}",
            hint="give one of them another path",
        )


def _check_alone(store: str, source: SourceSettings, data_dir: Path, files: Iterable[_Outside]) -> None:
    path, data, home = _real(source.path), _real(data_dir), places.home()
    what = f"source {source.path} of store {store!r}"
    is_home = home is not None and path == _real(home)
    if path == Path(path.anchor) or is_home:
        place = "the home directory" if is_home else "the root of the file system"
        raise ConfigError(f"{what} is {place}", hint="name the vault's own folder")
    if data == path or path in data.parents:
        raise ConfigError(
            f"the data directory {data_dir} is inside {what}",
            hint="set paths.data to a folder outside every vault; vragd never writes in a vault",
        )
    if data in path.parents:
        raise ConfigError(
            f"{what} is inside the data directory {data_dir}",
            hint="the data directory is vragd's alone: move the vault, or set paths.data",
        )
    for thing, key, file in files:
        if file is None:
            continue
        real = _real(file)
        if path in (real, *real.parents):
            raise ConfigError(
                f"{thing} {file} is inside {what}",
                hint=f"set {key} to a place outside every vault; vragd never writes in a vault",
            )
        if real in path.parents:
            raise ConfigError(
                f"{what} is inside {thing.rstrip(',')}, {file}", hint=f"set {key} to a folder that holds nothing else"
            )


class _Outside(NamedTuple):
    """A file of ours that must be in no vault: what it is, and which setting says where."""

    thing: str
    key: str
    file: Path | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A source that was checked; `path` has no links."""

    store: str
    label: str
    path: Path
    watch: bool


def _check_beside(store: str, source: SourceSettings, seen: Iterable[_Seen]) -> _Seen:
    it = _Seen(store, source.label, _real(source.path), source.watch)
    for other in seen:
        nested = other.path in it.path.parents or it.path in other.path.parents
        if other.store == store and other.label == it.label:
            raise ConfigError(
                f"store {store!r} has two sources called {it.label!r}", hint="give one of them another name"
            )
        in_one_store = other.store == store and (nested or other.path == it.path)
        if in_one_store or (nested and it.watch and other.watch):
            raise ConfigError(
                f"source {source.path} of store {store!r} overlaps {other.path} of store {other.store!r}",
                hint="keep the outer one and use include and exclude patterns",
            )
    return it


def _real(path: Path) -> Path:
    """Without links, and composed: a name that was typed composed leads to a folder that lies decomposed."""
    return Path(unicodedata.normalize("NFC", os.path.realpath(path)))
