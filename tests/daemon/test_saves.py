"""Save a note, and a moment later it is found: on a real vault, embedding nothing whose text did not change."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import Vragd, copy_vault, tree, until, vragd
from tests.warm import warm
from vragd.notes.chunk import read_note

LONG = "Clippings/68 Bits of Unsolicited Advice.md"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vragd]:
    home = tmp_path_factory.mktemp("home")
    copy_vault("kepano", home / "Vault")
    with vragd(home) as daemon:
        warm(daemon)
        daemon.start()
        yield daemon


class Counting:
    """Embeddings and time between an edit and the first right answer."""

    def __init__(self, daemon: Vragd) -> None:
        self.daemon, self.before = daemon, daemon.store["n_embedded"]

    def after(self, right: Callable[[], object], what: str) -> int:
        until(right, what, 10)
        self.daemon.settle()
        assert self.daemon.problems() == []
        return int(self.daemon.store["n_embedded"]) - self.before


def new_texts(before: bytes, after: bytes) -> int:
    """How many chunk texts of `after` are not in `before`: the most an edit may embed."""
    old = {chunk.text for chunk in read_note(before, "x").chunks}
    return len({chunk.text for chunk in read_note(after, "x").chunks} - old)


def test_the_whole_vault_is_indexed(running: Vragd) -> None:
    store = running.store
    assert store["notes"] == len(list(running.vault.rglob("*.md"))) == 103
    assert store["states"] == {"indexed": 103}
    assert running.paths("advice for my birthday", top_k=3)[0] == LONG


def test_an_edited_paragraph_embeds_only_the_chunks_it_changed(running: Vragd) -> None:
    note = running.vault / LONG
    before = note.read_bytes()
    after = before.replace(b"Learn how to learn", b"Zanzibar: learn how to learn", 1)
    counting = Counting(running)
    note.write_bytes(after)
    n = counting.after(lambda: LONG in running.paths("Zanzibar", mode="keyword"), "the edit")
    assert 0 < n <= new_texts(before, after) <= 2


def test_a_paragraph_on_top_of_a_long_note_embeds_only_itself(running: Vragd) -> None:
    note = running.vault / LONG
    before = note.read_bytes()
    head, body = before.split(b"\n---\n", 1)
    after = head + b"\n---\nA quokka greeted the travellers at the pier.\n\n" + body
    counting = Counting(running)
    note.write_bytes(after)
    n = counting.after(lambda: LONG in running.paths("quokka", mode="keyword"), "the insertion")
    assert 0 < n <= new_texts(before, after) <= 2
    hit = running.query("quokka at the pier", mode="vector", top_k=1)["hits"][0]
    assert hit["path"] == LONG


def test_undo_embeds_nothing(running: Vragd) -> None:
    note = running.vault / LONG
    now = note.read_bytes()
    counting = Counting(running)
    note.write_bytes(now + b"\n\nA wombat was here.\n")
    counting.after(lambda: running.paths("wombat", mode="keyword"), "the edit")
    counting = Counting(running)
    note.write_bytes(now)
    assert counting.after(lambda: not running.paths("wombat", mode="keyword"), "the undo") == 0


def test_a_rename_embeds_nothing(running: Vragd) -> None:
    old, new = running.vault / "Clippings/Buy wisely.md", running.vault / "Clippings/Spend wisely.md"
    counting = Counting(running)
    old.rename(new)

    def found() -> bool:
        paths = running.paths("cost per use of socks", top_k=10)
        return "Clippings/Spend wisely.md" in paths and "Clippings/Buy wisely.md" not in paths

    assert counting.after(found, "the new name, and not the old") == 0
    assert running.query("spend wisely", mode="keyword", top_k=1)["hits"][0]["title"] == "Spend wisely"


def test_a_moved_folder_embeds_nothing(running: Vragd) -> None:
    n_before = len(list((running.vault / "References").rglob("*.md")))
    counting = Counting(running)
    (running.vault / "References").rename(running.vault / "Library")

    def moved() -> bool:
        files = running.files("indexed")
        gone = not any(path.startswith("References/") for path in files)
        return gone and sum(path.startswith("Library/") for path in files) == n_before

    assert counting.after(moved, "all notes at their new place") == 0


def test_a_copy_embeds_nothing_and_both_are_found(running: Vragd) -> None:
    counting = Counting(running)
    shutil.copy(running.vault / "Clippings/In good hands.md", running.vault / "Copy of hands.md")
    both = {"Clippings/In good hands.md", "Copy of hands.md"}
    text = (running.vault / "Copy of hands.md").read_text()[-200:]

    def found() -> bool:
        return any({hit["path"], *hit["copies"]} >= both for hit in running.query(text, top_k=5)["hits"])

    assert counting.after(found, "both copies, the text shown once") == 0


def test_a_deleted_note_is_found_no_more(running: Vragd) -> None:
    note = running.vault / "Soon gone.md"
    note.write_text("A short note, soon gone.\n")
    until(lambda: note.name in running.files("indexed"), "the note to be there")
    counting = Counting(running)
    note.unlink()
    assert counting.after(lambda: note.name not in running.files(), "the note to go") == 0


def vim(note: Path, data: bytes) -> None:
    """Rename the note away, write a new one in its place, remove the old: vim with `writebackup`."""
    backup = note.with_name(note.name + "~")
    note.rename(backup)
    note.write_bytes(data)
    backup.unlink()


def atomic(note: Path, data: bytes) -> None:
    temporary = note.with_name(".tmp-save")
    temporary.write_bytes(data)
    temporary.rename(note)


def truncate(note: Path, data: bytes) -> None:
    with note.open("wb") as file:
        for start in range(0, len(data), 100):
            file.write(data[start : start + 100])
            file.flush()


@pytest.mark.parametrize("save", [vim, atomic, truncate], ids=lambda fn: fn.__name__)
def test_every_way_of_saving_is_seen_and_loses_nothing(running: Vragd, save: Callable[[Path, bytes], None]) -> None:
    name = "Notes/Evergreen notes turn ideas into objects that you can manipulate.md"
    note = running.vault / name
    before, word = note.read_bytes(), f"xylophone{save.__name__}"
    after = before + f"\n\nA line about a {word}.\n".encode()
    counting = Counting(running)
    save(note, after)
    n = counting.after(lambda: running.paths(word, mode="keyword") == [name], "the save")
    assert 0 < n <= new_texts(before, after)


def test_a_thousand_changed_files_converge_on_the_branch_that_is_checked_out(tmp_path: Path) -> None:
    vault = tmp_path / "Vault"
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", str(vault)]
    vault.mkdir()
    subprocess.run([*git, "init", "-q", "-b", "one"], check=True)
    for branch in ("one", "two"):
        for i in range(500):
            folder = vault / f"f{i % 7}"
            folder.mkdir(exist_ok=True)
            (folder / f"note{i}.md").write_text(f"# Note {i}\n\nbranch{branch} says {i % 11}\n")
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-qm", branch], check=True)
        if branch == "one":
            subprocess.run([*git, "checkout", "-qb", "two"], check=True)
    with vragd(tmp_path, vault=vault) as daemon:
        daemon.start()
        subprocess.run([*git, "checkout", "-q", "one"], check=True)

        def converged() -> bool:
            answer = daemon.query("branchtwo", mode="keyword")
            return not answer["hits"] and not answer["pending"]

        until(converged, "the other branch", 60)
        assert len(daemon.paths("branchone", mode="keyword", top_k=100)) == 100
        assert daemon.problems() == []


def test_the_vault_is_only_ever_read(tmp_path: Path) -> None:
    vault = copy_vault("kepano", tmp_path / "Vault")
    before = tree(vault)
    with vragd(tmp_path) as daemon:
        warm(daemon)
        daemon.start()
        daemon.query("coffee")
        daemon.problems()
        assert daemon.stop() == 0
    assert tree(vault) == before


def test_a_note_emptied_for_a_moment_keeps_answering(running: Vragd) -> None:
    name = "Clippings/In good hands.md"
    note = running.vault / name
    data = note.read_bytes()
    note.write_bytes(b"")
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:  # longer than the settle time, shorter than the patience
        assert name in running.files("indexed")
        assert running.files("indexed")[name]["n_chunks"] > 0
    note.write_bytes(data)
    running.settle()
    assert running.problems() == []


def test_obsidians_excluded_files_are_honoured_live(running: Vragd) -> None:
    app = running.vault / ".obsidian/app.json"
    before = app.read_bytes()
    app.write_text('{"userIgnoreFilters": ["Templates/"]}')
    until(lambda: not any(p.startswith("Templates/") for p in running.files("indexed")), "the folder to leave")
    counting = Counting(running)
    app.write_bytes(before)
    n = counting.after(lambda: any(p.startswith("Templates/") for p in running.files("indexed")), "its return")
    assert n == 0
