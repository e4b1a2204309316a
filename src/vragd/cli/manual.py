"""
The manual page and docs/commands.md, made from the tree that parses the commands. Not part of what runs, but when run:
`python -m vragd.cli.manual FOLDER` writes man/vragd.1 and docs/commands.md there.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from vragd import __version__
from vragd.cli import tree
from vragd.cli.commands import MODULES
from vragd.cli.main import parser

FILES = ("man/vragd.1", "docs/commands.md")
COMMON = "where things are"
"""How the heading of the flags begins that every command takes."""


def value_of(action: argparse.Action) -> str:
    """How an argument's value is written: its choices, or a word for it."""
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest.upper().replace("_", "-")


def term_of(action: argparse.Action) -> str:
    """The argument as it is typed: `-k, -n, --top-k N`, or `NOTE`."""
    value = value_of(action) if action.nargs != 0 else ""
    if not action.option_strings:
        return value
    return ", ".join(action.option_strings) + (f" {value}" if value else "")


def usage_of(one: argparse.ArgumentParser) -> str:
    """The command with its positional words, and where it takes any, `[FLAGS]`."""
    words = [one.prog]
    if tree.below(one):
        return f"{one.prog} {'COMMAND' if one.prog == 'vragd' else '|'.join(tree.below(one))}"
    for action in tree.positionals(one):
        value = value_of(action)
        words.append({"?": f"[{value}]", "*": f"[{value}...]", "+": f"{value}..."}.get(str(action.nargs), value))
    return " ".join([*words, "[FLAGS]"])


def own_of(one: argparse.ArgumentParser) -> list[argparse.Action]:
    """What it takes, but for what every command does, and its commands."""
    skipped = {id(action) for title, actions in tree.groups(one) if title.startswith(COMMON) for action in actions}
    found = [*tree.positionals(one), *dict.fromkeys(tree.flags(one).values())]
    return [action for action in found if id(action) not in skipped and action.dest != "help"]


def common_of(top: argparse.ArgumentParser) -> list[argparse.Action]:
    """The flags that every command takes."""
    one = tree.below(top)["query"]
    return [action for title, actions in tree.groups(one) if title.startswith(COMMON) for action in actions]


def described(top: argparse.ArgumentParser) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """Each command, and each action of one, with what it is for in a line; in the order of the help."""
    said = tree.helps(top)
    for name, one in tree.below(top).items():
        yield one, said.get(name, "")
        for action, inner in tree.below(one).items():
            yield inner, tree.helps(one).get(action, "")


def markdown() -> str:
    """docs/commands.md."""
    top = parser()
    lines = [
        "# Commands",
        "",
        "Made by `python -m vragd.cli.manual .` from what parses them; also `vragd COMMAND --help`, and `man vragd`.",
        "",
        *(f"- [`vragd {name}`](#vragd-{name}): {said}" for name, said in tree.helps(top).items()),
        "",
        "## Flags of every command",
        "",
        *_table(common_of(top)),
    ]
    for one, said in described(top):
        lines += ["", f"{'##' if one.prog.count(' ') == 1 else '###'} {one.prog}", "", f"`{usage_of(one)}`: {said}."]
        lines += ["", one.description] if one.description else []
        lines += ["", *_table(own_of(one))] if own_of(one) else []
    return "\n".join([*lines, "", "## Exit status", "", *_exits(top), ""])


def _table(actions: list[argparse.Action]) -> list[str]:
    rows = [f"| `{_cell(term_of(one))}` | {_cell(help_of(one))} |" for one in actions]
    return ["| | |", "|---|---|", *rows]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def help_of(action: argparse.Action) -> str:
    """What is said of an argument; of one with choices where nothing is, nothing."""
    return (action.help or "").replace("%%", "%")


def _exits(top: argparse.ArgumentParser) -> list[str]:
    epilog = top.epilog or ""
    return epilog[epilog.index("exit status:") + len("exit status: ") :].split("\n")


def manual() -> str:
    """vragd.1, for man(7)."""
    top = parser()
    lines = [
        '.\\" made by python -m vragd.cli.manual from what parses the commands',
        f'.TH VRAGD 1 "" "vragd {__version__}" "User Commands"',
        ".SH NAME",
        f"vragd \\- {_roff((top.description or '').rstrip('.'))}",
        ".SH SYNOPSIS",
        ".B vragd",
        ".I COMMAND",
        "[FLAGS]",
        ".SH COMMANDS",
    ]
    for one, said in described(top):
        lines += [f".SS {_roff(usage_of(one))}", _roff(f"{said[:1].upper()}{said[1:]}.")]
        lines += [".PP", _roff(one.description)] if one.description else []
        lines += [line for action in own_of(one) for line in _option(action)]
    lines += [".SH FLAGS OF EVERY COMMAND", *(line for action in common_of(top) for line in _option(action))]
    lines += [".SH EXIT STATUS", *map(_roff, _exits(top)), ".SH EXAMPLES", ".nf", *map(_roff, _examples(top)), ".fi"]
    lines += [".SH FILES", *(line for name, said in PLACES for line in (".TP", f"\\fI{_roff(name)}\\fR", _roff(said)))]
    return "\n".join([*lines, ""])


PLACES = (
    ("~/.config/vragd/config.yaml", "The configuration."),
    ("~/.local/share/vragd", "The data directory: the index of every store."),
    ("$XDG_RUNTIME_DIR/vragd/vragd.sock", "The daemon's socket."),
)


def _option(action: argparse.Action) -> list[str]:
    said = help_of(action)
    return [".TP", f"\\fB{_roff(term_of(action))}\\fR", *([_roff(said)] if said else [""])]


def _examples(top: argparse.ArgumentParser) -> list[str]:
    found = re.search(r"examples:\n(.*?)\n\n", top.epilog or "", re.DOTALL)
    return found[1].split("\n") if found else []


def _roff(text: str) -> str:
    said = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha")
    )
    return f"\\&{said}" if said.startswith((".", "\\(aq")) else said.replace("~", "\\(ti")


def main(folder: Path) -> int:
    """Write both below `folder`."""
    assert set(tree.below(parser())) == set(MODULES)
    for name, text in zip(FILES, (manual(), markdown()), strict=True):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:])))
