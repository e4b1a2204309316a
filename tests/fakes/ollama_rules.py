"""What Ollama makes of a request before it runs a model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

DURATION = re.compile(r"-?(\d+(\.\d+)?(ns|us|ms|s|m|h))+")


def texts_of(body: Mapping[str, Any]) -> list[str]:
    given = body.get("input") or []
    return [given] if isinstance(given, str) else list(given)


def unreadable(body: Mapping[str, Any]) -> str:
    """What is wrong with a request to embed before anybody looks for its model."""
    if not body:
        return "missing request body"
    keep_alive = body.get("keep_alive", "5m")
    if isinstance(keep_alive, bool):
        return "Unsupported type: 'bool'"
    if isinstance(keep_alive, str) and not DURATION.fullmatch(keep_alive):
        if not re.match(r"[-+]?[\d.]", keep_alive):
            return f'time: invalid duration "{keep_alive}"'
        unit = re.sub(r"^[-+]?[\d.]+", "", keep_alive)
        return f'time: {f"unknown unit {json.dumps(unit)}" if unit else "missing unit"} in duration "{keep_alive}"'
    given = body.get("input")
    texts = given if isinstance(given, list) else [given]
    return "" if given is None or all(isinstance(text, str) for text in texts) else "invalid input type"


def full_name(model: str) -> str:
    short = model.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return short if ":" in short else f"{short}:latest"


def not_found(path: str, model: str) -> tuple[int, dict[str, str]]:
    """What is said of a model that is not there: each route has words of its own."""
    if path == "/api/show":
        return (404, {"error": f"model '{model}' not found"}) if model else (400, {"error": "model is required"})
    if not model:
        return 500, {"error": "unqualified name: registry.ollama.ai/library/!MISSING!:latest"}
    return 404, {"error": f'model "{model}" not found, try pulling it first'}
