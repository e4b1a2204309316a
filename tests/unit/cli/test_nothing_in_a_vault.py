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


@pytest.mark.parametrize("kind", ["vault", "folder"])
@pytest.mark.parametrize("words", [["add", "HOME/more"], ["remove", "vault"]], ids=" ".join)
def test_a_configuration_that_lies_in_a_vault_is_changed_by_its_owner_alone(
    words: list[str], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    vault, link = tmp_path / "vault", tmp_path / "config.yaml"
    (vault / ".obsidian" if kind == "vault" else vault).mkdir(parents=True)
    (tmp_path / "more").mkdir()
    text = f"stores:\n  notes:\n    sources:\n      - path: {vault}\n"
    (vault / "config.yaml").write_text(text)
    link.symlink_to(vault / "config.yaml")
    before = sorted(vault.rglob("*"))
    monkeypatch.setenv("VRAGD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("VRAGD_SOCKET", str(tmp_path / "s"))
    said = main([*(word.replace("HOME", str(tmp_path)) for word in words), "--config", str(link)])
    told = capsys.readouterr()
    assert (said, told.out) == (2, "")
    assert f"{vault}/config.yaml is inside the vault {vault}, where vragd never writes" in told.err
    assert sorted(vault.rglob("*")) == before
