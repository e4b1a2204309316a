"""The commands that README and docs have: in blocks as they are typed, elsewhere with words that stand for values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MADE = ROOT / "docs/commands.md"
"""What parses the commands wrote this one."""
VALUES = {"N": "1", "X": "0.5", "WHEN": "never", "SHELL": "bash", "CLIENT": "cursor", "PORT": "8080"}
"""What stands for words that stand for a value of another kind than a text."""
_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_TYPED = re.compile(r"^(?:\$ )?(vragd(?: .*)?)$", re.MULTILINE)
_INLINE = re.compile(r"`(vragd(?: [^`]*)?)`")
_SHELL = re.compile(r"[|<>]|&&|;")


def typed(document: Path) -> Iterator[list[str]]:
    """The words of each command in a document's blocks, without `vragd`, up to a pipe."""
    for block in _BLOCK.findall(document.read_text("utf-8")):
        for line in _TYPED.findall(block):
            if "…" not in line:
                words = shlex.split(line, comments=True)
                end = next((i for i, word in enumerate(words) if _SHELL.fullmatch(word)), len(words))
                yield words[1:end]


def mentioned(document: Path) -> Iterator[list[str]]:
    """Those in its text: of `a|b` each where that is an action, elsewhere the first; optional parts are there."""
    text = _BLOCK.sub("", document.read_text("utf-8")).replace("\\|", "|")
    for line in _INLINE.findall(text):
        bare = re.sub(r"\.\.\.|…", "", line)
        try:
            words = shlex.split(re.sub(r"[\[\]]", "", bare) if "'" not in bare else bare)
        except ValueError:
            words = bare.split()
        end = next((i for i, word in enumerate(words) if _SHELL.fullmatch(word)), len(words))
        choices = [word.split("|") if i < 3 else [word.partition("|")[0]] for i, word in enumerate(words[:end])]
        for chosen in product(*choices):
            yield [VALUES.get(word, word) for word in chosen[1:]]


def commands(document: Path) -> Iterator[tuple[list[str], bool]]:
    """All of both, each once; whether it may be only a command's name."""
    seen = set[tuple[str, ...]]()
    for found, may_be_bare in ((typed(document), False), (mentioned(document), True)):
        for words in found:
            if words and tuple(words) not in seen:
                seen.add(tuple(words))
                yield words, may_be_bare
