"""A random editor: one note at a time, as editors save them. What it writes is in the book before it is on the disk."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.soak.book import MAX_FILE_BYTES, Book, Content, Link
from tests.soak.texts import note, section, sentence, token

MAX_FILES, MAX_BYTES = 560, 3_000_000
FOLDERS = ("", "Daily", "Projects", "Projects/Old", "Ünïcode & co", "Deep/er/and/deeper")
PIECE = 4096


class Editor:
    """Edits until stopped. Kinds of edits are methods named `edit_…`; `kinds` says how often each."""

    kinds: dict[str, int] = {  # noqa: RUF012
        "write": 8, "rewrite": 8, "append": 10, "truncate": 3, "in_place": 6, "atomic_save": 10, "vim_save": 6,
        "rename": 6, "swap": 3, "copy": 4, "delete": 6, "touch": 3, "chmod": 2, "symlink": 2, "empty_moment": 3,
        "not_utf8": 2, "huge": 1, "large": 1, "opt_out": 2, "no_note": 3, "line_shift": 3,
    }  # fmt: skip

    def __init__(self, book: Book, outside: Path, seed: int) -> None:
        self.book, self.outside = book, outside
        self.rng = random.Random(f"editor {seed}")
        self.counts: Counter[str] = Counter()
        self.hold = threading.Event()
        """Set by whoever wants a moment's end: long edits cut their waits short."""
        self._n = 0

    def step(self) -> str:
        """One edit of a random kind."""
        chosen = self.rng.choices(list(self.kinds), list(self.kinds.values()))[0]
        if self._is_full() and self.rng.random() < 0.6:
            chosen = "delete"
        self.do(chosen)
        return chosen

    def do(self, kind: str) -> None:
        edit: Callable[[], bool | None] = getattr(self, f"edit_{kind}")
        if edit() is not False:  # False: there was nothing to do it to
            self.counts[kind] += 1

    def _is_full(self) -> bool:
        sizes = [len(data) for data in list(self.book.files.values()) if isinstance(data, bytes)]
        return len(sizes) > MAX_FILES or sum(sizes) > MAX_BYTES

    # -- where and what ----------------------------------------------------------------------------

    def path(self, relative: str) -> Path:
        return self.book.root / relative

    def pick(self, suffix: str = ".md") -> str | None:
        """A note that is there."""
        notes = [path for path in self.book.notes() if path.endswith(suffix)]
        return self.rng.choice(notes) if notes else None

    def fresh(self, folder: str | None = None) -> str:
        """A path that is free, its folder made."""
        self._n += 1
        folder = self.rng.choice(FOLDERS) if folder is None else folder
        suffix = self.rng.choices([".md", ".MD", ".txt", ".markdown"], [16, 1, 2, 1])[0]
        name = f"{self.rng.choice(['Note', 'it’s', 'Zoë', '100%', 'a  b', '[x] #y'])} {self._n}{suffix}"
        self.path(folder).mkdir(parents=True, exist_ok=True)
        return f"{folder}/{name}" if folder else name

    def data(self, path: str) -> bytes:
        content = self.book.files[path]
        assert isinstance(content, bytes)
        return content

    def wait(self, seconds: float) -> None:
        self.hold.wait(seconds)

    # -- ways to write -----------------------------------------------------------------------------

    def overwrite(self, path: str, data: bytes) -> None:
        """As `open(path, "w")`: empty first, then in pieces, each of which a reader may see."""
        with self.book.changing({path: b""}):
            fd = os.open(self.path(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            for end in range(PIECE, len(data) + PIECE, PIECE):
                with self.book.changing({path: data[:end]}):
                    os.write(fd, data[end - PIECE : end])
        finally:
            os.close(fd)

    def replace(self, path: str, data: bytes) -> None:
        """As most editors save: a new file beside, renamed over the old."""
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/.{name}.tmp" if folder else f".{name}.tmp"
        self.path(temporary).write_bytes(data)
        with self.book.changing({path: data}):
            self.path(temporary).rename(self.path(path))

    # -- one note ----------------------------------------------------------------------------------

    def edit_write(self) -> None:
        self.overwrite(self.fresh(), note(self.rng))

    def edit_rewrite(self) -> bool:
        if path := self.pick():
            self.overwrite(path, note(self.rng))
        return bool(path)

    def edit_append(self) -> bool:
        if path := self.pick():
            more = section(self.rng).encode()
            with self.book.changing({path: self.data(path) + more}), self.path(path).open("ab", 0) as file:
                file.write(more)
        return bool(path)

    def edit_truncate(self) -> bool:
        if path := self.pick():
            data = self.data(path)
            end = data.rfind(b"\n## ") + 1 or len(data) // 2
            with self.book.changing({path: data[:end]}):
                os.truncate(self.path(path), end)
        return bool(path)

    def edit_in_place(self) -> bool:
        """Some bytes in the middle, the size as before."""
        if (path := self.pick()) and len(data := self.data(path)) > 40:
            at = self.rng.randrange(len(data) - 8)
            at -= max(0, at % PIECE - (PIECE - 8))  # within one page, where a write is seen whole
            word = self.rng.choice(("alpha", "betas", "gamma", "delta")).encode()
            with self.book.changing({path: data[:at] + word + data[at + 5 :]}), self.path(path).open("r+b", 0) as file:
                file.seek(at)
                file.write(word)
            return True
        return False

    def edit_line_shift(self) -> bool:
        """Blank lines before everything: the texts stay, the lines do not."""
        if path := self.pick():
            self.replace(path, b"\n" + self.data(path) if self.rng.random() < 0.5 else self.data(path).lstrip(b"\n"))
        return bool(path)

    def edit_atomic_save(self) -> bool:
        path = self.pick() if self.rng.random() < 0.7 else self.fresh()
        if path:
            self.replace(path, note(self.rng))
        return bool(path)

    def edit_vim_save(self) -> bool:
        """The old becomes a backup, a new file is written in its place, the backup goes."""
        if path := self.pick():
            data, backup, probe = self.data(path) + sentence(self.rng).encode(), path + "~", self.path(path).parent
            (probe / "4913").write_bytes(b"")
            (probe / "4913").unlink()
            with self.book.changing({path: None}):
                self.path(path).rename(self.path(backup))
            self.overwrite(path, data)
            self.path(backup).unlink()
        return bool(path)

    def edit_rename(self) -> bool:
        if path := self.pick():
            to = self.fresh()
            with self.book.changing({path: None, to: self.data(path)}):
                self.path(path).rename(self.path(to))
        return bool(path)

    def edit_swap(self) -> bool:
        a, b = self.pick(), self.pick()
        if not a or not b or a == b:
            return False
        with self.book.changing({a: self.data(b), b: self.data(a)}):
            aside = self.path(a).with_name("swap.tmp")
            self.path(a).rename(aside)
            self.path(b).rename(self.path(a))
            aside.rename(self.path(b))
        return True

    def edit_copy(self) -> bool:
        if path := self.pick(""):
            self.overwrite(self.fresh(), self.data(path))
        return bool(path)

    def edit_delete(self) -> bool:
        if path := self.pick(""):
            with self.book.changing({path: None}):
                self.path(path).unlink()
        return bool(path)

    def edit_touch(self) -> bool:
        if path := self.pick(""):
            with self.book.changing({path: self.data(path)}):
                os.utime(self.path(path))
        return bool(path)

    def edit_chmod(self) -> bool:
        """Out of reach for a moment; another than root cannot read it then."""
        if path := self.pick(""):
            self.path(path).chmod(0)
            self.wait(0.3)
            with self.book.changing({path: self.data(path)}):
                self.path(path).chmod(self.rng.choice((0o600, 0o640, 0o644)))
        return bool(path)

    def edit_symlink(self) -> bool:
        """A link in a note's place, or a note in a link's; none is followed."""
        links = [path for path, data in self.book.files.items() if not isinstance(data, bytes)]
        if len(links) > 3:
            path = sorted(links)[0]
            with self.book.changing({path: None}):
                self.path(path).unlink()
            self.overwrite(path, note(self.rng))
            return True
        if path := self.pick():
            target = self.rng.choice(("nowhere.md", "/etc/hostname", str(self.outside)))
            with self.book.changing({path: Link(target)}):
                self.path(path).unlink()
                self.path(path).symlink_to(target)
        return bool(path)

    def edit_empty_moment(self) -> bool:
        """Empty for less, or for more, than vragd waits before it believes that."""
        if path := self.pick():
            data = self.data(path)
            with self.book.changing({path: b""}):
                os.truncate(self.path(path), 0)
            self.wait(self.rng.choice((0.1, 0.6, 2.0)))
            if self.rng.random() < 0.8:
                self.overwrite(path, data or note(self.rng))
        return bool(path)

    def edit_not_utf8(self) -> bool:
        if path := self.pick():
            bad = self.rng.choice((b"caf\xe9 na\xefve\n", b"\xff\xfe\x00", b"\xc3\x28 \xf0\x9f\n"))
            data = self.data(path) + bad
            self.replace(path, data if len(data) < 100_000 else note(self.rng))
        return bool(path)

    def edit_huge(self) -> None:
        """Beyond the limit, so that it is no note; then gone or a note again."""
        path = self.fresh("")
        with self.book.changing({path: b""}):
            self.path(path).write_bytes(b"")
        huge = (sentence(self.rng) + "\n").encode()
        self.replace(path, huge * (MAX_FILE_BYTES // len(huge) + 2))
        self.wait(1.0)
        self.replace(path, note(self.rng))

    def edit_large(self) -> None:
        """Dozens of chunks, most of them known after the next edit of it."""
        large = [path for path in self.book.notes() if path.startswith("Large ")]
        path = self.rng.choice(large) if len(large) > 2 else f"Large {self._n}.md"
        before = self.book.files.get(path)
        data = before if isinstance(before, bytes) and len(before) < 60_000 else note(self.rng, 40)
        self.replace(path, data + section(self.rng).encode())

    def edit_opt_out(self) -> bool:
        if path := self.pick():
            data = self.data(path)
            head = b"---\nvragd: false\n---\n"
            self.replace(path, data.removeprefix(head) if data.startswith(head) else head + data)
        return bool(path)

    def edit_no_note(self) -> None:
        """What is none: in a dot folder, an image, a sync tool's copy. Each is bounded in number."""
        path = self.rng.choice(
            (
                ".trash/Old.md",
                ".git/COMMIT.md",
                "Note.sync-conflict-20260101-120000-ABCDEFG.md",
                "picture.png",
                ".obsidian/workspace.json",
            )
        )
        self.path(path).parent.mkdir(exist_ok=True)
        content: Content = f"{token(self.rng)} {sentence(self.rng)}\n".encode()
        with self.book.changing({path: content}):
            self.path(path).write_bytes(content)


def play(editor: Editor, stop: threading.Event, gate: threading.Lock) -> None:
    """Edit until `stop`, never while somebody holds `gate`: now in bursts, now at leisure."""
    while not stop.is_set():
        for _ in range(editor.rng.choice((1, 1, 1, 2, 3, 12))):
            with gate:
                if stop.is_set():
                    return
                editor.step()
        stop.wait(min(4.0, editor.rng.expovariate(0.9)))
        if editor.hold.is_set():
            time.sleep(0.05)  # let whoever waits for the gate have it
