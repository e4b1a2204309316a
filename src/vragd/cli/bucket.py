"""The flags and commands of a remote index: `--backend` and `--bucket` on `query`, `index` and `store`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.cli.connect import data_dir_of, load
from vragd.cli.indexes import line_of, say_trouble, status_of
from vragd.cli.render import json_out, out, plural, say
from vragd.errors import BackendRefused, DataDirError, UnknownStore, UsageError, VragdError, one_of

if TYPE_CHECKING:
    from pydantic import ValidationError

    from vragd.stores.elsewhere import Place

IMPORTED = "imported"
"""`stores.moves.nearby.IMPORTED`, for those who look whether there is any before they import that."""


ALL = "*"
"""What `--bucket` without a name is taken for: no bucket is called so."""


def add_flags(parser: argparse.ArgumentParser, *, lists: bool = False) -> None:
    """`--backend`, `--bucket` and what belongs to that; `lists`: without a name that means all buckets."""
    group = parser.add_argument_group("an index that others use too; it has the store's name")
    group.add_argument(
        "--backend",
        metavar="URL",
        help="where: postgresql://USER@HOST/DATABASE, sqlite:PATH, or TYPE://PLACE of any other backend",
    )
    told = "where: this vector bucket of Amazon S3 Vectors (or a URL, as --backend)"
    if lists:
        told += "; without a name: the buckets there are"
        group.add_argument("-b", "--bucket", nargs="?", const=ALL, help=told)
    else:
        group.add_argument("-b", "--bucket", help=told)
    group.add_argument("--region", help="its AWS region (default: that of the profile or environment)")
    group.add_argument("--profile", help="the AWS profile to use")
    group.add_argument("--endpoint-url", metavar="URL", help="another service than AWS, for instance an emulator")


def wanted(args: argparse.Namespace) -> bool:
    """Whether these flags mean an index elsewhere. Raises UsageError for flags that do not go together."""
    if args.bucket is None and args.backend is None:
        if given := _given(args):
            raise UsageError(f"--{next(iter(given)).replace('_', '-')} needs --bucket")
        return False
    if args.bucket is not None and args.backend is not None:
        raise UsageError("--backend and --bucket both say where the index is", hint="leave one of them out")
    return True


def asked(args: argparse.Namespace, *names: str) -> bool:
    """
    `wanted`, or whether the one store that is named was imported; `args` then mean the place where those are.

    A store on notes of the same name comes first: what it was imported as is then superseded.
    """
    if wanted(args):
        return True
    directory = data_dir_of(args)
    if len(names) != 1 or not (directory / IMPORTED).is_dir():
        return False
    from vragd.stores.moves.imported import imported_url, is_imported

    if not is_imported(directory, names[0]):
        return False
    args.backend, args.imported = imported_url(directory, names[0]), names[0]
    return True


def _complained(file: Path, error: VragdError) -> None:
    say(f"{file}: {error.message}")
    say(f"try: {error.hint}")


def imported(directory: Path, damaged: Callable[[Path, VragdError], object] = _complained) -> list[dict[str, Any]]:
    """What was imported below a data directory, as `store list` shows it; `damaged` takes what cannot be opened."""
    if not (directory / IMPORTED).is_dir():
        return []
    from vragd.stores import elsewhere
    from vragd.stores.moves.imported import opened_import, unfinished

    rows = list[dict[str, Any]]()
    folder = directory / IMPORTED
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix == ".db")
    except OSError as error:
        damaged(folder, DataDirError(f"cannot be read: {error.strerror}", hint=f"chmod u+rwx {folder}"))
        return rows
    for file in files:
        try:
            with opened_import(directory, file.stem) as place:
                infos = [place.backend.collection_info(name) for name in place.backend.list_collections()]
        except VragdError as error:  # the others are listed all the same
            damaged(file, error)
            continue
        is_whole = not unfinished(directory, file.stem).exists()
        rows += [elsewhere.described(info) | {"vectors": info.count, "whole": is_whole} for info in infos]
    return rows


def delete_imported(args: argparse.Namespace, name: str) -> int:
    """Delete an imported store; a file that holds none goes as it is."""
    try:
        if status := delete(args):
            return status
    except (BackendRefused, UnknownStore) as error:
        say(error.message)
        what = f"the file of the import {name}"
        if not confirmed(f"Delete {what}?", what, yes=args.yes):
            return 1
        say(f"{what}: deleted")
    _forget_imported(args, name)
    return 0


def _forget_imported(args: argparse.Namespace, name: str) -> None:
    """Remove the file of an imported store, whose index is deleted."""
    file = data_dir_of(args) / IMPORTED / f"{name}.db"
    for ending in ("-wal", "-shm", ".lock", "", ".part", ".from"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
    for kept in file.parent.glob(f"{name}.db.damaged*"):  # by a mending: its text is that of the store
        kept.unlink(missing_ok=True)


@contextmanager
def maybe(args: argparse.Namespace) -> Iterator[Place | None]:
    """The place these flags mean, opened; None where there are none of them."""
    if not wanted(args):
        yield None
        return
    with _quietly(args) as place:
        yield place


def _flag(args: argparse.Namespace) -> str:
    """The flag that says where the index is."""
    return "--bucket" if args.backend is None else "--backend"


def _given(args: argparse.Namespace) -> dict[str, str]:
    flags = {"region": args.region, "profile": args.profile, "endpoint_url": args.endpoint_url}
    return {key: value for key, value in flags.items() if value is not None}


def chosen(args: argparse.Namespace) -> Place:
    """The place these flags mean. Raises UsageError naming the flag at fault."""
    from pydantic import ValidationError

    from vragd.stores.elsewhere import Place, is_url

    if args.backend is not None and not is_url(args.backend):
        hint = "such as postgresql://me@host/database or sqlite:PATH"
        raise UsageError("--backend: expected TYPE://PLACE?KEY=VALUE", hint=hint)
    try:
        return Place.named(args.bucket if args.backend is None else args.backend, _given(args))
    except ValidationError as error:
        raise _wrong(_flag(args), error, args.bucket if args.backend is None else args.backend, _given(args)) from None


def _wrong(flag: str, error: ValidationError, url: str, given: Collection[str] = ()) -> UsageError:
    """What is wrong with the place behind a flag, or with what other flags have `given` of it. Never tells a value."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = str(first["loc"][-1]) if first["loc"] else ""  # nothing: the whole is at fault
    if key in given:
        flag = f"--{key.replace('_', '-')}"
        if first["type"] == "extra_forbidden":
            return UsageError(f"{flag} is for places at AWS, or at who speaks like it", hint="leave it out")
    elif first["type"] == "extra_forbidden":
        from vragd.stores.elsewhere import keys_of

        return UsageError(
            f"{flag}: there is no setting {key!r}", hint=f"{one_of(key, keys_of(url), '')}; see docs/backends.md"
        )
    else:
        flag += f": {key}" if key not in ("", "bucket") else ""
    return UsageError(f"{flag}: {first['msg'].removeprefix('Value error, ')}")


def named(flag: str, url: str) -> Place:
    """The place that a URL behind another flag means. Raises UsageError naming that."""
    from pydantic import ValidationError

    from vragd.stores.elsewhere import Place, is_url

    if not is_url(url):
        raise UsageError(f"{flag}: expected TYPE://PLACE?KEY=VALUE", hint="such as sqlite:PATH")
    try:
        return Place.named(url, {})
    except ValidationError as error:
        raise _wrong(flag, error, url) from None


@contextmanager
def _quietly(args: argparse.Namespace) -> Iterator[Place]:
    """`chosen`, for a command that shows an answer and no log."""
    from vragd.system import log

    log.set_up(level="error")
    if (name := getattr(args, "imported", None)) is None:
        with chosen(args) as place:
            yield place
        return
    from vragd.stores.moves.imported import opened_import

    with opened_import(data_dir_of(args), name) as place:
        yield place


def _is_whole(args: argparse.Namespace) -> bool:
    """Whether it is no import that broke off; otherwise that is said."""
    if (name := getattr(args, "imported", None)) is None:
        return True
    from vragd.stores.moves.imported import GO_ON, unfinished

    if not unfinished(data_dir_of(args), name).exists():
        return True
    say(f"the import of {name} broke off: it is not whole")
    say(f"try: {GO_ON}")
    return False


def query(args: argparse.Namespace) -> dict[str, Any]:
    """The answer of an index to `vragd query --backend`."""
    from vragd.stores import elsewhere

    if len(args.store) != 1:
        raise UsageError(f"{_flag(args)} needs one --store", hint=f"vragd store list {_flag(args)} … lists them")
    if what := _needs_catalog(args):
        which = "what was imported has none" if hasattr(args, "imported") else f"{_flag(args)} asks the index alone"
        raise UsageError(f"{what} needs the catalog, and {which}", hint="one --folder works")
    _is_whole(args)
    with _quietly(args) as place:
        loaded = load(args)
        embedders = elsewhere.embedders(loaded.config, args.model)
        text = " ".join(args.text)
        folder = "".join(args.folder)
        return elsewhere.query(
            place.backend, args.store[0], text, embedders, top_k=args.top_k, folder=folder,
            mode=args.mode or "vector", data_dir=loaded.data_dir,
        )  # fmt: skip


def _needs_catalog(args: argparse.Namespace) -> str:
    """What of the question an index cannot answer; "" for nothing."""
    from vragd.search.grammar.halves import filter_of
    from vragd.search.grammar.parse import parse
    from vragd.search.grammar.show import show

    facts = ("tag", "not_tag", "property", "not_property", "not_folder")
    for name in ("source", *facts, "on", "after", "before", "where", "also", "offset", "min_score", "fresh"):
        if getattr(args, name):
            return f"--{name.replace('_', '-')}"
    if len(args.folder) > 1:
        return "more than one --folder"
    if args.sort != "score":
        return f"--sort {args.sort}"
    filters = None if args.plain else filter_of(parse(" ".join(args.text)))
    return "" if filters is None else f"{show(filters)} (--plain takes it for words)"


def list_stores(args: argparse.Namespace) -> int:
    from vragd.stores import elsewhere

    if args.bucket == ALL:
        return _list_buckets(args)
    with _quietly(args) as place:
        rows = [row for _, row in elsewhere.all_described(place.backend)]
    if args.json:
        json_out({"stores": rows})
        return status_of(rows)
    for row in rows:
        out(line_of(row))
        say_trouble(row)
    if not rows:
        say(f"{place.where()} has no index")
    return status_of(rows)


def _list_buckets(args: argparse.Namespace) -> int:
    from pydantic import ValidationError

    from vragd.stores import elsewhere
    from vragd.system import log

    log.set_up(level="error")
    try:
        names = elsewhere.places(_given(args))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        flag = str(first["loc"][-1]).replace("_", "-")
        raise UsageError(f"--{flag}: {first['msg'].removeprefix('Value error, ')}") from None
    if args.json:
        json_out({"buckets": names})
        return 0
    for name in names:
        out(name)
    if not names:
        say("there is no vector bucket in this region")
    return 0


def create(args: argparse.Namespace) -> int:
    from vragd.stores import elsewhere

    if args.source or args.index != "auto":
        raise UsageError("--source and --index are for stores of this machine", hint="vragd index fills an index")
    with _quietly(args) as place:
        loaded = load(args)
        embedder, *_ = elsewhere.embedders(loaded.config, args.model)
        info = elsewhere.create(place.backend, args.name, embedder, args.metric, loaded.data_dir)
    say(f"index {info.name} of {place.where()} is there: {info.dimension}-d {info.metric}, {info.model}")
    if advice := place.settings.advice():
        say(advice)
    return 0


def delete(args: argparse.Namespace) -> int:
    from vragd.stores import elsewhere
    from vragd.stores.registry import Registry

    with _quietly(args) as place:
        doomed = elsewhere.to_delete(place.backend, args.name)
        what = f"index {', '.join(info.name for info in doomed)} of {place.where()}, whoever feeds it"
        if not confirmed(f"Delete {what}?", what, yes=args.yes):
            return 1
        for info in doomed:
            place.backend.delete_collection(info.name, identity=info.identity)
        with suppress(VragdError):  # what is configured here cannot be told, or not be written down: it is deleted
            Registry(load(args)).remember_emptied(args.name, place.where())
    say(f"{what}: deleted")
    return 0


def info(args: argparse.Namespace) -> int:
    from vragd.stores import elsewhere

    with _quietly(args) as place:
        index = elsewhere.resolve(place.backend, args.name)
        found = elsewhere.counted(place.backend, index)
        if args.recall:
            found["recall"] = elsewhere.recall(place.backend, index)
    is_whole = _is_whole(args)
    if args.json:
        json_out(found | ({} if is_whole else {"whole": False}))
        return 0
    made = f", made {found['created']}" if found.get("created") else ""
    out(f"{found['name']}, in {place.where()}{made}")
    out(f"  {found['dimension']}-d {found['metric']}, {found['model'] or 'not made by vragd'}")
    out(f"  {plural(found['vectors'], 'vector')}")
    of_index = ("m", "ef_construction", "ef_search", "lists", "probes", "candidates")
    for key in ("index", "index_failed", *of_index, "words", "words_failed"):
        if key in found:
            out(f"  {key.replace('_', ' ')}: {found[key]}")
    if "recall" in found:
        out(f"  {recall_told(found['recall'])}")
    if advice := place.settings.advice(found["vectors"]):
        out(f"  {advice}")
    for source, count in found["sources"].items():
        out(f"  source {source}: {count:,}")
    return 0


def recall_told(recall: dict[str, Any]) -> str:
    """For people."""
    if recall["exact"]:
        return "recall@10: exact (every vector is compared)"
    return f"recall@10: {recall['at_10']:.3f} of {plural(recall['n_questions'], 'question')} that are stored vectors"


def confirmed(question: str, what: str, *, yes: bool) -> bool:
    """Whether to go on with a deletion. Raises UsageError when nobody can be asked."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(f"deleting {what} needs --yes when nobody can be asked")
    say(f"{question} [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
