"""`vragd store list|create|delete|info`; `copying` has `copy`."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from vragd.cli import beside, bucket
from vragd.cli.commands import spelt
from vragd.cli.connect import Session, data_dir_of
from vragd.cli.render import json_out, out, plural, say, sized, the_page, within
from vragd.cli.status import STATES, n_searched, print_replicas
from vragd.errors import UsageError
from vragd.system.places import named

INDENT = 21
OF_THE_INDEX = {"index": "kind", "unsaved_changes": "changes that its file lacks yet (the catalog has them)"}
"""What a backend says of itself, for people."""


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    top = commands.add_parser("store", help="list, make, delete, describe and copy stores")
    group = top.add_subparsers(metavar="ACTION", required=True)
    sub = group.add_parser("list", parents=[common], help="every store")
    sub.add_argument("--json", action="store_true", help="the answer as JSON")
    sub.add_argument(
        "--all", action="store_true", help="and what the servers and buckets that your stores are kept in hold beside"
    )
    bucket.add_flags(sub, lists=True)
    sub.set_defaults(command=_list)
    sub = group.add_parser("create", parents=[common], help="make a store (those in config.yaml need no making)")
    sub.add_argument("name", help="what the store is called")
    sub.add_argument("--source", action="append", default=[], metavar="DIR", help="a folder to watch")
    sub.add_argument(
        "--ollama", dest="model", metavar="MODEL", help="embed with this Ollama model instead of the builtin one"
    )
    sub.add_argument("--index", choices=("auto", "flat", "ivf", "hnsw"), default="auto", help="FAISS index type")
    sub.add_argument(
        "--metric", choices=("cosine", "euclidean", "dot"), default="cosine", help="how near is told (default cosine)"
    )
    bucket.add_flags(sub)
    sub.set_defaults(command=_create)
    sub = group.add_parser("delete", parents=[common], help="forget a store and all that is kept of it")
    sub.add_argument("name", help="what the store is called")
    sub.add_argument("-y", "--yes", action="store_true", help="do not ask")
    sub.add_argument("--keep-remote", action="store_true", help="leave what the store put into a remote backend")
    bucket.add_flags(sub)
    sub.set_defaults(command=_delete)
    sub = group.add_parser("info", parents=[common], help="one store in full")
    sub.add_argument("name", help="what the store is called")
    sub.add_argument("--json", action="store_true", help="the answer as JSON")
    sub.add_argument("--recall", action="store_true", help="measure how many of the nearest its index finds")
    bucket.add_flags(sub)
    sub.set_defaults(command=_info)
    from vragd.cli.copying import add as add_copy

    add_copy(group, common)


def _list(args: argparse.Namespace) -> int:
    if bucket.wanted(args):
        if args.all:
            raise UsageError("--all is of all that your stores are kept in, not of one place", hint="leave it out")
        return bucket.list_stores(args)
    with Session(args) as session:
        answer = session.request("GET", "/v1/stores")
    imported = bucket.imported(data_dir_of(args))
    there = beside.shared(args) if args.all else []
    if args.json:
        more = ({"imported": imported} if imported else {}) | ({"shared": there} if args.all else {})
        json_out(answer | more)
        return beside.status(there)
    for row in answer["stores"]:
        size = "" if row["notes"] is None else f"{plural(n_searched(row), 'note')}, {plural(row['chunks'], 'chunk')}"
        left = spelt("data without a configuration (vragd store delete)") if row["origin"] == "left" else ""
        where = f"  in {row['backend']}" if row["backend"] else ""
        out(within(f"{row['name']:20} {size or left}{where}"), INDENT)
        if row["trouble"]:
            out(within(f"  {row['trouble']}"), 2)
        for source in row["sources"]:
            out(within(f"  {source}"))
    for row in imported:
        state = "imported" if row["whole"] else "imported, not whole (it broke off)"
        out(within(f"{row['name']:20} {plural(row['vectors'], 'passage')}  {state}"), INDENT)
    if not answer["stores"] and not imported:
        say("no stores yet: vragd init, or vragd store create")
    return beside.show(there) if args.all else 0


def _create(args: argparse.Namespace) -> int:
    if bucket.wanted(args):
        return bucket.create(args)
    from vragd.config.settings import StoreSettings, of_model

    sources = [named(source) for source in args.source]
    for source in sources:
        if not source.is_dir():
            raise UsageError(f"{source} is not a folder", hint="name the vault's own folder")
    body: dict[str, Any] = {
        "name": args.name,
        "sources": [{"path": str(source)} for source in sources],
        "backend": {"type": StoreSettings().backend.type, "index": args.index},
        "metric": args.metric,
    }
    if args.model:
        body["embedder"] = of_model(args.model).model_dump(mode="json", exclude_unset=True)
    with Session(args) as session:
        session.request("POST", "/v1/stores", body, timeout_s=300)
        running = session.is_daemon
    say(f"store {args.name} is made" + ("" if running or not sources else "; vragd run, or vragd index, fills it"))
    return 0


def _delete(args: argparse.Namespace) -> int:
    elsewhere = bucket.wanted(args)
    if bucket.asked(args, args.name):
        return bucket.delete(args) if elsewhere else bucket.delete_imported(args, args.name)
    with Session(args) as session:
        name = quote(args.name, safe="")
        question = f"Forget store {args.name!r} and all that is kept of it? The vault is not touched."
        if not bucket.confirmed(question, repr(args.name), yes=args.yes):
            return 1
        how = "?keep_remote=1" if args.keep_remote else ""
        answer = session.request("DELETE", f"/v1/stores/{name}{how}", timeout_s=300)
    say(f"store {args.name} is deleted")
    for place in answer["left_behind"]:
        say(within(f"left behind, told nothing any more: {place}"))
    if answer["origin"] == "config":
        say("it is still in config.yaml: at its next start the daemon makes it anew")
    return 0


def _info(args: argparse.Namespace) -> int:
    if bucket.asked(args, args.name):
        return bucket.info(args)
    with Session(args) as session:
        measured = "?recall=true" if args.recall else ""
        info = session.request("GET", f"/v1/stores/{quote(args.name, safe='')}{measured}")
    if args.json:
        json_out(info)
        return 0
    out(f"{info['name']} ({info['origin']}), in {info['folder']}, {sized(info['bytes_on_disk'])}", 2)
    looked_at = all(source["scanned_s_ago"] is not None for source in info["sources"])
    left = f", {info['pending']:,} to be indexed" if info["pending"] or looked_at else ""  # else nobody knows
    out(f"  {plural(n_searched(info), 'note')} in {plural(info['chunks'], 'chunk')}{left}")
    out(f"  embedder {info['embedder']['type']}, backend {info['backend']['type']}")
    for name, value in (info.get("index") or {}).items():
        if value is not None:  # a remote backend does not say how many vectors it has
            out(within(f"  index {OF_THE_INDEX.get(name, name.replace('_', ' '))}: {value}"), 4)
    print_replicas(info, the_page())
    if told := info.get("recall"):
        out(f"  {bucket.recall_told(told)}")
    if info["advice"]:
        out(f"  {info['advice']}", 4)
    for source in info["sources"]:
        state = "" if source["state"] == "ok" else f", {STATES.get(source['state'], source['state'])}"
        out(within(f"  source {source['name']}: {source['path']}{state}"))
    return 0
