"""Types of ours and of installed packages: which there are, and what is said of those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parts import install
from vragd.errors import ConfigError
from vragd.system.packages import Types

OURS = Types("backend", {"memory": "vragd.backends.memory", "faiss": "vragd.backends.faiss"}, "vragd-test.parts")


def on_path(monkeypatch: pytest.MonkeyPatch, site: Path, package: str, name: str) -> Path:
    monkeypatch.syspath_prepend(install(site, package, {"vragd-test.parts": name}))
    return site / package.replace("-", "_") / name


def test_without_packages_there_are_ours(tmp_path: Path) -> None:
    assert OURS.names() == ["memory", "faiss"]
    assert OURS.faults() == []
    assert OURS.load("memory", "settings").__name__ == "vragd.backends.memory.settings"
    assert OURS.settings("memory").__name__ == "MemoryBackend"


def test_a_package_adds_a_type_after_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(monkeypatch, tmp_path, "first-parts", "rowfile")
    assert OURS.names() == ["memory", "faiss", "rowfile"]
    assert OURS.settings("rowfile").__name__ == "RowfileBackend"
    assert OURS.load("rowfile", "backend").__name__ == "first_parts.rowfile.backend"
    assert OURS.faults() == []
    with pytest.raises(ConfigError, match="unknown backend type 'json'") as caught:
        OURS.load("json", "settings")
    assert caught.value.hint == "known: memory, faiss, rowfile"


def test_a_package_does_not_replace_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(monkeypatch, tmp_path, "second-parts", "memory")
    assert OURS.names() == ["memory", "faiss"]
    assert OURS.load("memory", "settings").__name__ == "vragd.backends.memory.settings"
    (fault,) = OURS.faults()
    assert fault == "backend type 'memory' is vragd's own: what second-parts registers is not used"


def test_a_name_that_two_packages_want_is_neithers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(monkeypatch, tmp_path / "a", "third-parts", "rowfile")
    on_path(monkeypatch, tmp_path / "b", "fourth-parts", "rowfile")
    with pytest.raises(ConfigError, match="'rowfile' is registered by fourth-parts and by third-parts"):
        OURS.settings("rowfile")
    assert len(OURS.faults()) == 1


@pytest.mark.parametrize("text", ["import no_such_module", "1 / 0", "def f(:", "raise VragdError('x')"])
def test_whatever_happens_on_import_names_the_package(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = f"bad-parts-{abs(hash(text))}"
    folder = on_path(monkeypatch, tmp_path, package, "rowfile")
    (folder / "backend.py").write_text(text + "\n")
    assert OURS.settings("rowfile")
    with pytest.raises(ConfigError, match=f"'rowfile' of the package {package} cannot be imported") as caught:
        OURS.load("rowfile", "backend")
    assert "uninstall" in caught.value.hint
    assert OURS.faults() == [caught.value.message]


def test_a_module_without_settings_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = on_path(monkeypatch, tmp_path, "fifth-parts", "rowfile")
    (folder / "settings.py").write_text("Settings = 3\n")
    with pytest.raises(ConfigError, match="has no class Settings"):
        OURS.settings("rowfile")
