"""Which files are code, in what language, and whether there is a grammar for it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from functools import cache
from typing import Any

# Package and function of the grammar, by suffix. Each is a package of its own: collections of grammars fetch theirs
# over the network when they are first asked for.
GRAMMARS: Mapping[str, tuple[str, str]] = {
    ".py": ("tree_sitter_python", "language"),
    ".pyi": ("tree_sitter_python", "language"),
    ".js": ("tree_sitter_javascript", "language"),
    ".mjs": ("tree_sitter_javascript", "language"),
    ".cjs": ("tree_sitter_javascript", "language"),
    ".jsx": ("tree_sitter_javascript", "language"),
    ".ts": ("tree_sitter_typescript", "language_typescript"),
    ".mts": ("tree_sitter_typescript", "language_typescript"),
    ".cts": ("tree_sitter_typescript", "language_typescript"),
    ".tsx": ("tree_sitter_typescript", "language_tsx"),
    ".go": ("tree_sitter_go", "language"),
    ".rs": ("tree_sitter_rust", "language"),
    ".java": ("tree_sitter_java", "language"),
    ".c": ("tree_sitter_c", "language"),
    ".h": ("tree_sitter_cpp", "language"),
    ".cc": ("tree_sitter_cpp", "language"),
    ".cpp": ("tree_sitter_cpp", "language"),
    ".cxx": ("tree_sitter_cpp", "language"),
    ".hh": ("tree_sitter_cpp", "language"),
    ".hpp": ("tree_sitter_cpp", "language"),
    ".cs": ("tree_sitter_c_sharp", "language"),
    ".rb": ("tree_sitter_ruby", "language"),
    ".php": ("tree_sitter_php", "language_php"),
    ".sh": ("tree_sitter_bash", "language"),
    ".bash": ("tree_sitter_bash", "language"),
}
PLAIN = frozenset(
    [
        ".clj",
        ".css",
        ".cue",
        ".dart",
        ".erl",
        ".ex",
        ".exs",
        ".fs",
        ".groovy",
        ".hs",
        ".ini",
        ".jl",
        ".json",
        ".jsonc",
        ".kt",
        ".kts",
        ".less",
        ".lua",
        ".m",
        ".ml",
        ".nim",
        ".nix",
        ".pl",
        ".pm",
        ".proto",
        ".ps1",
        ".r",
        ".sass",
        ".scala",
        ".scss",
        ".sql",
        ".svelte",
        ".swift",
        ".tf",
        ".toml",
        ".vb",
        ".vue",
        ".yaml",
        ".yml",
        ".zig",
        ".zsh",
    ]
)
"""Code and data without a grammar here: cut between paragraphs."""
SUFFIXES = frozenset(GRAMMARS) | PLAIN
EXTRA = "code"


@cache
def missing_grammar(suffix: str) -> str | None:
    """The package without which this language is not read along its structure, as things are at the first call."""
    packages = ("tree_sitter", GRAMMARS[suffix][0]) if suffix in GRAMMARS else ()
    return next((name for name in packages if importlib.util.find_spec(name) is None), None)


def has_grammar(suffix: str) -> bool:
    """Whether files of this suffix can be read along their structure."""
    return suffix in GRAMMARS and missing_grammar(suffix) is None


@cache
def parser(suffix: str) -> Any:
    """tree-sitter's parser of what has this suffix; only for one thread at a time. Needs `has_grammar`."""
    from tree_sitter import Language, Parser

    package, function = GRAMMARS[suffix]
    return Parser(Language(getattr(importlib.import_module(package), function)()))
