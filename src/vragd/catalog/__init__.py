"""The catalog: one SQLite file per store, the truth. The only SQL in the project."""
