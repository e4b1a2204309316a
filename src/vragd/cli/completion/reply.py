"""
What may come next on a command line: `vragd _complete SHELL …`, which the scripts of `scripts` ask.

Commands, flags and their values are those of the tree that parses them; names come from the daemon. Whatever is wrong,
nothing is said, and no daemon is started for it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal, NamedTuple

from vragd.cli import tree
from vragd.cli.completion.typed import Typed, for_bash, in_bash, in_fish
from vragd.errors import VragdError

WAIT_S = 0.3
LIMIT = 200
How = Literal["plain", "nospace", "files", "dirs"]

NAMED = {
    "store": "store", "source": "source", "tag": "tag", "not_tag": "tag", "property": "property",
    "not_property": "property", "folder": "folder", "not_folder": "folder",
    "note": "note", "why": "note",
}  # fmt: skip
"""By what an argument is kept under: which names of the daemon's it takes."""
NAMED_IN = {
    ("vragd properties", "name"): "property", ("vragd store delete", "name"): "store",
    ("vragd store info", "name"): "store",
    ("vragd export", "name"): "store", ("vragd store copy", "name"): "store", ("vragd remove", "path"): "source",
}  # fmt: skip
"""The same where one word means several things."""
ON_DISK: dict[str, How] = {"FILE": "files", "PATH": "files", "GLOB": "files", "DIR": "dirs"}
"""By its metavar."""
ON_DISK_AS: dict[str, How] = {"vault": "dirs", "path": "files"}


class Reply(NamedTuple):
    """What may come next, as whole words; or that the shell is to offer what is on the disk."""

    names: Sequence[str] = ()
    how: How = "plain"


class _Walked:
    """Where the words before the cursor lead: the parser there, its next positional, a flag that waits for a value."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser, self.n_positional = parser, 0
        self.waiting: argparse.Action | None = None
        self.only_positional = self.lost = False
        self.options: dict[str, str] = {}


class Known(NamedTuple):
    """The names of all commands, and the parser of the line, with what the one that is named needs of it."""

    commands: Collection[str]
    parser: Callable[[str], argparse.ArgumentParser]


def answer(shell: str, args: Sequence[str], known: Known) -> bytes:
    """How, and the names, each closed by a NUL: as that shell takes them."""
    if shell == "bash":
        typed = in_bash(*(*args, "", "")[:2])
    else:
        *words, current = args or [""]
        typed = Typed(list(words), in_fish(current) if shell == "fish" else current)
    reply = Reply(how="files") if typed.redirected else Reply() if typed.unknown else reply_to(typed, known)
    names = [name for name in reply.names if name.startswith(typed.kept)]
    if shell == "bash":
        names = [for_bash(name, typed) for name in names]
    elif shell == "fish":
        names = [name for name in names if "\t" not in name]  # behind one it reads a description
    goes_on = names and all(name.endswith(("/", "=")) for name in names)
    return b"".join(os.fsencode(part) + b"\0" for part in ("nospace" if goes_on else reply.how, *names))


def main(words: Sequence[str], known: Known) -> int:
    """Print the answer to a shell; always 0, as nobody is to see what went wrong."""
    try:
        sys.stdout.buffer.write(answer(words[0], words[1:], known) if words else b"")
        sys.stdout.flush()
    except (VragdError, OSError, ValueError):
        return 0
    return 0


def reply_to(typed: Typed, known: Known) -> Reply:
    """What may come next."""
    words, current = typed.words, typed.current
    first = words[0] if words else ""
    if not words and not current.startswith("-"):
        return Reply(_beginning(current, known.commands))
    if words and first not in known.commands:
        return Reply()
    walked = _walk(known.parser(first or next(iter(known.commands))), words)
    if walked.lost:
        return Reply()
    if walked.waiting is not None:
        return _values(walked, walked.waiting, current)
    if current.startswith("-") and not walked.only_positional:
        return _flags(walked, current)
    if commands := tree.below(walked.parser):
        return Reply(_beginning(current, commands))
    positional = tree.positionals(walked.parser)
    if not positional:
        return Reply()
    action = positional[min(walked.n_positional, len(positional) - 1)]
    if walked.n_positional >= len(positional) and action.nargs not in ("*", "+"):
        return Reply()
    return _values(walked, action, current, bare=walked.only_positional)


def _walk(top: argparse.ArgumentParser, words: Iterable[str]) -> _Walked:
    at = _Walked(top)
    for word in words:
        if at.waiting is not None:
            at.options[at.waiting.dest] = word
            at.waiting = None
        elif word == "--" and not at.only_positional:
            at.only_positional = True
        elif word.startswith("-") and len(word) > 1 and not at.only_positional:
            name, equals, value = word.partition("=")
            action = _option(at.parser, name)
            if action is None or action.nargs == 0:
                continue
            at.waiting = None if equals else action
            at.options[action.dest] = value
        else:
            _take(at, word)
    return at


def _take(at: _Walked, word: str) -> None:
    """A positional word: one of the commands, where there are some."""
    commands = tree.below(at.parser)
    if not commands:
        at.n_positional += 1
    elif word in commands:
        at.parser, at.n_positional = commands[word], 0
    else:
        at.lost = True


def _option(parser: argparse.ArgumentParser, name: str) -> argparse.Action | None:
    known = tree.flags(parser)
    if name in known:
        return known[name]
    meant = {id(action): action for flag, action in known.items() if name.startswith("--") and flag.startswith(name)}
    return next(iter(meant.values())) if len(meant) == 1 else None


def _flags(walked: _Walked, current: str) -> Reply:
    name, equals, value = current.partition("=")
    if equals:
        action = _option(walked.parser, name)
        if action is None or action.nargs == 0 or not name.startswith("--"):
            return Reply()
        found = _values(walked, action, value, bare=True)
        return Reply([f"{name}={one}" for one in found.names], found.how)
    flags = [flag for flag in tree.flags(walked.parser) if flag.startswith("--" if current == "-" else "-")]
    return Reply(_beginning(current, flags))


def _values(walked: _Walked, action: argparse.Action, current: str, *, bare: bool = False) -> Reply:
    """What the argument may be; what begins with `-` only where it would be no flag (`bare`)."""
    if action.choices is not None:
        return Reply(_beginning(current, action.choices))
    kind = NAMED_IN.get((walked.parser.prog, action.dest), "")
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    if not kind and metavar != "DIR":
        kind = NAMED.get(action.dest, "")
    if not kind:
        return Reply(how=ON_DISK.get(metavar) or ON_DISK_AS.get(action.dest, "plain"))
    names = _named(walked, kind, current)
    return Reply([name for name in names if bare or not name.startswith("-")])


def _named(walked: _Walked, kind: str, current: str) -> list[str]:
    mark = "#" if kind == "tag" and current.startswith("#") else ""
    prefix = current[len(mark) :]
    places = {name: walked.options.get(name) for name in ("config", "data_dir", "socket")}
    found = _ask(argparse.Namespace(**places), kind, prefix)
    exact = [name for name in found if name.startswith(prefix)]
    if not exact and found:  # in another case: as the first is spelt, or what was typed would be cut
        exact = [name for name in found if name[: len(prefix)] == found[0][: len(prefix)]]
    return [mark + name for name in exact]


def _ask(places: argparse.Namespace, kind: str, prefix: str) -> list[str]:
    from vragd.cli.connect import client

    if _would_start(places):
        return []
    body = {"kind": kind, "prefix": os.fsencode(prefix).decode("utf-8"), "limit": LIMIT}
    names: list[str] = client(places).request("POST", "/v1/names", body, timeout_s=WAIT_S)["names"]
    return names


def _would_start(places: argparse.Namespace) -> bool:
    """Whether systemd would start a daemon for who asks: where it listens itself, and none runs."""
    from vragd.cli.connect import data_dir_of
    from vragd.system.lock import holder
    from vragd.system.places import MACOS, xdg

    if MACOS or not (xdg("XDG_CONFIG_HOME", "~/.config") / "systemd/user/vragd.socket").exists():
        return False
    found = holder(data_dir_of(places))
    if found is None or not found.pid.isdecimal():
        return True
    try:
        os.kill(int(found.pid), 0)
    except OSError:
        return True
    return False


def _beginning(prefix: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(prefix)]
