"""Completion of the command line in bash, zsh and fish: what may come next, from the one tree of commands."""
