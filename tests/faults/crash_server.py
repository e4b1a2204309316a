"""Imported by the process that forks lives of a store, and by no other."""

import gc

from tests.faults import crash_life, crash_scenarios

crash_life.warm()
gc.freeze()  # else each life copies all of it to count references
__all__ = ["crash_scenarios"]
