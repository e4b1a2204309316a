"""The bridge for assistants: the Model Context Protocol on standard input and output. Read-only, a client as any."""
