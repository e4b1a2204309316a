"""vragd keeps Obsidian vaults searchable from every program on the machine."""

__version__ = "0.1.0"
