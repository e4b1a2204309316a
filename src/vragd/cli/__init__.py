"""The command line: parse, ask the client, render."""
