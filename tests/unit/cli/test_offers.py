"""What other programs made is offered where it is met, with its size and the command; nothing is imported unasked."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.foreign import TEXTS, flat_index, llamaindex, node, rows_of
from tests.unit.cli.test_moving import home, texts
from vragd.cli.main import main
from vragd.cli.offers import asked_by_name, offers, print_offers
from vragd.cli.query import show
from vragd.cli.render import sized
from vragd.cli.status import print_imports
from vragd.stores.moves.nearby import found_near

__all__ = ["home"]


def storage(folder: Path) -> Path:
    nodes = {f"node-{i}": node(i, text) for i, text in enumerate(TEXTS)}
    return llamaindex(folder, flat_index(rows_of(len(TEXTS))), nodes, list(nodes))


def chroma(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "chroma.sqlite3").write_bytes(b"SQLite format 3\0" + bytes(100))
    return folder


def ragtool(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "old.meta.json").write_text("{}")
    (folder / "old.faiss").write_bytes(bytes(10))
    return folder


def test_what_is_in_a_folder_beside_it_or_in_the_usual_place_is_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    vault = tmp_path / "vault"
    inside, beside = storage(vault / "a" / "b" / "storage"), chroma(tmp_path / "chroma_db")
    usual = ragtool(tmp_path / "home/.config/vector-rag-tool/stores")
    storage(vault / ".git/storage")
    storage(vault / "1/2/3/4/storage")
    (vault / "link").symlink_to(beside)
    found = found_near([vault, vault / "a"])
    assert {(one.kind, one.path) for one in found} == {
        ("llamaindex", inside), ("chroma", beside), ("vector-rag-tool", usual),
    }  # fmt: skip
    assert len(found) == 3
    assert next(one.size for one in found if one.path == beside) >= 116


def test_a_folder_that_hangs_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    go = threading.Event()

    class Hanging(type(tmp_path)):  # type: ignore[misc]
        def __fspath__(self) -> str:
            go.wait(60)
            return str(super().__fspath__())

    assert found_near([Hanging(tmp_path)], within_s=0.05) == []
    go.set()


def test_a_folder_that_cannot_be_read_or_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert found_near([tmp_path / "none"]) == []


def test_what_could_be_imported_is_said_with_size_time_and_a_command(home: Path) -> None:
    place = storage(home / "My Storage")
    size = sum(file.stat().st_size for file in place.iterdir())
    first, second = offers(home / "data", [home / "vault"])
    what = f"{place} is of LlamaIndex ({sized(size)}): its vectors can be searched, too, in about "
    assert first.startswith(what) and first.endswith(" at most:")
    assert second == f"  vragd import llamaindex '{place}' -s my-storage"
    chroma(home / "notes")
    *_, command = offers(home / "data", [home / "vault"])
    assert command.endswith("-s notes-2"), "there is a store of that name"
    for name in ("a", "b", "c"):
        chroma(home / name)
    lines = offers(home / "data", [home / "vault"])
    assert (len(lines), lines[-1]) == (7, "and 2 more folders of that kind are near")


def test_a_folder_of_an_odd_name_is_named_safely_in_a_command_that_works(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for odd in ("a\nrm -rf x", "b\033[2Jc", "d\u202ee'f", "g\\\u200b"):
        place = chroma(home / odd)
        print_offers(offers(home / "data", [home / "vault"]))
        said = capsys.readouterr().out
        _, command = said.splitlines()
        assert said.replace("\n", "").isprintable()
        word = command.removeprefix("  vragd import chroma ").rpartition(" -s ")[0]
        typed = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True).stdout
        assert os.fsdecode(typed) == str(place)
        shutil.rmtree(place)


def test_what_was_imported_is_offered_no_more_until_it_is_deleted(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = storage(home / "storage")
    assert len(offers(home / "data", [home / "vault"])) == 2
    assert asked_by_name(home / "data") == ""
    assert main(["import", "llamaindex", str(place), "-s", "heron", "--unchecked"]) == 0
    assert offers(home / "data", [home / "vault"]) == []
    assert asked_by_name(home / "data") == "imported, and asked by name alone (-s NAME): heron"
    assert main(["store", "delete", "heron", "--yes"]) == 0
    assert len(offers(home / "data", [home / "vault"])) == 2
    assert list((home / "data/imported").iterdir()) == []


def test_a_question_that_names_no_store_says_which_it_does_not_ask(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = "imported, and asked by name alone (-s NAME): howto"
    asked = argparse.Namespace(
        config=None, data_dir=None, store=[], format="text", null=False, color="never", top_k=5, min_score=0.0,
    )  # fmt: skip
    nothing = {"hits": [], "degraded": [], "pending": 0}
    show(asked, nothing, 1)
    assert capsys.readouterr().err == "no hits\n"
    assert main(["import", "jsonl", str(texts(home / "t.jsonl")), "--store", "howto", "--reembed"]) == 0
    assert "it is asked by that name alone" in capsys.readouterr().err
    show(asked, nothing, 1)
    assert capsys.readouterr().err == f"no hits\n{beside}\n"
    asked.store = ["notes"]
    show(asked, nothing, 1)
    assert capsys.readouterr().err == "no hits\n"
    assert main(["query", "zyxwv"]) == 3
    assert beside in capsys.readouterr().err, "nor where no daemon runs"


def test_init_and_status_offer_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("CONFIG", "c.yaml"), ("DATA_DIR", "data"), ("SOCKET", "s")):
        monkeypatch.setenv(f"VRAGD_{name}", str(tmp_path / value))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("vault", "more"):
        (tmp_path / name).mkdir()
    place = storage(tmp_path / "vault/storage")
    assert main(["init", str(tmp_path / "vault")]) == 0
    command = f"vragd import llamaindex {place} -s storage"
    assert command in capsys.readouterr().out
    other = chroma(tmp_path / "more/chroma")
    assert main(["add", str(tmp_path / "more")]) == 0
    assert f"vragd import chroma {other} -s chroma" in capsys.readouterr().out
    assert not (tmp_path / "data/imported").exists()
    source: dict[str, Any] = {"path": str(tmp_path / "vault"), "state": "ok"}
    print_imports({"data_dir": str(tmp_path / "data"), "stores": [{"sources": [source]}]})
    assert command in capsys.readouterr().out
    print_imports({"data_dir": str(tmp_path / "data"), "stores": [{"sources": [source | {"state": "offline"}]}]})
    assert capsys.readouterr().out == "", "what is not there is not looked at"


@pytest.mark.slow
def test_where_nothing_is_near_nothing_is_loaded_to_look_into_it(tmp_path: Path) -> None:
    (tmp_path / "Vault").mkdir()
    looks = (
        "import sys; from pathlib import Path; from vragd.cli.offers import offers\n"
        f"assert offers(Path({str(tmp_path)!r}), [Path({str(tmp_path / 'Vault')!r})]) == []\n"
        "print(sorted({'numpy', 'pydantic', 'apsw', 'structlog'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", looks], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
