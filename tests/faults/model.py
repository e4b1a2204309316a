"""
The model: a vault that somebody edits, a process that indexes it and dies at any place, and what must hold always.

After each step, and in the middle of one wherever a question can be asked:

- of every path one whole version is answered, the one answered before or a later one, by words and by vector alike;
- the backend holds what the catalog says, and nothing more but what is named as intended;
- nobody but the model has changed the vault.

When all has come to rest, catalog and backend are exactly what a walk through the vault says.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import wraps
from typing import Any

from hypothesis import strategies as st

from tests.faults.model_lives import Lives, Rule, Step, initialize, rule
from tests.faults.model_process import COMMON, Process
from tests.faults.model_vault import MAX_BYTES
from tests.faults.places import places_in_source

REMOTE = ("filling.", "sweep.", "s3.", "bucket.", "pg.", "sqlite.", "segments.", "registry.", "lucene.")
"""Places on the way to a backend that keeps what it was given, or that several stores have: those here do not."""
REPLICAS, ASKED_FOR = ("feed.", "replica."), ("notes.doubted", "notes.withheld", "space.inherited")
"""
Places of what these lives have none of, a replica, the order to begin anew, a note closed to assistants: the crash
matrix reaches them.
"""
PLACES = tuple(place for place in sorted(places_in_source()) if not place.startswith((*REMOTE, *REPLICAS, *ASKED_FOR)))
AREAS = tuple(dict.fromkeys(place.partition(".")[0] + "." for place in PLACES))

NAMES = (
    "a.md",
    "b.md",
    "D/a.md",
    "D/b.md",
    "D/E/a.md",
    "F/a.md",
    "Private/a.md",
    "Ürsprung.md",
    os.fsdecode(b"\xff.md"),
)
FOLDERS = ("D", "D/E", "F", "Private", "G")
HEADS = {
    "plain": b"",
    "titled": b"---\ntitle: The lantern itself\n---\n",
    "opted out": b"---\nvragd: false\nof: the lantern\n---\n",
    "binary": b"\x00" * 99,
    "latin": b"caf\xe9 lantern\n\n",
}
PARTS = {
    "h1": "# Lantern",
    "h2": "## Lantern again",
    "other h1": "# The lantern's end",
    "chair": "The chair stands beside the lantern.",
    "clock": "The clock stands beside the lantern.",
    "stove": "The stove stands beside the lantern.",
    "long": "\n".join(f"{n} lanterns. " + "They have stood there for as long as anybody knows. " * 9 for n in range(6)),
}
"""Few texts, so that the same stand in several notes, and several times in one. In each is the word for all."""

picks = st.integers(0, 63)
happenings = st.sampled_from(("crash", "crash", "crash", "vanish", "delete", "write"))
steps = st.tuples(st.sampled_from(("sync.", *AREAS)), st.integers(1, 6), happenings) | st.tuples(
    st.sampled_from(PLACES), st.integers(1, 2), happenings
)
plans = st.just([]) | st.lists(steps, min_size=1, max_size=3)
names = st.sampled_from(NAMES)
folders = st.sampled_from(FOLDERS)
documents = st.tuples(
    st.sampled_from(("plain", "plain", *HEADS)), st.lists(st.sampled_from(("chair", *PARTS)), max_size=7)
)
Document = tuple[str, list[str]]


def text(document: Document) -> bytes:
    """The bytes of a note."""
    head, parts = document
    return HEADS[head] + "".join(f"{PARTS[part]}\n\n" for part in parts).encode()


def when(applies: Callable[[Model], object]) -> Callable[[Rule], Rule]:
    """
    A rule that does nothing where it does not apply.

    No precondition: those must not depend on what vragd did, which depends on the clock.
    """

    def decorate(function: Rule) -> Rule:
        @wraps(function)
        def applied(self: Model, **drawn: Any) -> None:
            if applies(self):
                function(self, **drawn)

        return applied

    return decorate


class Model(Lives):
    """What can happen. Every rule that lets the process do something may plan what happens in the middle of it."""

    @initialize(obsidian=st.booleans(), plan=plans, notes=st.dictionaries(names, documents, max_size=5))
    def begin(self, obsidian: bool, plan: list[Step], notes: dict[str, Document]) -> None:
        self._begin(obsidian=obsidian, plan=plan)
        for path, document in notes.items():
            self.vault.write(path, text(document), how="renamed")

    # -- how it ends -----------------------------------------------------------------------------------

    @rule()
    def kill(self) -> None:
        """kill -9 between two steps."""
        self._count("kill")
        self.vault.time_passes()

        def die(_: Process) -> None:
            self._die("between steps")

        self._run(die)

    @rule(plan=plans)
    def restart(self, plan: list[Step]) -> None:
        self._count("restart")
        self.plan += plan
        self._stop()
        self.vault.time_passes()
        self._run(lambda _: None)

    @rule(how=st.sampled_from(("gone", "cut", "flipped", "no folder", "no shape")))
    def lose_the_cache(self, how: str) -> None:
        """What is derived from the catalog is damaged while nobody runs."""
        self._stop()
        for folder in sorted((self.data / "index").glob("*/")):
            file = folder / "vectors.faiss"
            if how == "no folder":
                shutil.rmtree(folder)
            elif how == "no shape":
                (folder / "store.json").write_text("{")
            elif file.exists() and how == "gone":
                file.unlink()
            elif file.exists():
                data = bytearray(file.read_bytes())
                data[len(data) // 2] ^= 0xFF
                file.write_bytes(data if how == "flipped" else data[:-20])
            else:
                continue
            self._count("lose the cache")
        self._run(lambda _: None)

    # -- what the process is asked for -----------------------------------------------------------------

    @rule(limit=st.sampled_from((1, 2, 64)), plan=plans)
    def look_and_work(self, limit: int, plan: list[Step]) -> None:
        """A scan, and a round of what it found."""
        self._count("look and work")
        self._run(lambda process: process.look_and_work(limit), plan)

    @rule(limit=st.sampled_from((1, 2, 64)), plan=plans)
    def work(self, limit: int, plan: list[Step]) -> None:
        self._count("work")
        self._run(lambda process: process.work(limit), plan)

    @rule(pick=picks, plan=plans)
    def hint_and_work(self, pick: int, plan: list[Step]) -> None:
        """The event of one path arrives, and no other."""
        self._count("hint and work")
        paths = sorted(self.vault.versions) or list(NAMES)

        def arrive(process: Process) -> None:
            process.hint(paths[pick % len(paths)])
            process.work(64)

        self._run(arrive, plan)

    @rule(what=st.sampled_from(("heartbeat", "checkpoint", "folder scan", "time")), folder=folders, plan=plans)
    def do_a_chore(self, what: str, folder: str, plan: list[Step]) -> None:
        """What comes by the clock, or by an event of a folder. `time`: so much that no stamp is fresh any longer."""
        self._count(f"do a chore: {what}")
        if what == "heartbeat":
            self._run(Process.check, plan)
        elif what == "checkpoint":
            self._run(lambda process: process.store.flush(), plan)
        elif what == "folder scan":
            self._run(lambda process: process.scan(folder), plan)
        else:
            self.vault.time_passes()
            self._run(Process.time_passes, plan)

    @rule(state=st.sampled_from(("up", "down", "model 1", "model 2", "model 3")))
    def change_the_embedder(self, state: str) -> None:
        """Out or back, or another under the same name, as after `ollama pull`; one has fewer dimensions."""
        self._count(f"change the embedder: {state}")
        if state in ("up", "down"):
            self.embedder.down = state == "down"
            return
        self._count_embedded()
        self.era += 1
        self.embedder.digest, self.embedder.dimension = state[-1], 16 if state[-1] == "3" else 32

    @rule(plan=plans)
    def rest(self, plan: list[Step]) -> None:
        self._count("rest")
        self.plan += plan
        self.vault.time_passes()
        self._settle()

    # -- what somebody does with the vault -------------------------------------------------------------

    def _note(self, pick: int) -> str:
        notes = self.notes()
        return notes[pick % len(notes)]

    @rule(path=names, document=documents, how=st.sampled_from(("in_place", "renamed")))
    @when(lambda self: not self.vault.away)
    def write(self, path: str, document: Document, how: str) -> None:
        self._count("write")
        self.vault.write(path, text(document), how=how)

    @rule(path=names, document=documents, plan=plans)
    @when(lambda self: not self.vault.away)
    def save(self, path: str, document: Document, plan: list[Step]) -> None:
        """As on any day: a note is saved, and its event comes."""
        self._count("save")
        self.vault.write(path, text(document), how="renamed")

        def arrive(process: Process) -> None:
            process.hint(path)
            process.work(64)

        self._run(arrive, plan)

    @rule(pick=picks, document=documents, how=st.sampled_from(("in_place", "renamed")))
    @when(lambda self: bool(self.notes()))
    def rewrite(self, pick: int, document: Document, how: str) -> None:
        self._count("rewrite")
        self.vault.write(self._note(pick), text(document), how=how)

    @rule(pick=picks)
    @when(lambda self: bool(self.notes()))
    def rewrite_in_secret(self, pick: int) -> None:
        """Just indexed, and then: as many bytes as before, and the time stamp set back."""
        self._count("rewrite in secret")
        self._run(lambda process: process.look_and_work(64))
        if self.vault.away or not self.notes():  # what was planned has happened
            return
        path = self._note(pick)
        self.vault.write(path, self.vault.notes()[path].swapcase(), how="sneaky")

    @rule(pick=picks, document=documents)
    @when(lambda self: bool(self.notes()))
    def append(self, pick: int, document: Document) -> None:
        self._count("append")
        self.vault.append(self._note(pick), text(document))

    @rule(pick=picks, to_nothing=st.booleans())
    @when(lambda self: bool(self.notes()))
    def truncate(self, pick: int, to_nothing: bool) -> None:
        self._count("truncate")
        path = self._note(pick)
        data = self.vault.notes()[path]
        word = COMMON.encode()  # what is left ends with it, as nothing without it would be found
        cut = data.rfind(word, 0, 0 if to_nothing else len(data) // 2)
        self.vault.truncate(path, cut + len(word) if cut >= 0 else 0)

    @rule(pick=picks)
    @when(lambda self: bool(self.notes()))
    def grow_too_large(self, pick: int) -> None:
        self._count("grow too large")
        self.vault.append(self._note(pick), b"lantern " * (MAX_BYTES // 8 + 1))

    @rule(pick=picks, mode=st.sampled_from((0o000, 0o444, 0o644)))
    @when(lambda self: bool(self.notes()))
    def chmod(self, pick: int, mode: int) -> None:
        """To root, who may read all, another attribute and nothing else."""
        self._count("chmod")
        self.vault.touch(self._note(pick), mode)

    @rule(pick=picks, to=names)
    @when(lambda self: bool(self.notes()))
    def rename(self, pick: int, to: str) -> None:
        self._count("rename")
        self.vault.rename(self._note(pick), to)

    @rule(pick=picks, step=st.integers(1, 3))
    @when(lambda self: len(self.notes()) > 1)
    def swap(self, pick: int, step: int) -> None:
        one, other = self._note(pick), self._note(pick + step)
        if one != other:
            self._count("swap")
            self.vault.swap(one, other)

    @rule(pick=picks, to=names)
    @when(lambda self: bool(self.notes()))
    def copy(self, pick: int, to: str) -> None:
        if self._note(pick) != to:
            self._count("copy")
            self.vault.copy(self._note(pick), to)

    @rule(pick=picks)
    @when(lambda self: bool(self.notes()))
    def delete(self, pick: int) -> None:
        self._count("delete")
        self.vault.delete(self._note(pick))

    @rule(pick=picks, how=st.sampled_from(("delete", "out", "inside")), to=st.sampled_from(("F", "G")))
    @when(lambda self: not self.vault.away and self.vault.folders())
    def folder_goes(self, pick: int, how: str, to: str) -> None:
        """With all that is in it: deleted, moved out of the vault, or renamed."""
        there = self.vault.folders()
        folder = there[pick % len(there)]
        if how == "delete":
            self.vault.delete(folder)
        elif how == "out":
            self.vault.take_out(folder)
        elif folder != to:
            self.vault.move_folder(folder, to)
        self._count(f"folder goes {how}")

    @rule(folder=folders, name=st.sampled_from(("Hers", "Taken out")))
    @when(lambda self: not self.vault.away)
    def folder_comes(self, folder: str, name: str) -> None:
        """From outside, with notes in it, as a move or else a copy of it would."""
        if self.vault.bring_in(name, folder):
            self._count("folder comes")

    @rule(path=st.sampled_from((*NAMES, *FOLDERS)))
    @when(lambda self: not self.vault.away)
    def make_folder(self, path: str) -> None:
        """Also where a note was, and with a note's name."""
        self._count("make folder")
        self.vault.make_folder(path)

    @rule(
        path=st.sampled_from((*NAMES, *FOLDERS)), to=st.sampled_from(("secret.md", "Hers", "His", "inside", "nowhere"))
    )
    @when(lambda self: not self.vault.away)
    def link(self, path: str, to: str) -> None:
        """Leads outside, to a note inside, or nowhere, and its event comes: what is behind it is not in the vault."""
        self._count("link")
        self.vault.link(path, self.vault.root / "b.md" if to == "inside" else self.vault.outside / to)

        def arrive(process: Process) -> None:
            process.hint(path, f"{path}/a.md")
            process.work(64)

        self._run(arrive)

    @rule()
    @when(lambda self: self.vault.obsidian and not self.vault.away)
    def hide_a_folder(self) -> None:
        self._count("hide a folder")
        self.vault.hide(not self.vault.hidden)
        self._run(Process.rules_changed)

    @rule(leaving=st.sampled_from(("nothing", "folder", "vault", "file")), plan=plans)
    @when(lambda self: not self.vault.away)
    def vault_goes(self, leaving: str, plan: list[Step]) -> None:
        """Nothing may be deleted for that, however often it is looked at; nor for events of every path."""
        self._count(f"vault goes, leaving {leaving}")
        self.vault.go_away(leaving)

        def arrive(process: Process) -> None:
            for _ in range(2):
                process.hint(*self.vault.versions)
                process.work(64)
                process.look_and_work(64)

        self._run(arrive, plan)

    @rule()
    @when(lambda self: self.vault.away)
    def vault_comes_back(self) -> None:
        self._count("vault comes back")
        self.vault.come_back()

    @rule(pick=picks)
    @when(lambda self: len(self.notes()) > 1)
    def vault_is_restored(self, pick: int) -> None:
        """From a backup that lacks a note: another directory in its place."""
        self._count("vault is restored")
        self.vault.restore(self._note(pick))
