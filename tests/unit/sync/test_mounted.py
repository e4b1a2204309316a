"""What is mounted inside of a source, and on a file system that has another number for a file each time."""

from __future__ import annotations

from tests.unit.sync.conftest import N, World
from vragd.notes.chunk import versions
from vragd.sync.difference import compare
from vragd.vault.ignore import Rules
from vragd.vault.mounts import Mount
from vragd.vault.root import Root
from vragd.vault.scan import scan


def test_what_is_mounted_over_a_few_notes_hides_them_and_deletes_none(world: World) -> None:
    (world.folder / "disk").mkdir()
    few = [f"disk/m{i}.md" for i in range(3)]
    for path in few:
        (world.folder / path).write_text(path)
    world.apply(*few)
    root, state = world.source.root, world.proof.state
    assert root is not None
    known = world.store.reader.stamps(world.source.id, "", None, 1 << 20, versions())

    def judged(*there: str, confirm: bool = False) -> tuple[list[str], bool]:
        world.proof.state = state
        found = world.source.scan()
        found.mounts["disk"] = (5, 7)
        for path in set(few) - set(there):
            del found.notes[path]
        if confirm:
            world.proof.ask_scan(confirm=True)
        difference, is_gone = world.proof.judge(root, found, known, world.proof.mark())
        return sorted(difference.missing), is_gone

    for _ in range(2):
        assert judged() == ([], True), "of the rest the scan is believed"
        assert world.proof.held == set(few)
        assert "disk" not in world.proof.state.mounts, "a later scan doubts it, too, and after a restart"
    (world.folder / "disk/other.md").write_text("of the disk that was laid over them")
    world.apply("disk/other.md")
    known = world.store.reader.stamps(world.source.id, "", None, 1 << 20, versions())
    state = world.proof.state
    assert judged("disk/other.md") == ([], True), "that another note of it is known by now says nothing of them"
    assert world.proof.held == set(few)
    assert judged(few[1]) == ([few[0], few[2]], True), "one that is known is there: it is the disk they are on"
    assert world.proof.held == set()
    assert judged(confirm=True) == (few, True)
    assert world.proof.state.mounts == {"disk": (5, 7)}


def test_what_a_mount_hides_is_known_after_a_restart_although_a_note_on_it_was_indexed(world: World) -> None:
    (world.folder / "disk").mkdir()
    few = [f"disk/m{i}.md" for i in range(3)]
    for path in [*few, "disk/other.md"]:
        (world.folder / path).write_text(path)

    def judged() -> list[str]:
        """What a full scan misses, while `disk` has something laid over it that has none but the other note."""
        root = world.source.root
        assert root is not None
        known = world.store.reader.stamps(world.source.id, "", None, 1 << 20, versions())
        found = world.source.scan()
        found.mounts["disk"] = (5, 7)
        found.notes = {path: stamp for path, stamp in found.notes.items() if path not in few}
        missing = world.proof.judge(root, found, known, world.proof.mark())[0].missing
        world.proof.remember()
        return sorted(missing)

    world.apply(*few)
    assert judged() == []
    world.apply("disk/other.md")
    assert judged() == []
    world.reopen()
    assert world.proof.held == set(few), "at once: nobody has looked yet"
    assert judged() == []
    assert world.proof.held == set(few)


class Mounted(Root):
    """A root inside of which something is mounted on `disk`, as the system's table says."""

    def mounts(self) -> dict[str, Mount]:
        return {"disk": Mount(b"/disk", "tmpfs", b"")}


def test_below_a_mount_that_no_scan_has_seen_nothing_is_gone(world: World) -> None:
    (world.folder / "disk").mkdir()
    (world.folder / "disk" / "m.md").write_text("m")
    world.apply("disk/m.md")
    world.proof.take(Mounted(world.folder))
    world.apply(*world.scan())
    (world.folder / "disk" / "m.md").unlink()
    (world.folder / "n1.md").unlink()
    assert world.apply("disk/m.md", "n1.md") == 1
    assert world.notes == N, "of the other nothing hides the place"


def test_where_every_file_has_another_inode_each_time_a_scan_finds_nothing_to_read(world: World) -> None:
    known = world.store.reader.stamps(world.source.id, "", None, 10**6, versions())
    found = scan(world.folder, Rules(("*.md",), ()))
    assert found.notes.keys() == known.keys()
    # what was only just written is doubted for a while: here it is known as it was found
    known = {path: (*found.notes[path], False, *row[5:]) for path, row in known.items()}
    found.notes = {path: stamp._replace(inode=stamp.inode + 1_000_000) for path, stamp in found.notes.items()}
    assert compare(found, known, Rules(("*.md",), ())).dirty == []
