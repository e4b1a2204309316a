"""axe, which finds on a page what keeps people out, from npm."""

from __future__ import annotations

from pathlib import Path

from tests.servers.fetched import install

PACKAGE = "axe-core@4.14.1"
NAME = PACKAGE.replace("@", "-")
SCRIPT = "node_modules/axe-core/axe.min.js"


def make(folder: Path) -> None:
    """Install it. OSError says why that cannot be."""
    install(folder, PACKAGE)
