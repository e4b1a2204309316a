"""`vragd demo`: the main job, on a copy of a vault in a temporary home, with its timings."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vragd.cli.commands import spelt
from vragd.cli.hits import print_hits
from vragd.cli.render import out, plural, say
from vragd.cli.status import WITHOUT_SIZES
from vragd.cli.sync import Progress
from vragd.client import Client
from vragd.errors import NoDaemon, UsageError, VragdError
from vragd.system.places import expanded

SAMPLE_VAULT = Path(__file__).parent.parent / "sample_vault"
QUESTION = "how do I brew coffee"
EDIT = "\n## A note from the demo\n\nThe heron came back to the old mill pond this morning.\n"
EDIT_QUESTION = "bird seen at the water by the mill"
START_S, INDEX_S, FOUND_S = 30.0, 1800.0, 30.0


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    del common  # its places are its own
    sub = commands.add_parser("demo", help="try everything on a copy of a vault, in a temporary place")
    sub.add_argument("vault", nargs="?", help="a vault to copy; without it, a small sample")
    sub.add_argument("--question", default=QUESTION, help="what is asked of it")
    sub.set_defaults(command=_demo)


def _demo(args: argparse.Namespace) -> int:
    vault = expanded(args.vault).absolute() if args.vault else SAMPLE_VAULT
    if not vault.is_dir():
        raise UsageError(f"{vault} is not a folder", hint="name a vault; without one it is the sample vault")
    with tempfile.TemporaryDirectory(prefix="vragd-demo-") as place:
        home = Path(place)
        copy = home / vault.name
        shutil.copytree(vault, copy, symlinks=True)
        # a copy of something read-only is still to be edited
        for path in (copy, *(p for p in copy.rglob("*") if not p.is_symlink())):
            path.chmod(path.stat().st_mode | 0o200)
        out(f"A copy of {vault} in {home}")
        with _daemon(home, copy) as client:
            _show_index(client)
            out(spelt(f'\nvragd query "{args.question}"'))
            started = time.monotonic()
            answer = client.request("POST", "/v1/query", {"text": args.question})
            took = time.monotonic() - started
            print_hits(answer)
            out(f"answered in {took * 1000:.0f} ms")
            _show_edit(client, copy)
        out(spelt("\nStopped; the copy and its index are removed. Your own vault: vragd init ~/path/to/your/vault"))
    return 0


@contextmanager
def _daemon(home: Path, vault: Path) -> Iterator[Client]:
    """A real daemon on `vault`, everything of it below `home`."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("VRAGD_", "XDG_"))}
    env |= {"HOME": str(home), "VRAGD_DATA_DIR": str(home / "data"), "VRAGD_SOCKET": str(home / "run" / "s")}
    command = [sys.executable, "-m", "vragd"]
    subprocess.run([*command, "init", str(vault)], env=env, check=True, stdout=subprocess.DEVNULL)
    log_path = home / "log"
    started = time.monotonic()
    with log_path.open("wb") as log:
        process = subprocess.Popen([*command, "run"], env=env, stderr=log)
    try:
        client = Client(home / "run" / "s")
        _until(lambda: _answers(client, process, log_path), START_S, "the daemon to answer")
        out(f"The daemon answers after {time.monotonic() - started:.1f} s")
        yield client
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(client: Client, process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        last = log.read_text("utf-8", "replace").strip().splitlines()[-3:]
        raise VragdError("the daemon ended at once:\n" + "\n".join(last))
    try:
        client.request("GET", "/healthz", timeout_s=2)
    except NoDaemon:
        return False
    return True


def _show_index(client: Client) -> None:
    started, progress = time.monotonic(), Progress()

    def finished() -> bool:
        status = client.request("GET", WITHOUT_SIZES)
        progress.show(status)
        return not status["pending"] and not status["degraded"]

    _until(finished, INDEX_S, "the vault to be indexed")
    progress.end()
    took = time.monotonic() - started
    (store,) = client.request("GET", "/v1/status")["stores"]
    out(
        f"Indexed {plural(store['notes'], 'note')} as {plural(store['chunks'], 'chunk')} in {took:.1f} s,"
        f" {store['n_embedded']} texts embedded"
    )


def _show_edit(client: Client, vault: Path) -> None:
    note = max((p for p in vault.rglob("*.md") if not any(x.startswith(".") for x in p.parts[-3:])),
               key=lambda p: p.stat().st_size)  # fmt: skip
    before = client.request("GET", "/v1/status")["stores"][0]["n_embedded"]
    say("")
    out(f'A line is added to {note.name}; then {spelt("vragd query")} "{EDIT_QUESTION}"')
    with note.open("a", encoding="utf-8") as file:
        file.write(EDIT)
    saved = time.monotonic()

    def found() -> bool:
        answer = client.request("POST", "/v1/query", {"text": EDIT_QUESTION, "top_k": 3})
        return any("heron" in hit["text"] for hit in answer["hits"])

    _until(found, FOUND_S, "the edit to be found")
    took = time.monotonic() - saved
    print_hits(client.request("POST", "/v1/query", {"text": EDIT_QUESTION, "top_k": 1}))
    embedded = client.request("GET", "/v1/status")["stores"][0]["n_embedded"] - before
    out(f"\nFrom save to searchable: {took * 1000:.0f} ms, {plural(embedded, 'text')} embedded")


def _until(condition: Any, timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise VragdError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(0.02)
