"""One store, blocking: its catalog, spaces, collections, filling, verification, identity."""
