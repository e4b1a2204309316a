"""`vragd models`: which models are known to embed notes, and how to configure them; `models download` fetches one."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.cli.connect import load
from vragd.cli.passing import Passing
from vragd.cli.render import ago, json_out, out, out_whole, plural, say, within
from vragd.errors import UsageError

if TYPE_CHECKING:
    from vragd.stores.fetching import Offered, Wanted

NOTE = "Quality: nDCG@5 over notes of two English vaults. Another model: docs/models.md."
MIB = 1 << 20


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("models", parents=[common], help="models that embed notes, and how to configure them")
    sub.add_argument("--json", action="store_true", help="the answer as JSON")
    sub.set_defaults(command=_models)
    group = sub.add_subparsers(metavar="ACTION")
    sub = group.add_parser(
        "download", parents=[common], help="fetch a model by its name on Hugging Face, once",
        description="Asks the hub (HF_ENDPOINT, or huggingface.co) what the model takes, says it, asks you, and fetches"
        " what vragd reads of it into its data directory; what was interrupted goes on. Nothing of yours is sent, and"
        " nothing but this command asks a hub.",
    )  # fmt: skip
    sub.add_argument("name", nargs="?", metavar="OWNER/NAME", help="the model; without one, those the stores name")
    sub.add_argument("--revision", help="a branch, a tag or a commit (default: what the store says, or main)")
    sub.add_argument("--weights", metavar="FILE", help="which file of weights (default onnx/model.onnx)")
    sub.add_argument("-y", "--yes", action="store_true", help="do not ask")
    sub.add_argument("--json", action="store_true", help="what came of it, as JSON")
    sub.set_defaults(command=_download)


def _models(args: argparse.Namespace) -> int:
    from vragd.stores.trial import models

    rows = models()
    if args.json:
        json_out({"models": rows})
        return 0
    for row in rows:
        size = f"{row['mib']:,} MiB" if row["mib"] is not None else "a server's"
        out(f"{row['name']} ({row['type']})")
        out(within(f"  languages: {row['languages']}; {row['dimension']} dimensions, {size}, {row['licence']}"))
        out(f"  quality: {row['quality']}{'' if row['ran'] else '; vragd was not run with it'}")
        out_whole(f"  embedder: {row['settings']}")
    out(NOTE)
    return 0


def _download(args: argparse.Namespace) -> int:
    from vragd.stores import fetching

    loaded = load(args)
    wanted = fetching.wanted(loaded, args.name, args.revision, args.weights, lambda why: say(within(why)))
    if not wanted and not args.json:
        say("no store names a model that would have to be fetched: vragd models download OWNER/NAME")
    rows, status = [], 0
    for one in wanted:
        offer = fetching.offer(one, loaded.data_dir)
        if not offer.is_here and not _agreed(one, offer, yes=args.yes):
            say(f"{one.named.name} was not fetched")
            status = 1
            continue
        rows.append(_fetched(one, offer, loaded.data_dir, as_json=args.json))
    if args.json:
        json_out({"models": rows})
    return status


def _agreed(one: Wanted, offer: Offered, *, yes: bool) -> bool:
    """Say what is fetched, and from where; whether that is meant. Raises UsageError when nobody can be asked."""
    offer.ensure_room()
    here = f", of which {offer.n_missing / MIB:,.0f} are missing" if 0 < offer.n_missing < offer.n_bytes else ""
    files = plural(len(offer.paths), "file")
    say(within(f"{one.named.name}, commit {offer.commit[:12]}: {files}, {offer.n_bytes / MIB:,.0f} MiB{here},"))
    say(within(f"  from {offer.host} into {offer.folder}"))
    say(f"  {offer.host} learns the model's name and your address; nothing of your notes is sent")
    if offer.was not in (None, offer.commit):
        say(f"  here is commit {offer.was[:12] if offer.was else ''}, which stays; files that differ embed notes anew")
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("this fetches something from another machine, and nobody can be asked", hint="--yes")
    say("Fetch it? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _fetched(one: Wanted, offer: Offered, data_dir: Path, *, as_json: bool) -> dict[str, Any]:
    from vragd.stores.fetching import fetch, settings_of

    missing, started, progress = offer.n_missing, time.monotonic(), _Progress(offer.n_bytes)
    try:
        folder = fetch(offer, data_dir, progress.show)
    finally:
        progress.end()
    if not as_json:
        out_whole(str(folder))
        for store in one.stores:
            say(within(f"store {store} takes it by itself where vragd runs; another commit of it after vragd restart"))
        if not one.stores:
            say(f"in the configuration: embedder: {settings_of(one)}")
    return {
        "model": one.named.name, "revision": one.named.revision, "commit": offer.commit, "folder": str(folder),
        "files": offer.paths, "bytes": offer.n_bytes, "fetched_bytes": missing, "embedder": settings_of(one),
        "seconds": round(time.monotonic() - started, 2),
    }  # fmt: skip


class _Rest:
    """How long what is left will take, by what was done since there was most."""

    def __init__(self) -> None:
        self._most, self._since = 0, 0.0

    def of(self, left: int, now: float) -> str:
        """In words; "" while nobody can tell. `now` in seconds of a clock that goes on."""
        if left >= self._most or not left:
            self._most, self._since = left, now
            return ""
        done, took_s = self._most - left, now - self._since
        return f"about {ago(took_s * left / done)} left" if took_s > 1 else ""


class _Progress:
    """How much is here and how long the rest takes, rewritten in place on a terminal, silent elsewhere."""

    def __init__(self, n_bytes: int) -> None:
        self._most, self._rest, self._shown_at, self._line = n_bytes, _Rest(), 0.0, Passing()

    def show(self, path: str, here: int) -> None:
        """`here` bytes of all files are here; of `path` they come now."""
        now = time.monotonic()
        left = self._rest.of(self._most - here, now)
        if now - self._shown_at < 0.2 and here < self._most:
            return
        self._shown_at = now
        self._line.show(f"{here / MIB:,.0f} of {self._most / MIB:,.0f} MiB, {path}{', ' + left if left else ''}")

    def end(self) -> None:
        """Take it away."""
        self._line.end()
