"""A backend or an embedder is one folder: nobody else names its type, or imports what is in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from vragd.terms import backends, embedders

SOURCE = Path(__file__).parents[3] / "src" / "vragd"
ROOMS = {"backends": backends.REGISTRY, "embed": embedders.REGISTRY}
REGISTRIES = {SOURCE / "terms" / "backends.py", SOURCE / "terms" / "embedders.py"}
# Words that mean other things too: only whole strings and folders count, and a class only beside what it is a type of.
PLAIN = {"memory", "builtin", "sqlite", "file", "s3", "onnx", "none"}
EVERYDAY = {"file", "sqlite", "s3", "none"}  # these as strings, too
EVERY = {name for registry in ROOMS.values() for name in registry}
PARTS = {"backend", "embedder"}
THEIRS = {"backends/opensearch/settings.py": {"faiss"}, "embed/exported.py": {"onnx"}}
"""Words of other programs: OpenSearch has an engine of that name, exports of models a folder."""


def named(text: str, types: set[str]) -> Iterator[str]:
    """What names one of `types` in a module: a string that is a type, a folder of one, a name made of one."""
    tree = ast.parse(text)
    docs = {id(body[0].value) for body in bodies(tree) if isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            words = re.split(r"[./:]", node.value)
            if words[0] in types - EVERYDAY or (words[0] == "vragd" and types & set(words)):
                yield f"{node.lineno}: {node.value!r}"
            continue
        for name in names_in(node):
            for _ in types_in(name) & types:
                yield f"{node.lineno}: {name}"


@cache
def types_in(name: str) -> frozenset[str]:
    """The types that a name is made of."""
    parts = set(re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()))
    joined = re.sub(r"[^a-z0-9]", "", name.lower())
    found = {kind for kind in EVERY if ((kind in parts and parts & PARTS) if kind in PLAIN else kind in joined)}
    # of two the longer one is named
    return frozenset(
        kind for kind in found if not any(kind in longer and longer in joined for longer in EVERY - {kind})
    )


def bodies(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            yield node.body


def names_in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name():
            yield node.id
        case ast.Attribute():
            yield node.attr
        case ast.arg():
            yield node.arg
        case ast.keyword():
            yield node.arg or ""
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name
        case ast.ImportFrom():
            yield node.module or ""
            yield from (alias.name for alias in node.names)
        case ast.Import():
            yield from (alias.name for alias in node.names)


def test_nobody_names_a_type_outside_its_folder_and_the_registry() -> None:
    found = []
    for path in SOURCE.rglob("*.py"):
        room, *inside = path.relative_to(SOURCE).parts
        own = inside[0] if room in ROOMS and inside[0] in ROOMS[room] else ""
        types = {name for registry in ROOMS.values() for name in registry if name != own}
        types -= THEIRS.get(str(path.relative_to(SOURCE)), set())
        if path not in REGISTRIES:
            found += [f"{path.relative_to(SOURCE)}:{it}" for it in named(path.read_text("utf-8"), types)]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        'if kind == "memory": pass',
        'TYPE = "s3vectors"',
        'title = f"ollama/{model}"',
        'module = "vragd.backends.faiss.backend"',
        "from vragd.backends.faiss.settings import Settings",
        "import vragd.embed.ollama",
        "x = isinstance(it, S3VectorsBackend)",
        "def f(memory_backend): pass",
        "x = args.ollama",
        "x = S3Backend()",
        "x = S3VectorsBackend()",
        "f(BuiltinEmbedder())",
        "class OllamaLike: pass",
    ],
)
def test_a_type_that_is_named_is_found(line: str) -> None:
    assert list(named(line, EVERY))


def test_a_name_that_another_begins_with_is_not_named_by_that() -> None:
    assert list(named("x = S3VectorsBackend()", EVERY - {"s3vectors"})) == []


def test_prose_may_speak_of_a_type() -> None:
    text = '"""Such as faiss."""\nx = "an index of FAISS"\nmemory_mib = 3\nimport builtins\n# ollama\n'
    assert list(named(text, {"faiss", "memory", "builtin", "ollama"})) == []


def test_every_type_is_a_folder_with_a_docstring_alone_at_its_door() -> None:
    for room, registry in ROOMS.items():
        for name, folder in registry.items():
            assert folder == f"vragd.{room}.{name}"
            (only,) = ast.parse((SOURCE / room / name / "__init__.py").read_text("utf-8")).body
            assert isinstance(only, ast.Expr)
