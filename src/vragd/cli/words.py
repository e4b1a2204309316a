"""The command line as people type it: a parser whose complaints are ours, with the nearest there is as the way out."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from vragd.cli.render import complain
from vragd.cli.tree import below, every, flags
from vragd.errors import UsageError, nearest

MEANT = {
    "search": "query", "pick": "find", "ask": "query", "grep": "query", "q": "query", "ls": "files", "start": "run",
    "serve": "run", "daemon": "run", "show": "get", "cat": "get", "read": "get", "backlinks": "links",
    "related": "similar", "setup": "init", "todo": "tasks", "todos": "tasks", "headings": "outline", "rescan": "sync",
    "refresh": "sync", "rebuild": "reindex", "stores": "store list", "check": "config check", "version": "--version",
}  # fmt: skip
"""Commands by the names that others have for them."""
FLAGS = {
    "--limit": "--top-k", "--count": "--top-k", "--number": "--top-k", "--dir": "--folder", "--directory": "--folder",
    "--null": "-0", "--print0": "-0", "--files-with-matches": "-l", "--paths": "-l", "--editor": "--edit",
    "--colour": "--color", "--since": "--after", "--until": "--before", "--filter": "--where", "--tags": "--tag",
}  # fmt: skip
OF_THESE = {"tags": "tag:{}", "tasks": "{}", "recent": "{}"}
"""What the commands that list are asked with of what somebody named behind them."""
GUARD = "\0"
"""Before a word that begins as an option and is none; no word of a command line has it."""
SURE = 0.7
"""How like a command a word is to be: any other may be what somebody looks for."""
MAX_TOP_K, MAX_LISTED = 1_000, 10_000
"""The bounds of the daemon, for a complaint that names the flag."""
MAX_LINES = 1_000_000
"""Of a log."""
_NUMBERS: dict[Any, str] = {int: "a whole number", float: "a number"}
_SAID = (
    (r"the following arguments are required: (.*)", r"\1 is missing"),
    (r"argument (\S+): expected (one|at least one) argument", r"\1 needs a value"),
    (r"argument (\S+): ignored explicit argument '(.*)'", r"\1 takes no value, and was given \2"),
    (r"argument (\S+): not allowed with argument (\S+)", r"\1 and \2 do not go together"),
    (r"ambiguous option: (\S+) could match (.*)", r"\1 may be \2"),
    (r"argument (\S+): (.*)", r"\1: \2"),
)


class Words(argparse.ArgumentParser):
    """A parser that complains as every command does. `typed` are the words it was given, for what it suggests."""

    typed: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse has it, of what is `typed`; options may stand anywhere."""
        self.typed = self.command_first(sys.argv[1:] if args is None else list(args))
        places = [action for action in self._actions if not action.option_strings]
        if below(self) or not places:
            return super().parse_known_args(self.typed, namespace)
        return self._mixed(places, list(self.typed), namespace)

    def _mixed(self, places: Sequence[argparse.Action], words: list[str], namespace: Any) -> tuple[Any, list[str]]:
        """
        Options first, then what stands in places: argparse has places that may be empty be so as soon as an option
        comes, and refuses what was meant for them.
        """
        at = words.index("--") if "--" in words else len(words)
        kept = [(action, action.nargs, action.default) for action in places]
        try:
            for action in places:
                action.nargs = action.default = argparse.SUPPRESS
            namespace, rest = super().parse_known_args(words[:at], namespace)
        finally:
            for action, nargs, default in kept:
                action.nargs, action.default = nargs, default
        last = Words(prog=self.prog, add_help=False)
        last._has_negative_number_optionals = self._has_negative_number_optionals
        for action in places:
            last._add_action(action)
        return argparse.ArgumentParser.parse_known_args(last, [*rest, *words[at:]], namespace)

    def command_first(self, words: Sequence[str]) -> list[str]:
        """The words, where options that a command below takes and that stand before it are put behind it."""
        for at, word in enumerate(words):
            if (there := below(self).get(word)) is not None and (at == 0 or _are_flags(words[:at], there)):
                return [word, *words[:at], *words[at + 1 :]]
        if words and words[0].startswith("-") and words[0] not in flags(self):  # the command says that it has none
            at = next((at for at, word in enumerate(words) if word in below(self)), 0)
            return [words[at], *words[:at], *words[at + 1 :]]
        return list(words)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The parsed words; says of what is no flag which one it may be, and ends the process with 2."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            self._of(list(self.typed)).refuse(rest)
        return found

    def refuse(self, rest: Sequence[str]) -> NoReturn:
        """Say what of these words is not known here."""
        rest = [word.removeprefix(GUARD) for word in rest]
        flag = next((word.partition("=")[0] for word in rest if word.startswith("-")), "")
        if not flag:
            self._end(f"{self.prog} takes no {rest[0]!r}", self._narrowed(rest))
        known = {one.lstrip("-"): one for one in self._option_string_actions if one.startswith("--")}
        known |= {one.lstrip("-"): ours for one, ours in FLAGS.items() if ours in self._option_string_actions}
        near = known.get(nearest(flag.lstrip("-"), known), "")  # the dashes that all have make none alike
        self._end(f"{self.prog} has no {flag}", f"{near}, or {self.prog} --help" if near else "")

    def _narrowed(self, rest: Sequence[str]) -> str:
        """How a command that lists is asked of what was named behind it; "" for any other."""
        import shlex

        program, _, command = self.prog.partition(" ")
        if not (pattern := OF_THESE.get(command)):
            return ""
        asked = shlex.quote(pattern.format(" ".join(rest).removeprefix("#")))
        return f"{program} query {asked}, or {program} {command} --where {asked}"

    def error(self, message: str) -> NoReturn:
        """Say it as every command complains, and end the process with 2."""
        if below(self) and self.typed and self.typed[0].startswith("-") and self.typed[0] not in flags(self):
            self.refuse(self.typed)
        for pattern, ours in _SAID:
            if match := re.fullmatch(pattern, message, re.DOTALL):
                self._end(f"{self.prog}: {_shortest(match.expand(ours))}")
        self._end(f"{self.prog}: {message}")

    def _of(self, words: list[str]) -> Words:
        """The parser of the command that is meant."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for i, word in enumerate(words):
                    if isinstance(there := action.choices.get(word), Words):
                        return there._of(words[i + 1 :])
        return self

    def _end(self, message: str, hint: str = "") -> NoReturn:
        complain(UsageError(message, hint=hint or f"{self.prog} --help"))
        raise SystemExit(UsageError.exit_status)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        if not isinstance(action, argparse._SubParsersAction):  # whose parser sees it, too
            arg_string = arg_string.removeprefix(GUARD)
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            if expected := _NUMBERS.get(action.type):
                raise argparse.ArgumentError(action, f"expected {expected}, not {arg_string!r}") from None
            raise

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices: Iterable[str] = action.choices or ()
        if action.choices is None or value in choices:
            return
        if isinstance(action, argparse._SubParsersAction):
            self._no_command(str(value), list(choices))
        near = nearest(str(value), choices)
        also = f" (did you mean {near}?)" if near else ""
        raise argparse.ArgumentError(action, f"expected {', '.join(choices)}, not {value!r}{also}")

    def _no_command(self, value: str, choices: Sequence[str]) -> NoReturn:
        import shlex

        after = list(self.typed)[list(self.typed).index(value) + 1 :] if value in self.typed else []
        is_top = " " not in self.prog
        names = {name: name for name in choices} | (MEANT if is_top else {})
        near = names.get(nearest(value, names, SURE), "")
        if near:
            self._end(f"{self.prog} has no command {value!r}", " ".join([self.prog, near, *map(shlex.quote, after)]))
        if not is_top:
            self._end(f"{self.prog} has no action {value!r}", f"one of: {', '.join(choices)}")
        first = next(iter(self.typed), "").partition("=")[0]
        if first.startswith("-") and any(first in flags(one) for one in every(self)):
            hint = f"{self.prog} COMMAND {first}; {self.prog} --help lists commands"
            self._end(f"{first} goes with a command, and none is there", hint)
        if first.startswith("-"):
            self._end(f"{self.prog} has no {first}, and no command {value!r}", f"{self.prog} --help lists both")
        hint = " ".join([self.prog, "query", *map(shlex.quote, [value, *after])])
        self._end(
            f"{self.prog} has no command {value!r}", f"{hint}, to look for that; {self.prog} --help lists commands"
        )


def count(most: int, least: int = 1) -> Any:
    """A type of argument: a whole number from `least` to `most`."""

    def number(text: str) -> int:
        try:
            found = int(text)
        except ValueError:
            found = least - 1
        if not least <= found <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number, {least} to {most:,}, not {text!r}")
        return found

    return number


def score(text: str) -> float:
    """A type of argument: a score that hits may have."""
    try:
        found = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, not {text!r}") from None
    if not -1 <= found <= 2:  # nor of nan
        raise argparse.ArgumentTypeError(f"expected a number, -1 to 2, not {text!r}")
    return found


def show_help(parser: argparse.ArgumentParser) -> int:
    """What there is, where nothing was asked for."""
    parser.print_help(sys.stderr)
    return UsageError.exit_status


def _are_flags(words: Sequence[str], of: argparse.ArgumentParser) -> bool:
    """Whether these are flags of a command, or of those below it, each with its value."""
    known = {name: action for one in every(of) for name, action in flags(one).items()}
    rest = list(words)
    while rest:
        name, joined, _ = rest.pop(0).partition("=")
        if (action := known.get(name)) is None or action.nargs not in (None, 0):
            return False
        if action.nargs is None and not joined:
            if not rest:
                return False
            del rest[0]
    return True


def _shortest(message: str) -> str:
    """Of a flag's names (`-k/-n/--top-k`) the first."""
    return re.sub(r"^(-[\w-]+)(?:/-[\w-]+)+", r"\1", message)
