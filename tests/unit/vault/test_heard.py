"""What was heard of a folder counts until somebody has looked who began later."""

from __future__ import annotations

from vragd.vault.heard import Heard


def test_what_is_heard_while_somebody_looks_is_looked_at_again() -> None:
    heard = Heard()
    asked: list[int] = []
    heard.on_heard = lambda: asked.append(1)
    heard.of("A")
    heard.of("B")
    before = heard.now()
    heard.of("A")
    heard.looked(before)
    assert "A" in heard and "B" not in heard and heard
    heard.looked(heard.now())
    assert not heard
    assert len(asked) == 3
