"""`vragd mcp install`: the bridge in an assistant's own file, and out of it again. Everything else in it stays."""
