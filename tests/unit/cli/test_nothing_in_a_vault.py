"""No command writes into a vault, wherever its user points it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vragd.cli.main import main


@pytest.mark.parametrize(
    "words",
    [
        ["doctor", "--bundle", "VAULT/sub/bundle.json"],
        ["map", "--out", "VAULT/sub/map.svg"],
        ["mcp", "install", "vscode", "--project", "VAULT/sub"],
        ["mcp", "install", "vscode", "--project", "VAULT"],
        ["init", "VAULT", "--config", "VAULT/config.yaml"],
        ["store", "create", "notes", "--backend", "sqlite:VAULT/sub/v.db"],
        ["store", "create", "notes", "--backend", "file:VAULT/vectors"],
        ["export", "notes", "--out", "VAULT/sub/e.jsonl"],
    ],
    ids=" ".join,
)
def test_a_place_in_a_vault_is_refused_and_the_vault_is_as_it_was(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    vault = tmp_path / "vault"
    (vault / ".obsidian").mkdir(parents=True)
    (vault / "sub").mkdir()
    before = sorted(vault.rglob("*"))
    assert main([word.replace("VAULT", str(vault)) for word in words]) in (2, 4)
    assert f"is inside the vault {vault}" in capsys.readouterr().err
    assert sorted(vault.rglob("*")) == before
