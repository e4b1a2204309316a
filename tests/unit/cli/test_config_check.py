"""`vragd config check` says "fine" to what can run, and to nothing else."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from vragd.cli.main import main


class Checked:
    """A configuration, checked in a home of its own."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self._capsys = home, capsys
        (home / "Vault").mkdir()
        self.include, self.more = ["*.md"], ""

    def __call__(self, embedder: str = "type: builtin", *, data: str = "data") -> tuple[int, str]:
        file = self.home / "c.yaml"
        source = f"{{path: {self.home}/Vault, include: {json.dumps(self.include)}}}"
        file.write_text(f"stores:\n  notes:\n    sources: [{source}]\n    embedder: {{{embedder}}}\n{self.more}")
        places = ["--data-dir", str(self.home / data), "--socket", str(self.home / "run" / "s")]
        status = main(["config", "check", "--config", str(file), *places])
        told = self._capsys.readouterr()
        return status, told.out + told.err


@pytest.fixture
def checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Checked:
    return Checked(tmp_path, capsys)


def test_what_can_run_is_fine_and_nothing_is_made(checked: Checked) -> None:
    status, told = checked()
    assert (status, "fine" in told) == (0, True), told
    assert {path.name for path in checked.home.iterdir()} == {"Vault", "c.yaml"}


def test_a_source_that_is_no_folder_is_told_as_what_it_is(checked: Checked) -> None:
    (checked.home / "Vault").rmdir()
    assert "Vault of store notes is not there now" in checked()[1]
    (checked.home / "Vault").write_text("a note")
    assert "Vault of store notes is no folder" in checked()[1]


def test_a_data_directory_that_the_daemon_would_refuse_is_not(checked: Checked) -> None:
    (checked.home / "elsewhere").mkdir()
    (checked.home / "link").symlink_to("elsewhere")
    (checked.home / "file").write_text("")
    for data, why in (
        ("link", "is a link, where a directory is expected"),
        ("file", "is not a directory"),
        ("file/below", "cannot use|cannot make"),
    ):
        status, told = checked(data=data)
        assert status != 0, told
        assert "fine" not in told
        assert any(word in told for word in why.split("|")), told


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_neither_is_one_of_another_user(checked: Checked) -> None:
    (checked.home / "data").mkdir(mode=0o700)
    os.chown(checked.home / "data", 65533, 65533)
    status, told = checked()
    assert (status, "belongs to uid 65533" in told) == (4, True), told


def test_an_embedder_that_cannot_be_made_is_not(checked: Checked) -> None:
    status, told = checked("type: ollama, model: m")
    assert status == 0, told
    for url in ("http://0.0.0.0:11434", "https://me:secret@example.com"):
        status, told = checked(f'type: ollama, model: m, url: "{url}"')
        assert (status, "fine" in told) == (2, False), told


def test_what_is_sent_to_another_machine_is_said_before_it_is(checked: Checked) -> None:
    (checked.home / "Vault" / "a.md").write_text("x" * 5_000)
    (checked.home / "Vault" / "b.md").write_text("y" * 1_000)
    status, told = checked('type: ollama, model: m, url: "http://10.0.0.1:1", allow_remote: true')
    assert (status, "2 texts, about 6,000 bytes or 1,500 tokens, to be sent to 10.0.0.1" in told) == (0, True), told
    assert max(map(len, told.splitlines()[:2])) <= 80
    status, told = checked('type: ollama, model: m, url: "http://127.0.0.1:1", allow_remote: true')
    assert (status, "tokens" in told) == (0, False), told


def test_a_re_ranker_elsewhere_is_said_and_agreed_to(checked: Checked) -> None:
    rerank = '    rerank: {url: "https://10.0.0.1/v1/rerank", allow_remote: %s}\n'
    checked.more = rerank % "true"
    status, told = checked()
    assert (status, "goes to 10.0.0.1,\n  with up to 20 passages" in told) == (0, True), told
    checked.more = rerank % "false"
    status, told = checked()
    assert (status, "allow_remote: true, if meant" in told) == (2, True), told


def test_what_is_included_and_not_read_is_named_with_the_way_to_have_it_read(checked: Checked) -> None:
    checked.include = ["*.md", "*.pdf", "*.py"]
    status, told = checked()
    assert (status, "fine" in told) == (0, True), told
    assert "source Vault of store notes, .pdf: documents.read is false in the configuration" in told
    has_grammars = find_spec("tree_sitter") is not None
    assert ("not read along its structure without pip install 'vragd[code]'" in told) is not has_grammars
    checked.more = "documents: {read: true}\n"
    status, told = checked()
    assert ("pip install 'vragd[documents]'" in told) is (find_spec("pypdfium2") is None)
    assert "includes no documents" not in told
    checked.include = ["*.md"]
    _, told = checked()
    assert "source Vault of store notes includes no documents, such as *.pdf, though documents.read is true" in told


@pytest.mark.parametrize(
    "backend",
    [
        "{type: pgvector, url: 'postgresql://me:planted@localhost/notes'}",
        "{type: pgvector, url: ['postgresql://me:planted@localhost/notes']}",
        "{type: pgvector, url: postgresql://me:planted@localhost/notes: 1}",
        "{type: pgvector, host: 'me:planted@localhost', database: notes}",
        "{type: pgvector, host: 'me:\"a b\" @planted@localhost', database: notes}",
        "{type: pgvector, host: localhost, database: notes, password: planted}",
        "{type: pgvector, host: localhost, database: notes, 'me:planted@localhost': 1}",
        "{type: 'postgresql://me:planted@localhost/notes'}",
        "postgresql://me:planted@localhost/notes",
        "{type: s3vectors, bucket: my-vectors, endpoint_url: 'https://me:planted@localhost'}",
        "{type: s3vectors, bucket: 'me:planted@my-vectors'}",
    ],
)
def test_what_may_be_a_password_is_never_told(checked: Checked, backend: str) -> None:
    checked.more = f"    backend: {backend}\n"
    status, told = checked()
    assert (status, "planted" in told) == (2, False), told


def test_nothing_is_shown_of_a_file_that_is_named_and_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VRAGD_CONFIG", str(tmp_path / "none.yaml"))
    assert main(["config", "show", "--json"]) == 2
    told = capsys.readouterr()
    assert (told.out, "none.yaml, is not there" in told.err) == ("", True)
