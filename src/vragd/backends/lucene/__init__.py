"""What engines on top of Lucene have in common: collections as indices, over HTTP."""
