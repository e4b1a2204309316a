"""`vragd status`: a sentence that says it all, then what it is made of."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vragd.cli.commands import spelt
from vragd.cli.connect import client
from vragd.cli.offers import asked_by_name, offers, print_offers
from vragd.cli.page import HIT, TITLE, Page, Piece, seen
from vragd.cli.reasons import in_words, on_language, on_sent
from vragd.cli.render import ago, json_out, out, out_pieces, plural, sized, the_page, within
from vragd.errors import UsageError, VragdError

Status = dict[str, Any]
WITHOUT_SIZES = "/v1/status?sizes=false"
"""Asked where nobody is shown how much memory and disk is taken: that is counted file by file."""
EVERY_S = 1.0
SILENT_S = 10.0
STATES = {
    "new": "not looked at yet", "ok": "", "offline": "is not there: what is known of it stays",
    "permission": "cannot be read: what is known of it stays",
    "root_changed": "is another folder now: what is known stays",
}  # fmt: skip
"""What is the matter with a folder, in words."""
PRIMARY = "primary"
OF_MODEL = ("embedder_unavailable", "embedder_refused", "embedder_space_mismatch")
OF_BACKEND = ("backend_unavailable", "backend_full", "backend_refused", "store_mismatch", "unknown_collection")
WATCHED = {"events": "watched", "polling": "looked at now and then", "off": "looked at when asked"}


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("status", parents=[common], help="what the daemon does and how far it is")
    sub.add_argument("--watch", action="store_true", help="go on with it, until Ctrl-C")
    sub.add_argument("--json", action="store_true", help="the answer as JSON")
    sub.set_defaults(command=_status)


def _status(args: argparse.Namespace) -> int:
    if args.watch and args.json:
        raise UsageError("--watch is for people", hint="GET /v1/status as often as you like")
    if args.json:
        json_out(client(args).request("GET", "/v1/status"))
        return 0
    if args.watch:
        return _watch(args)
    status, newest_s = _asked(args)
    print_status(status, newest_s, the_page())
    print_imports(status)
    return 0


def _asked(args: argparse.Namespace) -> tuple[Status, float | None]:
    """The status, and how long ago the note that was changed last was; None where nobody can tell."""
    asked = client(args)
    status: Status = asked.request("GET", "/v1/status")
    if not status["stores"]:
        return status, None
    try:
        notes = asked.request("POST", "/v1/recent", {"top_k": 1})["notes"]
    except VragdError:  # a store that is being started again
        return status, None
    return status, max(0.0, time.time() - notes[0]["modified"]) if notes else None


def _watch(args: argparse.Namespace) -> int:
    page, said = the_page(), ""
    try:
        while True:
            status, newest_s = _asked(args)
            if page.width:
                sys.stdout.write("\033[H\033[2J")
                print_status(status, newest_s, page)
            elif (now := sentence(status, None)) != said:
                said = now
                out(said)
            sys.stdout.flush()
            time.sleep(EVERY_S)
    except KeyboardInterrupt:
        return 0


def left_of(told: Mapping[str, Any]) -> str:
    """How long the daemon takes for what is left, in words; "" where it does not say, or has nothing to do."""
    return f"about {ago(left_s)} left" if (left_s := told.get("left_s")) else ""


def sentence(status: Status, newest_s: float | None) -> str:
    """How it is, in one sentence."""
    left = left_of(status)
    stores, failed = status["stores"], status["failed"]
    if not stores and not failed:
        return spelt("Nothing is searched yet: vragd add ~/path/to/your/vault, or vragd store create.")
    notes, pending = sum(n_searched(store) for store in stores), status["pending"]
    out_of_reach = sum(lacks_vectors(store) for store in stores)
    behind = sum(store["n_vectors_behind"] > 0 for store in stores)
    replicas = [replica for store in stores for replica in store.get("replicas", ())]
    replicas_away = sum(replica["trouble"] is not None for replica in replicas)
    replicas_behind = sum(replica["n_behind"] > 0 and replica["trouble"] is None for replica in replicas)
    if pending:
        said = f"{plural(notes, 'note')} searchable, {pending:,} still to be indexed" + (f" ({left})" if left else "")
    else:
        said = f"{'All ' if notes > 1 and not (out_of_reach or behind) else ''}{plural(notes, 'note')} searchable"
    said += f", newest changed {ago(newest_s)} ago" if newest_s is not None else ""
    bad = sum(store["states"].get("failed", 0) for store in stores)
    by_words = sum(store["states"].get("pending", 0) for store in stores)
    away = sum(source["state"] not in ("ok", "new") for store in stores for source in store["sources"])
    waiting = sum(store["trouble"] is not None for store in stores)
    unranked = sum(store.get("rerank_trouble") is not None for store in stores)
    but = [
        f"{plural(n, one, many)}"
        for n, one, many in (
            (len(failed), "store cannot be opened", "stores cannot be opened"),
            (bad, "note has failed", "notes have failed"),
            (by_words, "note is found by words alone yet", "notes are found by words alone yet"),
            (out_of_reach, "store's vectors are out of reach", "stores' vectors are out of reach"),
            (behind, "store has vectors yet to be put", "stores have vectors yet to be put"),
            (replicas_away, "replica is out of reach", "replicas are out of reach"),
            (replicas_behind, "replica is behind", "replicas are behind"),
            (waiting, "store waits", "stores wait"),
            (away, "folder is out of reach", "folders are out of reach"),
            (unranked, "re-ranker failed when asked last", "re-rankers failed when asked last"),
        )
        if n
    ]
    refused = (status.get("reloads") or {}).get("refused")
    but += ["the configuration of now was refused"] if refused else []
    return said + (f"; but {', '.join(but)}" if but else "") + "."


def lacks_vectors(store: Status) -> bool:
    """Whether nobody says what is near a question: its model or its backend is away, and no replica answers."""
    code, degraded = (store["trouble"] or {}).get("code", ""), store["degraded"]
    by_replica = store.get("answers", PRIMARY) != PRIMARY and "replica_away" not in degraded
    return code in OF_MODEL or (code in OF_BACKEND and not by_replica and "replica_answers" not in degraded)


def n_searched(store: Status) -> int:
    """How many of a store's notes are searched: of those it knows, all but what is left out."""
    return int(store["notes"]) - int(store["states"].get("skipped", 0))


def print_status(status: Status, newest_s: float | None, page: Page) -> None:
    """One screen of it."""
    out_pieces([Piece(sentence(status, newest_s), TITLE)], page)
    if status["pending"]:
        out(spelt("vragd sync --wait returns when all is searchable"))
    told = f"vragd {status['version']}, pid {status['pid']}, up {ago(status['uptime_s'])}"
    for field, where in (("memory_bytes", "of memory"), ("bytes_on_disk", "on disk")):
        told += f", {sized(status[field])} {where}" if field in status else ""
    out(told)
    if kept := status.get("page"):
        how = "does not answer, and is begun again" if kept["trouble"] else spelt("vragd web opens it")
        out(f"page: {kept['url']} ({how})")
    for store in status["stores"]:
        _store(store, page)
    for failed in status["failed"]:
        out("")
        _wrong(page, f"{failed['name']}: cannot be opened: {failed['message']}", failed["hint"], indent="")
    if refused := (status.get("reloads") or {}).get("refused"):
        out("")
        _wrong(
            page,
            f"the configuration was refused, the one before is in force: {refused['message']}",
            refused["hint"],
            "",
        )


def when_failed(trouble: dict[str, Any]) -> str:
    """When a re-ranker failed that nobody has asked since: whether it is well by now the next question tells."""
    last_s = trouble.get("last_s", trouble["for_s"])
    since = f", as since {ago(trouble['for_s'])} ago" if ago(trouble["for_s"]) != ago(last_s) else ""
    return f"when asked last, {ago(last_s)} ago{since}; {plural(trouble['n_questions'], 'question')} went without"


def print_imports(status: Status) -> None:
    """What was imported, and what could be: found near the folders that are there."""
    data = Path(status["data_dir"])
    there = [
        Path(source["path"]) for store in status["stores"] for source in store["sources"] if source["state"] == "ok"
    ]
    lines = [line for line in (asked_by_name(data), *offers(data, there)) if line]
    if lines:
        out("")
    print_offers(lines)


def _store(store: Status, page: Page) -> None:
    pending = f", {store['pending']:,} still to be indexed" if store["pending"] else ""
    out(f"\n{store['name']}: {plural(n_searched(store), 'note')} in {plural(store['chunks'], 'passage')}{pending}")
    if store.get("words_alone"):
        out("  by words alone: it has no model and no vectors")
    else:
        embedder = store["embedder"]
        model = embedder.get("model") or embedder.get("path") or "all-MiniLM-L6-v2"  # that of builtin
        out(within(f"  by {embedder['type']} ({model}), in {store['backend']['type']}"))
    if who := store.get("reranked_by"):
        out(within(f"  questions and the best passages go to {who}, which re-ranks them"))
    if trouble := store.get("rerank_trouble"):
        _wrong(page, f"the re-ranker failed {when_failed(trouble)}: {trouble['message']}", trouble["hint"], "    ")
    if host := store.get("sends_to"):
        out(within(f"  the text of its notes goes to {host} to be embedded"))
    if sent := store.get("sent"):
        out(within(f"  sent to it: {on_sent(sent)}"))
    states = {state: n for state, n in store["states"].items() if state not in ("indexed", "pending") and n}
    if states:
        shown = ", ".join(f"{n:,} {state}" for state, n in states.items())
        out(spelt(f"  not whole: {shown} (vragd files --state failed, --state skipped say why)"))
    if closed := store.get("n_closed"):
        out(spelt(f"  withheld from assistants: {plural(closed, 'note')} (vragd files --why NOTE says why)"))
    for source in store["sources"]:
        _source(source, page)
    if trouble := store["trouble"]:
        _wrong(page, f"waiting for {ago(trouble['for_s'])}: {trouble['message']}", trouble["hint"])
    if store["n_vectors_behind"]:
        out(f"  {plural(store['n_vectors_behind'], 'vector')} still to be put into {store['backend']['type']}")
    print_replicas(store, page)
    for name, n in store.get("also_fed", {}).items():
        who = "another source" if n == 1 else f"{n:,} other sources"
        out(within(f"  {who} called {name} {'is' if n == 1 else 'are'} put into the same place, by other machines:"))
        out(spelt("    vragd query --backend shows a note that several have once, the newest"))
    if advice := store.get("advice"):
        out(within(f"  {advice}"))
    if share := store.get("foreign"):
        what, way = on_language(share)
        out(f"  note: {what}\n  {spelt(way)}")
    for line in in_words(store["degraded"]):
        out(within(f"  note: {line}"))


def print_replicas(store: Status, page: Page) -> None:
    """How far each replica of a store is, and what was left of others."""
    for replica in store.get("replicas", ()):
        _replica(replica, page)
    for left in store.get("left_behind", ()):
        out(within(f"  left behind, told nothing any more: {left}"))


def _replica(replica: Status, page: Page) -> None:
    n, dead, refused = replica["n_behind"], replica["n_withdrawn"], replica["n_refused"]
    is_well = "had all when it was reached last" if replica["trouble"] else "up to date"
    behind = f"{plural(n, 'change')} behind" if n else is_well
    behind += f", {dead:,} of them to passages that are gone" if dead else ""
    behind += f"; {plural(refused, 'passage is', 'passages are')} refused" if refused else ""
    out(within(f"  replica {replica['name']} ({replica['type']}, {replica['where']}): {behind}"))
    if trouble := replica["trouble"]:
        _wrong(page, f"out of reach for {ago(trouble['for_s'])}: {trouble['message']}", trouble["hint"], "    ")
    elif replica["silent_s"] > SILENT_S:
        _wrong(page, f"has not answered for {ago(replica['silent_s'])}", "", "    ")


def _source(source: Status, page: Page) -> None:
    seen_s = source["scanned_s_ago"]
    looked = "not looked at whole yet" if seen_s is None else f"looked at whole {ago(seen_s)} ago"
    matter = STATES.get(source["state"], source["state"])
    how = f"{WATCHED.get(source['watching'], source['watching'])}, {looked}"
    line = f"  {source['name']}  {source['path']}  {matter or how}"
    out_pieces([Piece(seen(within(line))[0], HIT if matter and source["state"] != "new" else "")], page, 4)
    if source["n_deletes_held"]:
        out(
            f"    {plural(source['n_deletes_held'], 'note is', 'notes are')} missing all at once and kept for now;"
            f" if that is meant: {spelt('vragd sync --confirm-deletes')}"
        )
    for folder, why in list(source["unwatched"].items())[:3]:
        if why != "asked_for":
            out(within(f"    {folder or 'the folder'} is looked at now and then, as it cannot be watched: {why}"))
    if closed := source.get("closed"):
        what = "all of it" if closed is True else ", ".join(closed)
        out(within(f"    by the configuration withheld from assistants: {what}"))
    if source["rules_trouble"]:
        out(within(f"    not all that Obsidian excludes is known, and the last rules hold: {source['rules_trouble']}"))


def _wrong(page: Page, what: str, hint: str, indent: str = "  ") -> None:
    out_pieces([Piece(seen(within(f"{indent}{what}"))[0], HIT)], page, len(indent) + 2)
    for line in hint.split("\n") if hint else ():
        out(f"{indent}try: {spelt(line)}")
