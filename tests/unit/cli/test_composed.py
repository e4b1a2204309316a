"""A name that is typed composed and stands decomposed on disk, or the other way round, is that folder."""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import pytest

from vragd.cli.main import main
from vragd.cli.sync import split_pattern
from vragd.config import load
from vragd.system.places import named

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="both spellings are one name there")
COMPOSED, APART = (unicodedata.normalize(form, "Café/Über") for form in ("NFC", "NFD"))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "VRAGD_DATA_DIR", "VRAGD_SOCKET", "VRAGD_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path / "VRAGD_CONFIG"


def sources(config: Path) -> list[Path]:
    return [one.path for one in load.parse(config.read_text(), "c").stores["notes"].sources]


@pytest.mark.parametrize(("on_disk", "typed"), [(APART, COMPOSED), (COMPOSED, APART)], ids=["apart", "composed"])
def test_the_folder_is_found_as_it_is_spelt_on_disk(
    config: Path, tmp_path: Path, on_disk: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / on_disk).mkdir(parents=True)
    (tmp_path / "other").mkdir()
    assert main(["init", str(tmp_path / "other")]) == 0
    assert main(["add", str(tmp_path / typed)]) == 0
    assert sources(config) == [tmp_path / "other", tmp_path / on_disk]
    assert main(["add", str(tmp_path / typed)]) == 0
    assert len(sources(config)) == 2, "it is there already"
    assert main(["remove", Path(typed).name]) == 0, "as hits call it"
    assert sources(config) == [tmp_path / "other"]
    assert main(["init", "--force", str(tmp_path / typed)]) == 0
    assert sources(config) == [tmp_path / on_disk]
    monkeypatch.chdir(tmp_path)
    assert split_pattern(typed)[0] == tmp_path / on_disk


def test_two_that_differ_by_that_alone_are_not_said_to_be_one(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for spelling in (COMPOSED, APART):
        (tmp_path / spelling).mkdir(parents=True)
    assert main(["init", str(tmp_path / COMPOSED)]) == 0
    assert main(["add", str(tmp_path / APART)]) == 2
    assert "another folder of that name is in store notes, written with other code points" in capsys.readouterr().err
    assert main(["remove", str(tmp_path / APART)]) == 2, "nor is the one searched no more for the other"
    assert sources(config) == [tmp_path / COMPOSED]


def test_what_is_nowhere_stays_as_it_was_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none/é", tmp_path / "file/é"):
        assert named(str(path)) == path
    for name in ("e\u0323\u0302", "\u1eb9\u0302"):  # of three spellings none is meant more than another
        (tmp_path / name).mkdir()
    assert main(["add", str(tmp_path / "\u1ec7")]) == 2
    assert "is not a folder" in capsys.readouterr().err
