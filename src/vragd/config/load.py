"""
Pure load of a configuration file: reads, checks, returns frozen settings. Writes and makes nothing.

Every complaint names the file, the line, the key, what was expected and, for an unknown key, the
nearest known one.
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from vragd.config.settings import Config, SourceSettings
from vragd.errors import ConfigError
from vragd.system import places

MAX_CONFIG_BYTES = 1024 * 1024


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
        place = Path(name).expanduser().absolute()
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
        lambda store, i: f"{file}:{lines.get(('stores', store, 'sources', i), 1)}: ",
        log_file=config.log.file,
    )
    return loaded


def _read(file: Path, required: bool) -> str | None:
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        if not required:
            return None
        raise ConfigError(f"there is no configuration file at {file}", hint="vragd init ~/path/to/your/vault") from None
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {os.strerror(error.errno or 0)}") from error
    if len(raw) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{file} has {len(raw)} bytes, which is more than {MAX_CONFIG_BYTES}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 (byte {error.start})") from error


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
        raise ConfigError(f"{name}:{line}: not valid YAML: {error.problem}", line=line) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{name}:{line}: not valid YAML: {error.reason}", line=line) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}:1: not valid YAML: {error}", line=1) from error
    except RecursionError:
        raise ConfigError(f"{name}:1: nested too deeply", line=1) from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError(f"{name}:1: expected keys like 'stores:', found a {type(document).__name__}", line=1)
    try:
        return Config.model_validate(document), lines
    except ValidationError as error:
        complaints = [_complaint(dict(item), lines, name) for item in error.errors()]
        hint = "vragd config check tries a file without starting"
        line = int(complaints[0].removeprefix(f"{name}:").partition(":")[0])
        raise ConfigError("\n".join(complaints), hint=hint, line=line) from None


class _Loader(yaml.SafeLoader):
    """A SafeLoader that knows the line of a value it cannot make, such as the date 2026-13-45."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, IndexError) as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error


Loc = tuple[str | int, ...]
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
                line = key.start_mark.line + 1
                raise ConfigError(f"{name}:{line}: {_dotted(path)} is given twice", line=line)
            found |= _lines(value, path, name)
            found[path] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            found |= _lines(value, (*at, i), name)
    return found


def _dotted(path: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in path)


def _complaint(item: Mapping[str, Any], lines: Mapping[Loc, int], name: str) -> str:
    # pydantic puts the tag of a union ('ollama') and '[key]' into the path; the file has neither
    loc: Loc = tuple(part for part in item["loc"])
    shown = loc
    while shown and shown not in lines:
        dropped = [shown[:i] + shown[i + 1 :] for i in range(len(shown) - 1, -1, -1)]
        shown = next((path for path in dropped if path in lines), shown[:-1])
    where = f"{name}:{lines.get(shown, 1)}: "
    if item["type"] == "extra_forbidden":
        known = _known_keys(loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return f"{where}unknown key {_dotted(shown)!r}; {advice}"
    if item["type"] == "missing":
        return f"{where}{_dotted(shown) or 'the file'} needs the key {str(loc[-1])!r}"
    message = str(item["msg"]).removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    value = item.get("input")
    found = f", found {value!r}" if isinstance(value, str | int | float | bool | None) else ""
    return f"{where}{_dotted(shown)}: {message}{found}"


def _known_keys(loc: Loc) -> list[str]:
    """The keys of the model at `loc`, or of all models when a union hides which one it is."""
    model: Any = Config
    for part in loc:
        models = _models_in(model.model_fields[part].annotation) if part in getattr(model, "model_fields", {}) else []
        if len(models) == 1:
            model = models[0]
        elif models:
            model = models
        elif isinstance(model, list):
            model = next((m for m in model if m.model_fields["type"].annotation.__args__[0] == part), model)
    if isinstance(model, list):
        return sorted({key for m in model for key in m.model_fields})
    return sorted(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for arg in getattr(annotation, "__args__", ()) for model in _models_in(arg)]


def check_places(
    sources: Iterable[tuple[str, SourceSettings]],
    data_dir: Path,
    socket: Path | None = None,
    where: Callable[[str, int], str] = lambda store, i: "",
    log_file: Path | None = None,
) -> None:
    """
    Refuse places that cannot work: a source that is / or the home directory, overlapping sources, data
    or socket in a vault, a vault in the data directory.

    `sources` are pairs of store name and source. The same directory may stand in two stores, which
    is how two embedders are compared; a folder inside another store's source only if one of them is
    not watched. `where(store, i)` begins
    the complaint about source `i` of a store.
    """
    seen: list[tuple[str, str, Path, bool]] = []
    data = _real(data_dir)
    home = _real(Path.home())
    counts: Counter[str] = Counter()
    for store, source in sources:
        path = _real(source.path)
        at = where(store, counts[store])
        counts[store] += 1
        what = f"source {source.path} of store {store!r}"
        if path == Path(path.anchor) or path == home:
            place = "the home directory" if path == home else "the root of the file system"
            raise ConfigError(f"{at}{what} is {place}", hint="name the vault's own folder")
        if data == path or path in data.parents:
            raise ConfigError(
                f"{at}the data directory {data_dir} is inside {what}",
                hint="set paths.data to a folder outside every vault; vragd never writes in a vault",
            )
        if data in path.parents:
            raise ConfigError(
                f"{at}{what} is inside the data directory {data_dir}",
                hint="the data directory is vragd's alone: move the vault, or set paths.data",
            )
        for thing, file, key in (("socket", socket, "paths.socket"), ("log file", log_file, "log.file")):
            if file is not None and path in _real(file).parents:
                raise ConfigError(
                    f"{at}the {thing} {file} is inside {what}",
                    hint=f"set {key} to a place outside every vault; vragd never writes in a vault",
                )
        for other_store, other_label, other, other_watched in seen:
            nested = other in path.parents or path in other.parents
            if other_store == store and other_label == source.label:
                raise ConfigError(
                    f"{at}store {store!r} has two sources called {source.label!r}",
                    hint="give one of them another name",
                )
            in_one_store = other_store == store and (nested or other == path)
            if in_one_store or (nested and source.watch and other_watched):
                raise ConfigError(
                    f"{at}{what} overlaps {other} of store {other_store!r}",
                    hint="keep the outer one and use include and exclude patterns",
                )
        seen.append((store, source.label, path, source.watch))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
