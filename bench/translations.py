"""
Real sentences in many languages: the translations that come with Django, which is installed for them alone.

Nothing of it is imported; its catalogs of messages are read as files.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

_MESSAGE = re.compile(r'^msgstr(?:\[\d\])? ((?:"(?:[^"\\\n]|\\.)*"\n)+)', re.MULTILINE)
_NO_TEXT = re.compile(r"%\(\w+\)\w|%\w|\{\w*\}|<[^<>]*>|https?:\S+")  # places for values, markup


def sentences(language: str) -> list[str]:
    """Every message in a language, such as `fr` or `zh_Hans`, each once, in one order."""
    found: dict[str, None] = {}
    for file in _catalogs(language):
        for match in _MESSAGE.finditer(file.read_text("utf-8") + "\n"):
            message = "".join(ast.literal_eval(line) for line in match[1].splitlines())
            if "Content-Type:" not in message and (text := " ".join(_NO_TEXT.sub(" ", message).split())):
                found.setdefault(text)
    return list(found)


def _catalogs(language: str) -> Iterator[Path]:
    spec = importlib.util.find_spec("django")
    if spec is None or spec.origin is None:
        raise SystemExit("words needs the translations of Django: pip install '.[dev]'")
    yield from sorted(Path(spec.origin).parent.rglob(f"locale/{language}/LC_MESSAGES/*.po"))
