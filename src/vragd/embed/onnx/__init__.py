"""A model in a folder of sentence-transformers' layout, run in this process."""
