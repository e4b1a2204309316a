"""What lives of a store are made of: notes, edits, stops, another model, another backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.faults.crash_life import ON_DISK, Life, Setup
from vragd.system.failpoints import reach


def note(name: str, *sections: str, title: str = "") -> str:
    """A note with a chunk for each of the sections."""
    front = f"---\ntitle: {title}\n---\n" if title else ""
    return front + "".join(f"# {name} {one}\n\nWhat {name} says of {one}.\n\n" for one in sections)


FIRST = {
    "a.md": note("a", "one", "two", "three"),
    "b.md": note("b", "one", "two", "three", "four"),
    "c.md": note("c", "only"),
    "folder/d.md": note("d", "one", "two"),
    "long.md": note("long", *(f"part {i}" for i in range(8))),
}
CLOSED = "---\nai: false\n---\n"
"""What a note begins with that is not for assistants."""
FIRST_DONE = "first_done"
"""No place of the code: where a scenario begins to differ from another that is crashed from its beginning."""
SHORTENED = note("b", "one", "four")
GROWN_LONG = note("long", "part 9", *(f"part {i}" for i in range(8) if i != 3))
LOWER = "\n\n" + note("a", "one", "two and a half", "three")


def first(life: Life, setup: Setup) -> None:
    life.open(setup)
    life.edit(FIRST)
    life.sync()
    reach(FIRST_DONE)


def edits(life: Life, setup: Setup) -> None:
    """Every kind of edit, and a second life that begins with what the first one left."""
    first(life, setup)
    life.edit(
        {"a.md": LOWER, "b.md": SHORTENED, "new.md": note("new", "one", "two", title="Another")},
        rename=[("c.md", "moved/c.md")],
        delete=["folder/d.md"],
    )
    life.sync()
    life.close()
    life.open(setup)
    moved = note("long", "part 3") + FIRST["c.md"]  # out of one note, into another
    life.edit(
        {"long.md": CLOSED + GROWN_LONG, "moved/c.md": moved, "new.md": note("new", "one", "two", title="Retitled")},
        rename=[("a.md", "swap.md"), ("b.md", "a.md"), ("swap.md", "b.md")],
    )
    life.sync()
    life.close()


def checkpoint(life: Life, setup: Setup) -> None:
    """The cache file written, written again, loaded, and damaged."""
    first(life, setup)
    life.flush()
    life.edit({"a.md": LOWER, "b.md": SHORTENED}, delete=["c.md"])
    life.sync()
    life.flush()
    life.close()
    life.open(setup)
    life.edit({"long.md": GROWN_LONG}, delete=["folder/d.md"])
    life.sync()
    life.close()
    life.damage_cache()
    life.open(setup)
    life.edit({"a.md": FIRST["a.md"]})
    life.sync()
    life.flush()
    life.close()


def migration(life: Life, setup: Setup) -> None:
    """A catalog of the first schema is opened by a version two steps beyond the newest."""
    first(life, setup)
    life.close()
    life.downgrade()
    life.open(Setup(setup.backend, grown=True))
    life.edit({"a.md": LOWER}, delete=["c.md"])
    life.sync()
    life.close()


def named_model(life: Life, setup: Setup) -> None:
    """The settings name another model: the old one answers until all notes are in the new space."""
    first(life, Setup(setup.backend, named=True))
    life.close()
    life.open(Setup(setup.backend, model="2", named=True))
    life.sync()
    life.edit({"a.md": LOWER})
    life.sync()
    life.close()


def replaced_model(life: Life, setup: Setup) -> None:
    """The model under the same name is another: nobody can put a question to the old space."""
    first(life, setup)
    life.close()
    life.open(Setup(setup.backend, model="2"))
    life.edit({"b.md": SHORTENED}, delete=["c.md"])
    life.sync()
    life.close()


def reindexed(life: Life, setup: Setup) -> None:
    """All is read again, then embedded again, too, while the vault changes."""
    first(life, setup)
    life.store.read_again()
    life.sync()
    life.edit({"a.md": LOWER})
    life.store.read_again(embed=True)
    life.sync()
    life.close()


def move(life: Life, _: Setup) -> None:
    """From FAISS to S3 Vectors, some work there, and the end of the store."""
    first(life, Setup())
    life.close()
    life.open(Setup("s3"))
    life.sync()
    life.edit({"a.md": LOWER}, delete=["c.md"])
    life.sync()
    life.delete()


def lost(life: Life, setup: Setup) -> None:
    """The catalog is lost, and the vault changes: the next finds what its predecessor put, and sweeps it."""
    first(life, setup)
    life.close()
    life.lose_catalog()
    life.edit({"b.md": SHORTENED}, delete=["c.md"])
    life.open(setup)
    life.sync()
    life.close()


def refused(life: Life, setup: Setup) -> None:
    """The backend refuses some of what is written, also what it holds as it was before, then of what is put again."""
    first(life, setup)
    life.close()
    life.open(Setup(setup.backend, refuses="two"))
    life.edit({"a.md": "\n\n" + FIRST["a.md"], "new.md": note("new", "two", "four")})
    life.sync()
    life.edit(delete=["folder/d.md"])
    life.sync()
    life.close()
    life.open(Setup(setup.backend, refuses="two", text=True))
    life.edit({"new.md": note("new", "four")}, delete=["c.md"])
    life.sync()
    life.close()


def delete(life: Life, setup: Setup) -> None:
    first(life, setup)
    life.delete()


def replica(life: Life, setup: Setup) -> None:
    """Another backend that follows, told of edits, of another model, and of the end of the one before."""
    setup = replace(setup, named=True, replica=True)
    first(life, setup)
    life.edit({"a.md": LOWER, "b.md": SHORTENED}, rename=[("c.md", "moved.md")], delete=["folder/d.md"])
    life.sync()
    life.close()
    life.open(replace(setup, model="2"))
    life.edit({"long.md": GROWN_LONG})
    life.sync()
    life.close()


def everything(life: Life, setup: Setup) -> None:
    """Edits, an index that is built, another model and its index, and the end of the store."""
    first(life, Setup(setup.backend, named=True))
    life.flush()
    life.edit({"a.md": LOWER, "b.md": SHORTENED}, rename=[("c.md", "moved.md")], delete=["folder/d.md"])
    life.sync()
    life.close()
    life.open(Setup(setup.backend, model="2", named=True))
    life.edit({"long.md": GROWN_LONG})
    life.sync()
    life.flush()
    life.delete()


@dataclass(frozen=True, slots=True)
class Scenario:
    """Lives on a backend, as a process is given them."""

    play: Callable[[Life, Setup], None]
    backend: str

    def __call__(self, life: Life) -> None:
        self.play(life, Setup(self.backend))

    @property
    def is_remote(self) -> bool:
        return self.backend != "faiss"

    @property
    def begins(self) -> str:
        """After which place it is crashed: on FAISS and S3 Vectors one is from the very beginning."""
        return "" if self.play is edits else FIRST_DONE

    def __str__(self) -> str:
        return f"{self.play.__name__}-{self.backend}"


ON_FAISS = (edits, checkpoint, migration, named_model, replaced_model, reindexed, delete, replica)
ON_S3 = (edits, named_model, reindexed, lost, move, refused)
ON_POSTGRES = (everything,)
WITHOUT_PROCESS = (*ON_DISK, "bucket", "lucene")
ALL = [
    *(Scenario(play, "faiss") for play in ON_FAISS), *(Scenario(play, "s3") for play in ON_S3),
    *(Scenario(play, "pg") for play in ON_POSTGRES), *(Scenario(everything, kind) for kind in WITHOUT_PROCESS),
]  # fmt: skip
