"""What a model is told of the tools."""

from __future__ import annotations

import json

import jsonschema

from vragd.mcp.offered import INSTRUCTIONS, TOOLS


def test_all_that_a_model_is_told_beforehand_is_short() -> None:
    assert all(len(tool["description"]) <= 2_048 for tool in TOOLS)
    assert len(INSTRUCTIONS) <= 2_048
    listed = json.dumps({"tools": TOOLS}, ensure_ascii=False, separators=(",", ":"))
    assert (len(listed) + len(INSTRUCTIONS)) / 3.5 <= 1_500  # tokens, of which English has fewer
    for tool in TOOLS:
        jsonschema.Draft202012Validator.check_schema(tool["inputSchema"])
        jsonschema.Draft202012Validator.check_schema(tool["outputSchema"])
