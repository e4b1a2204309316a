"""FAISS in this process, with a cache file on disk."""
