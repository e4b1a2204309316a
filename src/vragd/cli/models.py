"""`vragd models`: which models are known to embed notes, and how to configure them."""

from __future__ import annotations

import argparse
from typing import Any

from vragd.cli.render import json_out, out, out_whole, within

NOTE = "Quality: nDCG@5 over notes of two English vaults. Another model: docs/models.md."


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("models", parents=[common], help="models that embed notes, and how to configure them")
    sub.add_argument("--json", action="store_true", help="the answer as JSON")
    sub.set_defaults(command=_models)


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
