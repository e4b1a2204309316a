"""
A repository's Markdown history, read with git; and one made up by a seeded editor from the bundled vault.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.text import corpus
from tests.harness import copy_vault
from vragd.notes.chunk import MAX_CHARS

_HUNK = re.compile(rb"^@@ -\S+ \+\S+ @@", re.M)
_SUFFIXES = (".md", ".markdown")
# Markdown that vragd looks at by default: not what has a dot in front, nor what is in such a folder
_NOTES = (
    "--",
    *(f":(glob)**/*{suffix}" for suffix in _SUFFIXES),
    *(f":(exclude,glob)**/{hidden}" for hidden in (".*", ".*/**")),
)


@dataclass(frozen=True, slots=True)
class Commit:
    """
    What a commit does to Markdown files. `written` are paths with their new bytes, `gone` paths without.

    `hunks` are the characters each hunk of its diff adds.
    """

    id: str
    written: tuple[tuple[str, bytes], ...]
    gone: tuple[str, ...]
    hunks: tuple[int, ...]

    @property
    def least(self) -> int:
        """The least that has to be embedded: for each hunk its new characters by the size of a chunk, one at least."""
        return sum(max(1, -(-added // MAX_CHARS)) for added in self.hunks)

    @property
    def least_but_deletions(self) -> int:
        """The same with nothing for a hunk that only deletes."""
        return sum(-(-added // MAX_CHARS) for added in self.hunks)


def git(repo: Path, *args: str) -> bytes:
    """What git prints. Nobody's configuration has a say."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for role in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{role}_NAME": "bench", f"GIT_{role}_EMAIL": "bench@localhost"}
    done = subprocess.run(["git", "-C", str(repo), *args], env=env, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {args[0]}: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout


def snapshot(repo: Path, commit: str) -> Iterator[tuple[str, bytes]]:
    """Every Markdown file of a commit."""
    for line in git(repo, "ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0"):
        mode, _, rest = line.partition(b" ")
        kind, _, rest = rest.partition(b" ")
        blob, _, path = rest.partition(b"\t")
        if kind == b"blob" and mode.startswith(b"100") and _is_note(path):
            yield os.fsdecode(path), git(repo, "cat-file", "blob", blob.decode())


def commits(repo: Path, most: int) -> tuple[str, list[Commit]]:
    """The commit before the last `most` that change Markdown, and those, in order. Along first parents."""
    log = git(repo, "rev-list", "--first-parent", f"--max-count={most + 1}", "HEAD", *_NOTES).decode().split()
    log.reverse()
    if len(log) < 2:
        raise SystemExit(f"{repo} has no history of Markdown")
    pairs = ((f"{commit}^1", commit) for commit in log[1:])
    return f"{log[1]}^1", [_commit(repo, before, after) for before, after in pairs]


def _commit(repo: Path, before: str, after: str) -> Commit:
    fields = git(repo, "diff-tree", "-r", "-z", "-M", "--no-commit-id", "--raw", before, after).split(b"\0")
    written: list[tuple[str, bytes]] = []
    gone: list[str] = []
    while fields and fields[0]:
        _, mode, _, blob, status = fields.pop(0).split(b" ")
        path = fields.pop(0)
        if status[:1] in b"RC":
            if status[:1] == b"R" and _is_note(path):
                gone.append(os.fsdecode(path))
            path = fields.pop(0)
        if not _is_note(path):
            continue
        if mode.startswith(b"100"):
            written.append((os.fsdecode(path), git(repo, "cat-file", "blob", blob.decode())))
        else:
            gone.append(os.fsdecode(path))  # deleted, or a link now
    return Commit(after, tuple(written), tuple(gone), tuple(_hunks(repo, before, after)))


def _hunks(repo: Path, before: str, after: str) -> Iterator[int]:
    diff = git(repo, "diff", "--no-color", "--no-ext-diff", "-U0", "-M", before, after, *_NOTES)
    for file in re.split(rb"^diff --git ", diff, flags=re.M)[1:]:
        for hunk in _HUNK.split(file)[1:]:
            added = [line[1:] for line in hunk.split(b"\n")[1:] if line[:1] == b"+"]
            yield sum(len(line.decode("utf-8", "replace")) + 1 for line in added)


def _is_note(path: bytes) -> bool:
    suffixes = tuple(suffix.encode() for suffix in _SUFFIXES)
    return path.endswith(suffixes) and not any(part.startswith(b".") for part in path.split(b"/"))


# -- made up -------------------------------------------------------------------------------------------


def make_up(repo: Path, n_commits: int, seed: int = 0) -> None:
    """The bundled vault in a new repository, and so many commits of what people do to notes."""
    copy_vault("kepano", repo)
    git(repo, "init", "--quiet")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--no-gpg-sign", "-m", "begin")
    editor = _Editor(repo, random.Random(seed))
    for i in range(n_commits):
        while not git(repo, "status", "--porcelain"):
            editor.step()
        git(repo, "add", "--all")
        git(repo, "commit", "--quiet", "--no-gpg-sign", "-m", f"edit {i}")


class _Editor:
    """Somebody who writes: mostly goes on with a few notes, corrects sentences, now and then tidies up."""

    def __init__(self, repo: Path, rng: random.Random) -> None:
        self._repo, self._rng, self._n = repo, rng, 0

    def step(self) -> None:
        """One thing done."""
        things = (self._append, self._edit, self._new, self._move_section, self._rename, self._delete)
        self._rng.choices(things, weights=(35, 35, 10, 8, 8, 4))[0]()

    def _note(self) -> Path:
        """Some note: the longer, the likelier, as those are the ones people work on."""
        notes = sorted(self._repo.rglob("*.md"))
        return self._rng.choices(notes, weights=[note.stat().st_size + 1 for note in notes])[0]

    def _paragraph(self) -> str:
        texts = corpus()
        return " ".join(self._rng.choice(texts) for _ in range(self._rng.randint(1, 4)))

    def _append(self) -> None:
        note = self._note()
        note.write_text(note.read_text("utf-8").rstrip("\n") + f"\n\n{self._paragraph()}\n", "utf-8")

    def _edit(self) -> None:
        note = self._note()
        words = re.split(r"( +)", note.read_text("utf-8"))
        at = self._rng.randrange(len(words))
        words[at] = self._rng.choice(("a different word", "rather", "not", "see below"))
        note.write_text("".join(words), "utf-8")

    def _new(self) -> None:
        self._n += 1
        sections = "\n\n".join(f"## Part {i}\n\n{self._paragraph()}" for i in range(self._rng.randint(1, 4)))
        (self._note().parent / f"New {self._n}.md").write_text(f"{self._paragraph()}\n\n{sections}\n", "utf-8")

    def _move_section(self) -> None:
        note = self._note()
        sections: Sequence[str] = re.split(r"(?m)^(?=#+ )", note.read_text("utf-8"))
        if len(sections) > 2:
            head, *rest = sections
            rest.append(rest.pop(self._rng.randrange(len(rest) - 1)))
            note.write_text(head + "".join(part.rstrip("\n") + "\n\n" for part in rest), "utf-8")

    def _rename(self) -> None:
        self._n += 1
        note = self._note()
        note.rename(note.with_name(f"{note.stem} {self._n}.md"))

    def _delete(self) -> None:
        self._note().unlink()
