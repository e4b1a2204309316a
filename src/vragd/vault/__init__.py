"""The vault side: what changed on disk. Nothing here opens a vault file for writing."""
