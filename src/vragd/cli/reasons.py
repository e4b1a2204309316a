"""Why an answer may be incomplete or out of date, in words. Its import path is kept to the standard library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vragd.cli.render import plural, say, within

NO_DAEMON = "no_daemon"
"""What answers are degraded by that nobody but the command itself gave."""
_OFF = "the index {}: what is saved waits"
REASONS = {
    NO_DAEMON: "no vragd runs: this is what was indexed before",
    "initial_scan": "the folders are still being looked through",
    "watcher_overflow": "much changed at once: the folders are being looked through",
    "watcher_restarted": "watching was begun anew: the folders are being looked through",
    "files_unread": "files wait that were never read: what is new may be missing",
    "source_offline": "a folder is not there, or cannot be looked at",
    "source_permission": "a folder may not be read by this user",
    "root_changed": "another folder is in the place of a vault: what is known stays",
    "rules_unknown": "Obsidian's excluded files could not be read: that vault waits",
    "rules_withhold": "a pattern of excluded files is none: what it may hide is withheld",
    "partly_unreadable": "some folders could not be listed: what is new there waits",
    "deletes_held": "so many notes are gone at once that it is not believed yet",
    "embedder_unavailable": "the model does not answer: new text is found by its words alone",
    "embedder_refused": "the model may not be asked, or refuses: new text is found by words",
    "embedder_limit": "the model's limit of this month is reached: new text is found by words",
    "embedder_space_mismatch": "the model is another than it was: words alone answer",
    "semantic_unavailable": "the model does not answer: this is by words alone",
    "rerank_slow": "the re-ranker was late: the order is the one without it",
    "rerank_unavailable": "the re-ranker cannot be asked: the order is that without it",
    "words_alone": "a store has no model: related is what shares words",
    "space_rebuilding": "all is embedded again: notes move over one by one",
    "backend_filling": "vectors are still being put into the index",
    "replica_away": "the replica that is to answer cannot: the primary did",
    "replica_answers": "the primary is out of reach: a replica here answers",
    "backend_unavailable": _OFF.format("is out of reach"),
    "backend_full": _OFF.format("is full"),
    "backend_refused": _OFF.format("refuses us"),
    "store_mismatch": _OFF.format("is of another model"),
    "unknown_collection": _OFF.format("is gone"),
    "disk_full": "the disk is full: indexing goes on when it is not",
    "data_dir": "the data directory fails: indexing goes on when it does not",
    "catalog_locked": "another program holds the catalog: indexing waits",
    "too_many_open": "no further file may be opened: indexing goes on when one may",
    "catalog_corrupt": "the catalog is damaged: everything is indexed anew",
    "sorted_best": "more match than are put in order: the best of them are",
    "store_restarting": "a store is being started again, and not in this answer",
    "store_failed": "a store cannot be opened, and is not in this answer",
}  # fmt: skip
"""By the code that programs are told, as docs/using.md lists them."""
_INDEX = frozenset({"backend_unavailable", "backend_full", "backend_refused", "store_mismatch", "unknown_collection"})


def in_words(codes: Sequence[str]) -> list[str]:
    """A line each; of a code that a newer daemon may have, the code."""
    if not _INDEX.isdisjoint(codes):  # then nobody knows of the model that it does not answer
        codes = [code for code in codes if code != "semantic_unavailable"]
    return [REASONS.get(code, code) for code in dict.fromkeys(codes)]


OF_THE_ANSWER = frozenset({"sorted_best"})
"""What is of one answer: `vragd status` knows nothing of it."""


def on_language(share: float) -> tuple[str, str]:
    """That this share of the notes is in languages which the builtin model does badly with; what to take instead."""
    return (
        f"about {share:.0%} of the notes are not English, and the builtin model is:",
        "take a multilingual model, such as embeddinggemma; vragd models lists them",
    )


def on_sending(sending: Mapping[str, Any]) -> str:
    """What is sent to another machine: `texts` of one kind, `n_bytes`, `tokens`, `host`."""
    amount = f"about {plural(sending['n_bytes'], 'byte')} or {plural(sending['tokens'], 'token')}"
    said = f"{plural(sending['texts'], 'text')}, {amount}, to be sent to {sending['host']}"
    if (cost := sending.get("cost")) is not None:
        said += f", for about {money(cost)}"
    if most := sending.get("most_tokens"):
        return f"{said}; the limit is {most:,} tokens a month" + (
            ": what is above it waits, found by its words" if sending["tokens"] > most else ""
        )
    return f"{said}; without a limit: {key} sets one" if (key := sending.get("limit_key")) else said


def on_sent(sent: Mapping[str, Any]) -> str:
    """What a model was sent in a month: `month`, `tokens`, `cost`, and the `most_tokens` there may be."""
    said = f"{plural(sent['tokens'], 'token')} in {sent['month']}"
    said += "" if sent["cost"] is None else f", about {money(sent['cost'])}"
    return f"{said}, of {sent['most_tokens']:,} at most" if sent["most_tokens"] else said


def money(amount: float) -> str:
    """An amount in the money of whoever pays: hundredths, and more where there is no whole one."""
    return f"{amount:,.2f}" if amount >= 0.01 or not amount else f"{amount:.4f}"


def on_indexing(n_searchable: int, pending: int, left: str) -> str:
    """That much is still to be indexed, `left` how long that takes, if that is known: the first that is to be known."""
    left = f", {left}" if left else ""
    there = f"{plural(n_searchable, 'note is', 'notes are')} searchable" if n_searchable else "nothing is searchable"
    return f"{there} yet, {pending:,} still to be indexed{left}: vragd sync --wait returns when all are"


def say_behind(answer: dict[str, Any]) -> None:
    """On standard error, what the answer may lack."""
    codes = answer["degraded"]
    if (n := answer["pending"]) and "indexing" not in answer:
        way = "" if NO_DAEMON in codes else f"; vragd sync --wait waits for {'it' if n == 1 else 'them'}"
        say(f"note: {plural(n, 'file is', 'files are')} still to be indexed{way}")
    if codes:
        for line in in_words(codes):
            say(within(f"note: {line}"))
        if NO_DAEMON in codes:
            say("Start it with vragd run.")
        elif not set(codes) <= OF_THE_ANSWER:
            say("vragd status says more.")
