"""The list of models: true to its settings, and the same in the documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from vragd.cli.main import main
from vragd.config.settings import StoreSettings
from vragd.embed.known import UNMEASURED, Model, known
from vragd.embed.prompts import NONE, prompts_for

DOCUMENT = Path(__file__).parents[3] / "docs/models.md"


def row(kind: str, model: Model) -> str:
    size = f"{model.mib:,} MiB" if model.mib is not None else ""
    ran = "yes" if model.ran else "no"
    return (
        f"| {model.name} | `{kind}` | {size} | {model.languages} | {model.dimension} | {model.licence} |"
        f" {model.quality} | {ran} |"
    )


@pytest.mark.parametrize(("kind", "model"), list(known()), ids=lambda it: it if isinstance(it, str) else it.name)
def test_the_settings_of_each_are_settings_of_its_type(kind: str, model: Model) -> None:
    settings = StoreSettings.model_validate({"embedder": yaml.safe_load(model.settings)}).embedder
    assert settings.type == kind
    assert settings.gives_vectors


def test_the_document_has_the_same_table() -> None:
    told = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("|")]
    assert [one for one in (row(kind, model) for kind, model in known()) if one not in told] == []


def test_those_that_need_prompts_are_known_by_their_names() -> None:
    for name in ("embeddinggemma", "qwen3-embedding:0.6b", "nomic-embed-text", "multilingual-e5-small"):
        assert prompts_for(name) != NONE


def test_people_and_programs_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert "embedder: {type: ollama, model: embeddinggemma}" in said
    assert f"quality: {UNMEASURED}; vragd was not run with it" in said
    assert main(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["models"]
    assert [one["name"] for one in rows] == [model.name for _, model in known()]
