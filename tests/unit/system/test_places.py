"""Where things live, and that a client finds the socket without loading anything heavy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vragd.errors import ConfigError, UsageError
from vragd.system import places


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith(("VRAGD_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_configuration_is_the_flag_the_environment_or_the_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places.config_path() == home / ".config/vragd/config.yaml"
    monkeypatch.setenv("XDG_CONFIG_HOME", "/xdg")
    assert places.config_path() == Path("/xdg/vragd/config.yaml")
    monkeypatch.setenv("VRAGD_CONFIG", "~/env.yaml")
    assert places.config_path() == home / "env.yaml"
    assert places.config_path("/flag.yaml") == Path("/flag.yaml")
    assert places.config_path("relative.yaml") == Path.cwd() / "relative.yaml"


def test_the_data_directory_is_the_flag_the_environment_the_file_or_the_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places.data_dir(None, None) == places.default_data_dir()
    assert places.default_data_dir(macos=False) == home / ".local/share/vragd"
    monkeypatch.setenv("XDG_DATA_HOME", "/xdg")
    assert places.default_data_dir(macos=False) == Path("/xdg/vragd")
    assert places.data_dir(None, Path("/file")) == Path("/file")
    monkeypatch.setenv("VRAGD_DATA_DIR", "/env")
    assert places.data_dir(None, Path("/file")) == Path("/env")
    assert places.data_dir("~/flag", Path("/file")) == home / "flag"


def test_the_socket_is_in_the_runtime_directory_or_below_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = 987_654  # has no /run/user
    assert places.default_socket(macos=False, uid=nobody) == home / ".local/state/vragd/run/vragd.sock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    assert places.default_socket(macos=False, uid=nobody) == Path("/run/user/1/vragd/vragd.sock")


def test_macos_has_its_own_places(home: Path) -> None:
    assert places.default_data_dir(macos=True) == home / "Library/Application Support/vragd"
    assert places.default_socket(macos=True) == home / "Library/Caches/vragd/run/vragd.sock"


def test_a_socket_path_the_system_cannot_bind_is_refused_with_a_way_out() -> None:
    fits = "/" + "s" * (places.MAX_SOCKET_PATH - 1)
    assert places.socket_path(fits, None) == Path(fits)
    with pytest.raises(ConfigError, match=f"{places.MAX_SOCKET_PATH + 1} bytes") as caught:
        places.socket_path(fits + "s", None)
    assert "VRAGD_SOCKET" in caught.value.hint
    with pytest.raises(ConfigError):
        places.socket_path(None, Path("/" + "é" * 60))  # bytes count, not characters


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"])
def test_a_directory_of_xdg_that_is_not_absolute_is_ignored(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    before = (places.config_path(), places.default_data_dir(macos=False), places.default_socket(macos=False))
    for value in ("relative", "./here", "~/there", ""):
        monkeypatch.setenv(variable, value)
        found = (places.config_path(), places.default_data_dir(macos=False), places.default_socket(macos=False))
        assert found == before


def test_a_home_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"~nobody-of-ours/x leads nowhere: there is no user 'nobody-of-ours'"):
        places.expanded("~nobody-of-ours/x")
    assert places.expanded("a/~nobody-of-ours") == Path("a/~nobody-of-ours")
    monkeypatch.setenv("HOME", "relative")
    with pytest.raises(UsageError, match="HOME is 'relative', which is not absolute"):
        places.config_path()
    assert places.home() is None
    monkeypatch.setenv("XDG_CONFIG_HOME", "/xdg")
    assert places.config_path() == Path("/xdg/vragd/config.yaml"), "where home is not needed it is not missed"
