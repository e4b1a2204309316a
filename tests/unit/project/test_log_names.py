"""Every log call has one literal event name, `area.thing_happened`; everything variable is a field."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import vragd

LEVELS = {"debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "msg", "log"}
EVENT = re.compile(r"[a-z]+\.[a-z]+(_[a-z]+)+")
BEGINS = re.compile(r"\b(_?log|logger|get_logger|getLogger)\b")
"""One of these stands wherever a logger is bound: see `is_logger`. Most files have none, and need no tree."""
SRC = Path(vragd.__file__).parent


def loggers(nodes: Sequence[ast.AST]) -> set[str]:
    """The names that hold a logger: those that begin it, and those bound from one, to any depth."""
    names = {"log", "logger", "_log"}
    assigned = [node for node in nodes if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)]
    while True:
        bound = {
            target
            for node in assigned
            if node.value is not None and is_logger(node.value, names)
            for target in map(name_of, node.targets if isinstance(node, ast.Assign) else [node.target])
        }
        if bound <= names:
            return names
        names |= bound


def name_of(node: ast.expr) -> str:
    """`log` for `log`, `self.log` for an attribute; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value) or ast.unparse(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def is_logger(node: ast.expr, names: set[str]) -> bool:
    """Whether `node` is a logger: one of `names`, get_logger(...), or bind(...) of a logger."""
    if isinstance(node, ast.Call):
        called = name_of(node.func).rpartition(".")[2]
        if called in ("get_logger", "getLogger"):
            return True
        return (
            called in ("bind", "new", "unbind", "try_unbind")
            and isinstance(node.func, ast.Attribute)
            and is_logger(node.func.value, names)
        )
    name = name_of(node)
    return name in names or name.rpartition(".")[2] in {"log", "logger", "_log"}


def log_calls(source: str) -> Iterator[ast.Call]:
    if not BEGINS.search(source):
        return
    nodes = list(ast.walk(ast.parse(source)))
    names = loggers(nodes)
    for node in nodes:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and is_logger(node.func.value, names)
            and name_of(node.func) != "vragd.log"
        ):
            yield node


def fault(call: ast.Call) -> str | None:
    """What is wrong with a log call, or None."""
    if len(call.args) != 1:
        return f"{len(call.args)} positional arguments"
    (event,) = call.args
    if not isinstance(event, ast.Constant) or not isinstance(event.value, str):
        return "the event is not a literal"
    if not EVENT.fullmatch(event.value):
        return f"{event.value!r} is not area.thing_happened"
    if any(keyword.arg in ("event", "level", "timestamp") for keyword in call.keywords):
        return "a field hides one of the line's own"
    return None


def test_event_is_a_stable_name_and_everything_else_is_a_field() -> None:
    calls = [(path, call) for path in sorted(SRC.rglob("*.py")) for call in log_calls(path.read_text("utf-8"))]
    faults = [f"{path.relative_to(SRC)}:{call.lineno}: {wrong}" for path, call in calls if (wrong := fault(call))]
    assert not faults
    assert len(calls) >= 2, "there are none to check"


@pytest.mark.parametrize(
    "bad",
    [
        'log.info(f"sync.batch_applied {n}")',
        'log.info("sync.batch_applied", n)',
        "log.warning(event)",
        "log.error()",
        'log.debug("Something happened")',
        'log.info("sync.batch")',
        'log.info("sync.Batch_applied")',
        'log.info("a.b_c " + x)',
        'log.info("a.b_c", event="x")',
        'log.bind(a=1).info("bad")',
        'line = log.bind(a=1)\nline.info("bad")',
        'line = log.bind(a=1)\nother = line.bind(b=2)\nother.exception("bad")',
        'self._line = structlog.get_logger().bind(x=1)\ndef f(self):\n    self._line.error("bad")',
        'x: object = structlog.get_logger()\nx.critical("bad")',
        'structlog.get_logger().info("bad")',
        'self.log.info("bad")',
        'if (line := log.bind(a=1)):\n    line.warning("bad")',
    ],
)
def test_a_bad_call_is_caught(bad: str) -> None:
    assert [fault(call) for call in log_calls(bad)] != []
    assert all(fault(call) for call in log_calls(bad))


@pytest.mark.parametrize(
    "good",
    [
        'log.info("sync.batch_applied", n_changed=3)',
        'line = log.bind(store=name)\nline.warning("store.index_rebuilt", **fields)',
        'error.info("not a logger")',
        "np.log(3)",
        'parser.error("usage")',
    ],
)
def test_a_good_call_passes(good: str) -> None:
    assert not [wrong for call in log_calls(good) if (wrong := fault(call))]
