"""`vragd files --why`: whether a file is searched, if not why not, and its passages."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vragd.cli.commands import spelt
from vragd.cli.connect import Session, load
from vragd.cli.links import named as linked
from vragd.cli.query import NOTHING_FOUND, as_name
from vragd.cli.render import json_out, out, plural, within
from vragd.errors import NotFound, VragdError
from vragd.search.headings import path_of
from vragd.system.filenames import shown

WORDS = {
    "opted_out": "it says vragd: false in its properties",
    "binary": "it is no text",
    "too_large": "it is larger than limits.max_file_bytes",
    "not_a_regular_file": "it is no ordinary file",
    "symbolic_link": "it is a link; what a source links to is not followed",
    "temporary_file": "its name is that of an editor's or sync tool's temporary file",
    "conflict_copy": "its name is that of a sync tool's copy in conflict",
    "dot_folder": "it is in a folder whose name begins with a dot",
    "excluded_by_config": "a pattern of exclude in the configuration leaves it out",
    "excluded_by_obsidian": "Obsidian's Excluded files leave it out (Settings, Files and links)",
    "withdrawn": "it is gone, left out, or says vragd: false since it was indexed: no answer shows it",
    "no_file": "there is no such file",
    "folder": "it is a folder: vragd files lists what is in it",
    "not_seen": "it was not looked at yet: vragd sync looks now",
    "not_included": "no pattern of include in the configuration lets it in",
    "source_offline": "its folder is not there now",
    "eacces": "permission denied: it cannot be read",
    "eperm": "permission denied: it cannot be read",
    "by_words": "its words are found, its vectors wait for the embedder",
    "machine_text": "what no person wrote in it is left out",
    "wordless": "passages without a word are left out",
    "broken_properties": "its properties are no YAML, and are read as text",
    "not_utf8": "its bytes are not UTF-8, and are guessed",
}
"""Reasons, as people say them."""
CLOSED = {
    "note": "it says so, by ai: false or mcp: false in its properties",
    "configuration": "mcp of its source in the configuration says so",
    "unread": "what it says of that was not read yet",
}
"""Why a note is withheld from assistants."""
OURS = ("no_file", "not_seen", "folder")
"""Those that no file has in the daemon's list: it has no such file."""


def in_words(reason: str) -> str:
    """The reason of a state for people: what is known of it, and what vragd calls it."""
    code = reason.partition(":")[0].strip()
    if code in OURS:
        return WORDS[code]
    return f"{WORDS[code]} ({reason})" if code in WORDS else reason


def why(args: argparse.Namespace, session: Session) -> int:
    """Say it; 0 where the file is searched."""
    stores = session.request("GET", "/v1/status")["stores"]
    stores = [store for store in stores if not args.store or store["name"] in args.store]
    named = as_name(args.why)
    rows = session.request("GET", "/v1/files")["files"]
    places = places_of(os.fsencode(args.why).decode("utf-8", "surrogateescape"), stores)
    answers = [_of(session, place, rows, left_out(args, place)) for place in places]
    hint = ""
    if all(answer["reason"] == "no_file" for answer in answers):
        called, hint = _called(args, session, named, rows)
        answers = [_of(session, place, rows, "") for place in called] or answers
    if args.json:
        json_out({"files": answers})
    else:
        _print(named, answers, stores, hint)
    return 0 if any(map(_is_searched, answers)) else NOTHING_FOUND


def _called(
    args: argparse.Namespace, session: Session, name: str, rows: Sequence[Mapping[str, Any]]
) -> tuple[list[Place], str]:  # fmt: skip
    """
    The files that a name means, as `vragd get` has it, in each store; what is no note by how its path ends. And a hint
    where it is none. Raises UsageError for what may be several notes.
    """
    hint = ""
    try:
        note = session.request("POST", "/v1/get", {"note": linked(args.why), "stores": args.store})["note"]
    except NotFound as error:
        hint = error.hint
        found = [row for row in rows if _ends_with(row["path"], name)]
    else:
        found = [row for row in rows if (row["source"], row["path"]) == (note["source"], note["path"])]
    of = [row for row in found if not args.store or row["store"] in args.store]
    return [Place(row["store"], row["source"], row["path"]) for row in of], hint


def _ends_with(path: str, name: str) -> bool:
    """Whether it is a path's last parts, with or without what tells the kind of a file."""
    whole, part = f"/{path}".casefold(), f"/{name}".casefold()
    return whole.endswith(part) or whole.removesuffix(Path(path).suffix.casefold()).endswith(part)


class Place(NamedTuple):
    """Where a file is, or would be, by its very bytes (`surrogateescape`). `root` is its source's folder."""

    store: str
    source: str
    path: str
    root: str = ""


def places_of(named: str, stores: Sequence[Mapping[str, Any]]) -> list[Place]:
    """
    Where what is `named` would be; as a path of this machine, as hits print it, or as its vault has it, if it is there.
    """
    real = os.path.realpath(os.path.expanduser(named))  # noqa: PTH111  what a shell left as it was typed
    found = []
    for store in stores:
        for source in store["sources"]:
            root = os.path.realpath(source["path"])
            if real.startswith(root + os.sep):
                found.append(Place(store["name"], source["name"], real[len(root) + 1 :], root))
            elif named.startswith(f"{source['name']}/"):
                found.append(Place(store["name"], source["name"], named[len(source["name"]) + 1 :], root))
            elif not named.startswith("/") and ".." not in named.split("/") and Path(root, named).is_file():
                found.append(Place(store["name"], source["name"], named, root))
    return found


def left_out(args: argparse.Namespace, place: Place) -> str:
    """What the disk and the configuration say of a file that the daemon does not know; "" for nothing."""
    file = os.path.join(place.root, place.path)
    if not os.path.lexists(file):
        return "no_file"
    if os.path.isdir(file):
        return "folder"
    from vragd.stores.trial import left_out as by_settings

    store = load(args).config.stores.get(place.store)
    chosen = [source for source in store.sources if source.label == place.source] if store else []
    return by_settings(chosen[0], place.path) or "not_seen" if chosen else "not_included"


def reason_of(path: str, rows: Mapping[str, Mapping[str, Any]], otherwise: str) -> str:
    """Why what is in no row is not searched: it, or a folder above, is left out, or else."""
    parts = path.removesuffix("/").split("/")
    for n in range(1, len(parts) + 1):
        if (row := rows.get("/".join(parts[:n]) + "/")) is not None:
            return str(row["reason"])
    if any(part.startswith(".") for part in (parts if otherwise == "folder" else parts[:-1])):
        return "dot_folder"
    return otherwise


def _of(session: Session, place: Place, rows: Sequence[Mapping[str, Any]], otherwise: str) -> dict[str, Any]:
    store, source, path = place.store, place.source, shown(place.path)
    own = {row["path"]: row for row in rows if (row["store"], row["source"]) == (store, source)}
    found = own.get(path)
    answer: dict[str, Any] = {"store": store, "source": source, "path": path, "state": "skipped", "reason": ""}
    answer |= {"chunks": [], "closed": []}
    if found is None:
        return answer | {"reason": reason_of(path, own, otherwise)}
    answer |= {"state": found["state"], "reason": found["reason"] or "", "closed": found.get("closed", [])}
    if _is_searched(found):
        try:
            got = session.request("POST", "/v1/get", {"note": path, "stores": [store], "sources": [source]})
        except VragdError:  # gone in between, or a name that two notes have
            return answer
        answer["chunks"] = got["parts"]
    return answer


def _is_searched(file: Mapping[str, Any]) -> bool:
    return file["state"] in ("indexed", "partial") or (file["reason"] or "").startswith("by_words")


def _print(named: str, answers: Sequence[Mapping[str, Any]], stores: Sequence[Mapping[str, Any]], hint: str) -> None:
    if not answers:
        out(within(f"{named}: no such file in a folder that is searched"), 2)
        out(within(f"  {spelt(hint)}"), 2)
        said = "  a name, or a path as vragd files prints them; another folder is searched after vragd add"
        out(spelt(said), 2)
        known = ", ".join(source["path"] for store in stores for source in store["sources"])
        out(within(f"  searched: {known or 'none yet'}"), 4)
    for answer in answers:
        out(within(f"{answer['source']}/{answer['path']} in store {answer['store']}: {_said(answer)}"), 4)
        if answer["reason"]:
            out(within(f"  {spelt(in_words(answer['reason']))}"), 4)
        if answer["closed"] and answer["reason"] != "opted_out":
            out(within(f"  withheld from assistants: {'; '.join(CLOSED[why] for why in answer['closed'])}"), 4)
        for chunk in answer["chunks"]:
            lines = f"{chunk['lines'][0]:>5}-{chunk['lines'][1]:<5}"
            out(within(f"  {lines} {chunk['id']}  {path_of(chunk['heading'])}".rstrip()), 16)


def _said(answer: Mapping[str, Any]) -> str:
    if _is_searched(answer):
        whole = {"indexed": "searched", "partial": "searched in part"}.get(answer["state"], "searched by its words")
        return f"{whole}, {plural(len(answer['chunks']), 'passage')}"
    return {"pending": "still to be indexed", "failed": "not searched: it failed"}.get(answer["state"], "not searched")
