"""What is told of a store's texts without reading them all, and with."""

from __future__ import annotations

from pathlib import Path

from tests.world import World


def test_a_sample_is_of_notes_from_all_over_and_the_amount_that_of_different_texts(tmp_path: Path) -> None:
    world = World(tmp_path)
    reader = world.store.reader
    assert (reader.sample(6), reader.amount()) == ([], (0, 0))
    names = [f"{i:02}.md" for i in range(30)]
    for name in names:
        world.write(name, f"# A\n\nof {name}\n\n# B\n\nthe same é")
    world.apply(*names)
    sample = sorted(reader.sample(6))
    assert len(sample) == 6
    assert sample[0].startswith("# A\n\nof 00.md")
    assert all(text.endswith("the same é") for text in sample)
    assert len(reader.sample(60)) == 30
    n_bytes = 30 * len("# A\n\nof 00.md") + len("# B\n\nthe same é".encode())
    assert reader.amount() == (31, n_bytes)
    world.store.close()
