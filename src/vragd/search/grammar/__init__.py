"""What people type to ask, as Obsidian's search has it: text -> tree -> text. No I/O."""
