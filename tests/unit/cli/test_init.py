"""The configuration that `vragd init` writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.search.test_tongue import CHINESE, ENGLISH, FRENCH
from vragd.cli.init import OBSIDIAN_LISTS, configured, roughly, said_of
from vragd.cli.main import main
from vragd.config import load
from vragd.config.settings import StoreSettings
from vragd.stores.folder import looked_at
from vragd.system import failpoints
from vragd.system.places import expanded


def test_words_only_writes_a_store_without_a_model(tmp_path: Path) -> None:
    text = configured([tmp_path], "config.yaml", words_only=True)
    (store,) = load.parse(text, "config.yaml").stores.values()
    assert not store.embedder.gives_vectors
    (store,) = load.parse(configured([tmp_path], "config.yaml"), "config.yaml").stores.values()
    assert store.embedder.gives_vectors


def test_how_long_it_takes_is_said_without_a_model(tmp_path: Path) -> None:
    for number in range(400):
        (tmp_path / f"{number}.md").write_text("text\n")
    (said,) = said_of(tmp_path, words_only=True)
    assert said.endswith("400 notes, a few seconds to index")


def test_how_long_an_index_takes_is_tried_on_this_machine(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}.md").write_text(f"# Note {number}\n\n{ENGLISH}\n")
    few = seconds_to_index(tmp_path)
    assert few is not None
    assert 0 < few[0] <= few[1]
    (tmp_path / "long.md").write_text(f"{ENGLISH}\n\n" * 4_000)
    many = seconds_to_index(tmp_path)
    assert many is not None
    assert many[0] > few[0], "it goes by how much there is to embed"
    assert seconds_to_index(tmp_path / "none") is None


def seconds_to_index(folder: Path) -> tuple[float, float] | None:
    with looked_at(folder) as found:
        return found.seconds_to_index(StoreSettings().embedder) if found else None


def test_how_long_it_takes_is_said_as_a_range_and_for_a_busy_machine() -> None:
    busy = "to index, longer while the machine is busy"
    assert roughly(3, 4) == "a few seconds to index"
    assert roughly(34, 20) == f"30 to 70 s {busy}"
    assert roughly(34, 195) == f"1 to 4 min {busy}", "what it would take as busy as it is now"
    assert roughly(300, 300) == f"5 to 10 min {busy}"


def test_another_model_is_advised_where_many_notes_are_not_english(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(ENGLISH)
    assert len(said_of(tmp_path)) == 1
    (tmp_path / "b.md").write_text(FRENCH)
    (tmp_path / "c.md").write_text(CHINESE)
    _, first, second = said_of(tmp_path)
    assert first.startswith("about 67% of the notes are not English")
    assert "vragd models" in second
    assert said_of(tmp_path / "none") == [f"{tmp_path}/none: its notes are counted once vragd runs"]


def test_vaults_that_obsidian_knows_are_named_as_a_shell_takes_them_whatever_their_list_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / '$(echo) "mine"').mkdir()
    (tmp_path / "b").mkdir()
    known = {"1": {"path": f'{tmp_path}/$(echo) "mine"', "ts": 10**400}, "2": {"path": f"{tmp_path}/b", "ts": 7}}
    (file,) = (expanded(name) for name in OBSIDIAN_LISTS[:1])
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"vaults": known}))
    assert main(["init"]) == 2
    said = capsys.readouterr().err
    assert f'\n  vragd init "{tmp_path}/b"\n' in said
    assert f"\n  vragd init '{tmp_path}/$(echo) \"mine\"'\n" in said
    file.write_text("[" * 100_000)
    assert main(["init"]) == 2
    assert "Obsidian lists no vault" in capsys.readouterr().err


def test_the_configuration_is_whole_at_every_step_of_its_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VRAGD_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "Vault").mkdir()
    file, old = tmp_path / "c.yaml", "stores: {}  # mine\n"
    file.write_text(old)
    file.chmod(0o640)
    seen = list[tuple[str, str]]()
    failpoints.install(lambda place: seen.append((place, file.read_text())))
    try:
        assert main(["init", str(tmp_path / "Vault"), "--force", "--config", str(file)]) == 0
    finally:
        failpoints.install(None)
    new, kept = file.read_text(), tmp_path / "c.yaml.bak"
    assert load.parse(new, str(file)).stores.keys() == {"notes"}
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (old, 0o640)
    renamed = [text for place, text in seen if place == "file.renamed"]
    assert renamed == [old, new], "it is kept beside before it is replaced"
    assert {text for _, text in seen} == {old, new}


def test_what_is_no_file_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VRAGD_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "Vault").mkdir()
    (tmp_path / "c").mkdir()
    assert main(["init", str(tmp_path / "Vault"), "--force", "--config", str(tmp_path / "c")]) == 2
    assert f"{tmp_path}/c is no ordinary file" in capsys.readouterr().err
    assert (tmp_path / "c").is_dir()


@pytest.mark.parametrize("is_there", [True, False])
def test_who_links_to_the_configuration_keeps_the_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_there: bool
) -> None:
    monkeypatch.setenv("VRAGD_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "Vault").mkdir()
    (tmp_path / "dotfiles").mkdir()
    link, file = tmp_path / "c.yaml", tmp_path / "dotfiles" / "vragd.yaml"
    if is_there:
        file.write_text("stores: {}  # mine\n")
    link.symlink_to(file)
    assert main(["init", str(tmp_path / "dotfiles"), "--force", "--config", str(link)]) == 2
    assert "leads into" in capsys.readouterr().err, "what is searched is only ever read"
    assert main(["init", str(tmp_path / "Vault"), "--force", "--config", str(link)]) == 0
    assert link.readlink() == file
    assert load.parse(file.read_text(), str(file)).stores.keys() == {"notes"}
    kept = [one.read_text() for one in file.parent.glob("*.bak")]
    assert kept == (["stores: {}  # mine\n"] if is_there else [])
