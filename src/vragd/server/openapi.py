"""The OpenAPI 3.1 document, made from the route table and the schemas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from vragd import __version__
from vragd.server.schemas import ErrorAnswer
from vragd.server.table import JSON, Route
from vragd.server.watching import EVENTS

_REF = "#/components/schemas/{model}"
# Most are of the connection rather than the route: any request may be too slow, too large or no HTTP.
_ERRORS = (
    *("400", "403", "404", "405", "408", "409", "413", "422", "431"),
    *("500", "501", "502", "503", "505"),
)


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """What `GET /openapi.json` answers."""
    models: set[type[BaseModel]] = {ErrorAnswer}
    for route in routes:
        models |= {model for model in (route.request, route.answer) if model is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schema = models_json_schema([(model, "validation") for model in ordered], ref_template=_REF)
    for tagged in schema["$defs"].values():
        # a union is told apart by its tag, which has a default for nobody but Python
        if "const" in tagged.get("properties", {}).get("type", {}):
            tagged["required"] = sorted({"type", *tagged.get("required", ())})
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vragd",
            "version": __version__,
            "description": "Local search over watched vaults.",
        },
        "servers": [{"url": "http://localhost", "description": "over the daemon's Unix socket"}],
        "paths": paths,
        "components": {"schemas": schema["$defs"]},
    }


def _operation(route: Route) -> dict[str, Any]:
    error = {"description": "Error", "content": _json(ErrorAnswer)}
    operation: dict[str, Any] = {
        "summary": (route.handler.__doc__ or "").strip(),
        "operationId": route.handler.__name__,
        "responses": {
            "200": {"description": "Answer", "content": _content(route)},
            **dict.fromkeys(_ERRORS, error),
        },
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ] + [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": schema,
        }
        for name, schema in route.query.items()
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.request is not None:
        operation["requestBody"] = {"required": _needs_body(route.request), "content": _json(route.request)}
    return operation


def _needs_body(model: type[BaseModel]) -> bool:
    """Whether nothing at all, which is taken for `{}`, is refused."""
    return not {"required", "anyOf"}.isdisjoint(model.model_json_schema())


def _content(route: Route) -> dict[str, Any]:
    if route.media_type == JSON:
        return _json(route.answer)
    # of a stream a schema would be that of one event, which 3.1 has no word for
    return {route.media_type: {} if route.media_type == EVENTS else {"schema": {"type": "string"}}}


def _json(model: type[BaseModel] | None) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=model.__name__)} if model else {"type": "object"}
    return {JSON: {"schema": schema}}
