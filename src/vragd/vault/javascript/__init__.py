"""JavaScript's regular expressions, as Obsidian evaluates them: text -> tree -> one of Python's."""
