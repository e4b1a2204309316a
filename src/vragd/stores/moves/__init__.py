"""Passages and vectors from one place to another: out of a store, into one, from one backend to the next."""
