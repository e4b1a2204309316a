"""The parsers that assistants read their files with, from npm."""

from __future__ import annotations

from pathlib import Path

from tests.servers.fetched import install

PACKAGES = ("jsonc-parser@3.3.1", "strip-json-comments@5.0.3")
NAME = "assistants-" + "-".join(package.rpartition("@")[2] for package in PACKAGES)


def make(folder: Path) -> None:
    """Install them. OSError says why that cannot be."""
    install(folder, *PACKAGES)
