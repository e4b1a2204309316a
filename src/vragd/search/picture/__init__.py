"""A picture of a vault: its notes in a plane, placed by meaning."""
