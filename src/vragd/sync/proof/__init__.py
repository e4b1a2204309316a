"""Is it gone? All that decides whether what is missing from a source's directory leaves the index."""
