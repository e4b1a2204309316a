"""`export`, `import` and what becomes of a store that was imported, as they are typed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.foreign import flat_index, llamaindex, node
from tests.harness import tree
from tests.moved import indexed, lines_of
from vragd.cli.doctor import parts
from vragd.cli.main import main
from vragd.cli.moving import Told
from vragd.config.load import load
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.registry import create_embedder
from vragd.stores.moves.llamaindex import embedded
from vragd.stores.registry import Registry

TEXTS = ("Pour hot water slowly over ground coffee.", "The annual tax return is due at the end of May.")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with the store `notes`, as it is configured."""
    indexed(tmp_path)
    (tmp_path / "c.yaml").write_text(f"stores:\n  notes:\n    sources:\n      - path: {tmp_path / 'vault'}\n")
    for name, value in (("CONFIG", "c.yaml"), ("DATA_DIR", "data"), ("SOCKET", "s")):
        monkeypatch.setenv(f"VRAGD_{name}", str(tmp_path / value))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def texts(file: Path) -> Path:
    file.write_text("".join(f"{json.dumps({'id': text[:8], 'text': text, 'path': 'a.md'})}\n" for text in TEXTS))
    return file


def test_a_store_goes_into_files_and_comes_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = home / "e.npy"
    assert main(["export", "notes", "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert f"of store notes in {out} and {home / 'e.jsonl'}" in said
    assert main(["import", "jsonl", str(home / "e.jsonl"), "--store", "back", "--dry-run"]) == 0
    assert not (home / "data/imported").exists()
    assert main(["import", "jsonl", str(home / "e.jsonl"), "--store", "back"]) == 0
    said = capsys.readouterr().err
    n_rows = len(np.load(out))
    assert f"{n_rows} passages put, 0 there before" in said
    assert f"is whole: {n_rows} keys looked up, {n_rows} vectors compared" in said
    assert "test/words" in said
    assert main(["export", "back", "--out", str(home / "again.jsonl"), "--no-vectors", "--no-text"]) == 0
    assert {row["path"] for row in lines_of(home / "again.jsonl")[1:]} == {
        row["path"] for row in lines_of(home / "e.jsonl")[1:]
    }


def test_what_is_of_no_file_is_shown_by_its_key_and_by_no_lines(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "t.jsonl").write_text("".join(f"{json.dumps({'text': text})}\n" for text in TEXTS))
    assert main(["import", "jsonl", str(home / "t.jsonl"), "--store", "howto", "--reembed"]) == 0
    capsys.readouterr()
    assert main(["query", "-s", "howto", "-n", "1", "a", "hot", "drink"]) == 0
    title, place, text = capsys.readouterr().out.splitlines()
    assert title.startswith("1. jsonl-")
    assert (place, text) == ("   jsonl", f"   {TEXTS[0]}")
    texts(home / "t.jsonl")
    assert main(["import", "jsonl", str(home / "t.jsonl"), "--store", "named", "--reembed"]) == 0
    assert main(["query", "-s", "named", "-n", "1", "a", "hot", "drink"]) == 0
    assert "   jsonl/a.md\n" in capsys.readouterr().out


def test_what_is_imported_is_asked_listed_described_and_deleted_by_its_name(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", "jsonl", str(texts(home / "t.jsonl")), "--store", "howto", "--reembed"]) == 0
    assert "All texts are embedded again" in capsys.readouterr().err
    assert main(["query", "-s", "howto", "--json", "a", "hot", "drink"]) == 0
    first, *_ = json.loads(capsys.readouterr().out)["hits"]
    assert (first["text"], first["store"], first["path"]) == (TEXTS[0], "howto", "a.md")
    for words in (
        ["similar", "-s", "howto", "a.md"], ["tags", "-s", "howto"], ["get", "-s", "howto", "a.md"],
    ):  # fmt: skip
        assert main(words) == 2
        assert "only vragd query -s howto alone asks it" in capsys.readouterr().err
    assert main(["query", "-s", "howto", "--tag", "x", "drink"]) == 2
    assert "what was imported has none" in capsys.readouterr().err
    assert main(["query", "-s", "howto", "--open", "1", "drink"]) == 2
    assert "its text is in the answer" in capsys.readouterr().err
    assert main(["store", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["imported"]
    assert (row["name"], row["vectors"]) == ("howto", 2)
    (home / "data/imported/broken.db").write_bytes(b"no database " * 500)
    assert main(["store", "list"]) == 0
    (home / "data/imported/broken.db").unlink()
    assert "howto                2 passages  imported" in capsys.readouterr().out
    assert main(["store", "info", "howto", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dimension"] == 384
    assert main(["store", "delete", "howto", "--yes"]) == 0
    assert main(["query", "-s", "howto", "anything"]) != 0
    assert list((home / "data/imported").iterdir()) == []


def test_a_store_on_notes_comes_before_what_was_imported_by_its_name(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", "jsonl", str(texts(home / "t.jsonl")), "--store", "notes", "--reembed"]) == 2
    assert "is a store on notes already" in capsys.readouterr().err
    assert main(["import", "jsonl", str(home / "t.jsonl"), "--store", "later", "--reembed"]) == 0
    (home / "data/stores/later").mkdir()
    capsys.readouterr()
    assert main(["query", "-s", "later", "hot drink"]) == 3
    assert "no vragd is running" in capsys.readouterr().err


def unit(number: int) -> str:
    return json.dumps({"id": f"n{number}", "text": f"text {number}", "vector": [1, number, 1]}) + "\n"


def test_an_import_that_broke_off_is_not_taken_for_a_store_until_it_is_whole(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, words = home / "t.jsonl", ["import", "jsonl", str(home / "t.jsonl"), "-s", "units", "--unchecked"]
    file.write_text("".join(map(unit, range(510))) + '{"text": ')
    assert main(words) == 2
    said = capsys.readouterr().err
    assert f"500 passages of it are in units in {home / 'data/imported/units.db'}, which is not whole" in said
    assert "line 511 is no object of JSON" in said
    assert main(["store", "list"]) == 0
    assert "imported, not whole" in capsys.readouterr().out
    assert main(["export", "units", "--out", str(home / "e.jsonl")]) == 4
    said = capsys.readouterr().err
    assert "the import of units broke off: it is not whole" in said
    assert "the same vragd import again goes on" in said
    assert main(["query", "-s", "units", "anything"]) == 4
    assert "broke off: it is not whole" in capsys.readouterr().err
    assert main(["store", "info", "units", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["whole"] is False
    assert any(
        "1 import broke off" in one.found for one in parts.imports(load(home / "c.yaml", data_dir=str(home / "data")))
    )
    file.write_text("".join(map(unit, range(511))))
    assert main(words) == 0
    assert "11 passages put, 500 there before" in capsys.readouterr().err
    file.write_text(json.dumps({"text": "of two", "vector": [1, 2]}))
    assert main(words) == 4  # nothing of it can be put there, and what is there stays whole
    assert main(["export", "units", "--out", str(home / "e.jsonl")]) == 0
    assert any(
        "1 imported store can be opened" in one.found
        for one in parts.imports(load(home / "c.yaml", data_dir=str(home / "data")))
    )
    assert main(["store", "delete", "units", "--yes"]) == 0
    assert list((home / "data/imported").iterdir()) == []


def test_an_import_whose_file_is_damaged_is_imported_again_or_deleted(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "data/imported").mkdir(mode=0o700)
    file = home / "data/imported/broken.db"
    file.write_bytes(b"no database " * 500)
    texts(home / "t.jsonl")
    for words in (
        ["import", "jsonl", str(home / "t.jsonl"), "-s", "broken", "--reembed"],
        ["export", "broken", "--out", str(home / "e.jsonl")],
        ["query", "-s", "broken", "anything"],
    ):
        assert main(words) == 4
        assert "vragd store delete broken, and import it again" in capsys.readouterr().err
    (found,) = [
        one for one in parts.imports(load(home / "c.yaml", data_dir=str(home / "data"))) if one.area == "imported"
    ]
    assert (found.state, "store delete broken" in found.way) == ("bad", True)
    assert main(["store", "delete", "broken", "--yes"]) == 0
    assert not file.exists()


def test_a_file_elsewhere_is_no_import_by_any_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "jsonl", str(texts(home / "t.jsonl")), "--store", "later", "--reembed"]) == 0
    (home / "data/other.db").write_bytes((home / "data/imported/later.db").read_bytes())
    assert main(["export", "../other", "--out", str(home / "e.jsonl")]) == 2
    assert "there is no store '../other'" in capsys.readouterr().err
    (home / "data/stores/later").mkdir()  # a store on notes by now: what was imported by its name is superseded
    assert main(["export", "later", "--out", str(home / "e.jsonl")]) == 2
    assert "has no configuration any more" in capsys.readouterr().err


def test_into_another_place_by_its_url(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:{home / 'v.db'}?remote_text=true"
    assert main(["import", "jsonl", str(texts(home / "t.jsonl")), "-s", "howto", "--reembed", "--backend", url]) == 0
    assert "vragd query --backend URL -s howto" in capsys.readouterr().err
    assert main(["query", "--backend", url, "-s", "howto", "--json", "hot drink"]) == 0
    assert json.loads(capsys.readouterr().out)["hits"][0]["text"] == TEXTS[0]
    assert main(["export", "howto", "--backend", url, "--out", str(home / "e.jsonl")]) == 0
    assert lines_of(home / "e.jsonl")[0]["count"] == 2


def test_a_store_is_copied_and_from_there_once_more(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = f"file:{home / 'f'}?remote_text=true", f"sqlite:{home / 's.db'}"
    assert main(["store", "copy", "notes", "there", "--backend", first, "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert f"copied to there in {home / 'f'}, with its text" in said
    assert "MiB there, nothing is embedded" in said
    assert not (home / "f").exists()
    assert main(["store", "copy", "notes", "there", "--backend", first]) == 0
    assert "there in" in (said := capsys.readouterr().err)
    assert "is whole" in said
    assert main(["store", "copy", "there", "again", "--from", first, "--backend", second]) == 0
    assert "again in" in (said := capsys.readouterr().err)
    assert "without text" in said
    assert main(["store", "list", "--backend", second, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["stores"]
    assert (row["name"], row["model"]) == ("again", "test/words")
    assert main(["store", "copy", "there", "again", "--from", first, "--backend", second]) == 0
    assert "0 passages put" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["file:{}/vectors", "sqlite:{}/vectors.db"])
def test_no_vectors_go_into_a_folder_of_notes(home: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = home / "vault"
    before = tree(source)
    assert main(["store", "copy", "notes", "there", "--backend", url.format(source)]) == 2
    assert "where notes are" in capsys.readouterr().err
    assert tree(source) == before


def test_another_tools_vectors_are_taken_once_a_model_here_made_them_again(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = {f"node-{i}": node(i, text) for i, text in enumerate(TEXTS)}
    model = create_embedder("builtin", BuiltinEmbedder(type="builtin"))
    rows = model.embed_documents([embedded(one["__data__"]) for one in nodes.values()])
    model.close()
    folder = llamaindex(home / "storage", flat_index(rows), nodes, list(nodes))
    assert main(["import", "llamaindex", str(folder), "-s", "howto"]) == 0
    said = capsys.readouterr().err
    assert "its vectors are of builtin/" in said
    assert "cosine 1.000 on 2 texts embedded again" in said
    assert f"{folder} was only read" in said
    assert main(["query", "-s", "howto", "--json", "hot drink"]) == 0
    assert json.loads(capsys.readouterr().out)["hits"][0]["path"] == "/notes/Heron 0.md"
    folder = llamaindex(home / "other", flat_index(rows[:, ::-1].copy()), nodes, list(nodes))
    assert main(["import", "llamaindex", str(folder), "-s", "other"]) == 4
    assert "are of none of the models asked" in capsys.readouterr().err
    assert main(["import", "llamaindex", str(folder), "-s", "other", "--unchecked"]) == 0
    assert "a model nobody knows" in capsys.readouterr().err
    assert main(["query", "-s", "other", "hot drink"]) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "notes", "--out", "e.npz"], ".npz is not written"),
        (["export", "notes", "--out", ".npy"], "has no name before its ending"),
        (["export", "notes", "--out", "e.npy", "--no-vectors"], "leaves nothing"),
        (["export", "notes", "--out", "e.txt"], "ends in .jsonl or .npy"),
        (["export", "notes", "--out", ""], "is a variable of the shell not set?\n"),
        (["export", "nothing", "--out", "e.jsonl"], "there is no store 'nothing'"),
        (["store", "copy", "notes", "there"], "--backend says where to"),
        (["store", "copy", "notes", "x", "--backend", "sqlite:v.db"], "cannot be called"),
        (["store", "copy", "there", "there", "--backend", "file:f", "--from", "file:f"], "onto itself"),
        (["store", "copy", "notes", "there", "--backend", "file:f", "--from", "f"], "--from: expected"),
        (["store", "copy", "notes", "there", "--backend", "file:f", "--from", "file:f?remote_text=x"], "--from: "),
        (["import", "jsonl", "none.jsonl", "-s", "back"], "there is no"),
        (["import", "jsonl", "t.jsonl", "-s", "back"], "holds no vector"),
        (["import", "jsonl", "empty.jsonl", "-s", "back", "--reembed"], "left out: 1 without text"),
        (["import", "jsonl", "zero.jsonl", "-s", "back"], "left out: 1 with a vector of zeros"),
        (["import", "jsonl", "none-left.jsonl", "-s", "back"], "holds nothing that can be put"),
        (["import", "jsonl", "t.jsonl", "-s", "No Name", "--reembed"], "cannot be called"),
        (["import", "jsonl", "t.jsonl", "-s", "back", "--reembed", "--unchecked"], "leave one of them out"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_what_cannot_be_is_said(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    texts(home / "t.jsonl")
    (home / "empty.jsonl").write_text(json.dumps({"text": " ", "vector": [1.0]}))
    head = {"vragd": "export", "version": 1, "dimension": 2, "metric": "cosine", "space": "s", "model": "m"}
    head |= {"vectors": "lines"}
    (home / "zero.jsonl").write_text(json.dumps({"text": "a", "vector": [0.0, 0.0]}))
    (home / "none-left.jsonl").write_text(f"{json.dumps(head)}\n{json.dumps({'end': 0})}\n")
    monkeypatch.chdir(home)
    assert main(words) == (4 if "holds no" in said or "left out" in said else 2)
    assert not (home / "data/imported").exists()
    assert said in capsys.readouterr().err


def test_a_stream_is_lines_and_nothing_else(home: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["export", "notes", "--out", "-"]) == 0
    head, *rows, end = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert head["count"] == end["end"] == len(rows)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told_how_far_it_is() -> None:
    screen, now = Terminal(), [0.0]
    with Told(4_000, screen, lambda: now[0]) as told:
        told.progress(0)
        told.progress(1_000)  # too soon after the one before
        now[0] = 10.0
        told.progress(2_000)
    assert screen.getvalue() == "\r\033[K0 of 4,000\r\033[K2,000 of 4,000, 10 s left\r\033[K"
    with Told(None, io.StringIO()) as told:
        told.progress(5)  # nobody looks


def test_what_a_command_deletes_of_what_was_left_is_named_no_more(home: Path) -> None:
    url = f"file:{home / 'f'}"
    assert main(["store", "copy", "notes", "notes", "--backend", url]) == 0
    (home / "data/stores/notes/remote").write_text(str(home / "f"))
    registry = Registry(load(home / "c.yaml", data_dir=str(home / "data")))
    assert registry.left_elsewhere("notes") == (str(home / "f"),)
    assert main(["store", "delete", "notes", "--backend", url, "--yes"]) == 0
    assert registry.left_elsewhere("notes") == ()
