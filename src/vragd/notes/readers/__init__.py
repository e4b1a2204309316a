"""A reader per kind of file: bytes to a note. `notes.chunk.REGISTRY` says which reads what."""
